"""The SDK's typed error for what a client gets wrong."""

from witness import PROJECT, client, refused, witnessed

STRANGER = "00000000-0000-4000-8000-000000000000"

own = client()


def faults(error):
    """What the error says is wrong, by field."""
    for fault in error.body["errors"]:
        assert fault["type"] == "validation_error" and fault["message"] and "url" in fault, fault
    return {fault["attribute"]: fault["code"] for fault in error.body["errors"]}


error = refused(422, lambda: own.project.tokens.create(name="", permissions=["nonsense"], subproject_id=STRANGER))
assert faults(error) == {
    "name": "invalid_parameter",
    "permissions": "invalid_auth_token_permissions",
    "subproject_id": "invalid_subproject_id",
}
witnessed("project.tokens.create raises 422 with one entry for each field that failed")

error = refused(422, lambda: own.projects.create(name="x" * 251, protect_recordings="yes"))
assert faults(error) == {"name": "invalid_parameter", "protect_recordings": "invalid_parameter"}
witnessed("projects.create raises 422 with one entry for each field that failed")

error = refused(422, lambda: own.projects.list(page_token="forged"))
assert set(faults(error).values()) == {"page_token_is_invalid"}
witnessed("projects.list raises 422 for a forged page token")

error = refused(422, lambda: own.projects.list(page_size=1001))
assert faults(error) == {"page_size": "invalid_parameter"}
witnessed("projects.list raises 422 for a page size out of range")

error = refused(422, lambda: own.project.tokens.create(name="x", permissions=["video"], extras={"expires_in": 60}))
assert "expires_in" in faults(error)
witnessed("project.tokens.create refuses a field of a later version, sent by way of extras")

subproject = own.projects.create(name="Childless")
theirs = own.project.tokens.create(name="x", permissions=["management"], subproject_id=subproject["id"])
customer = client(project=subproject["id"], token=theirs["token"])
error = refused(422, lambda: customer.projects.create(name="A grandchild"))
assert list(faults(error).values()) == ["nested_subprojects_not_allowed"]
witnessed("projects.create raises 422 where a subproject would make another")

error = refused(401, lambda: client(token="PT" + "0" * 48).projects.list())
assert error.body["error"] == "Unauthorized"
# Names of headers have no case (RFC 9110, section 5.1); the SDK keeps them as they came.
assert "www-authenticate" in {name.lower() for name in error.headers}
witnessed("a wrong secret raises 401")

refused(401, lambda: client(project=STRANGER).project.tokens.create(name="x", permissions=["video"]))
witnessed("another project's id raises 401")

for stranger in (STRANGER, "no-uuid"):
    error = refused(404, lambda: own.projects.get(stranger))
    assert error.body["error"] == "Not Found"
    refused(404, lambda: own.projects.rotate_signing_key(stranger))
    refused(404, lambda: own.project.tokens.update(stranger, name="x"))
witnessed("an id that is nobody's, and one that is no UUID, raise 404")

refused(404, lambda: customer.projects.get(PROJECT))
witnessed("a subproject's token does not see its parent: 404")
