"""RestClient.project.tokens: create, update, delete, for the own project and for a subproject."""

from witness import PROJECT, SECRET, client, is_uuid, refused, witnessed

own = client()

issued = own.project.tokens.create(name="From the SDK", permissions=["management", "calling"])
assert is_uuid(issued["id"])
assert issued["name"] == "From the SDK"
assert issued["permissions"] == ["calling", "management"], "in the catalogue's order"
assert SECRET.fullmatch(issued["token"])
witnessed("project.tokens.create answers a token with its whole secret")

second = client(token=issued["token"])
assert second.projects.get(PROJECT)["id"] == PROJECT
witnessed("the issued secret logs in, by the project that it belongs to")

renamed = own.project.tokens.update(issued["id"], name="Renamed")
assert renamed["id"] == issued["id"]
assert renamed["name"] == "Renamed"
assert renamed["permissions"] == ["calling", "management"], "what is not sent stays"
assert renamed["token"] == "redacted"
witnessed("project.tokens.update changes the name alone, and answers a redacted secret")

narrowed = own.project.tokens.update(issued["id"], permissions=["video"])
assert narrowed["name"] == "Renamed"
assert narrowed["permissions"] == ["video"]
error = refused(401, lambda: second.projects.get(PROJECT))
assert error.body["error"] == "Unauthorized", error.body
witnessed("project.tokens.update changes the permissions alone, and a token without management manages no more")

unchanged = own.project.tokens.update(issued["id"])
assert (unchanged["name"], unchanged["permissions"]) == ("Renamed", ["video"])
witnessed("project.tokens.update with nothing to change changes nothing")

subproject = own.projects.create(name="A customer")
theirs = own.project.tokens.create(name="Theirs", permissions=["management"], subproject_id=subproject["id"])
customer = client(project=subproject["id"], token=theirs["token"])
assert [project["id"] for project in customer.projects.paginate()] == [subproject["id"]]
refused(401, lambda: client(token=theirs["token"]).projects.list())
witnessed("a token with a subproject_id is the subproject's: it logs in by that id alone and sees that project alone")

assert own.project.tokens.delete(issued["id"]) == {}
witnessed("project.tokens.delete answers nothing")

error = refused(404, lambda: own.project.tokens.delete(issued["id"]))
assert error.body["error"] == "Not Found", error.body
assert error.method == "DELETE" and error.url.endswith(issued["id"])
witnessed("project.tokens.delete of a deleted token raises the typed error: 404, with the request's id")

refused(404, lambda: own.project.tokens.update(issued["id"], name="Back again"))
witnessed("project.tokens.update of a deleted token raises the typed error: 404")

own.project.tokens.delete(theirs["id"])
refused(401, lambda: customer.projects.list())
witnessed("a deleted token logs in no more")
