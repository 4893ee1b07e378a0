"""RestClient.projects: create, get, update, the paginator over several pages, key rotation, delete."""

import re

from witness import PROJECT, client, is_uuid, refused, witnessed

SIGNING_KEY = re.compile(r"PSK_[0-9a-f]{32}")
BOOLEANS = ["protect_recordings", "protect_message_media", "protect_fax_media", "force_https_requests"]

own = client()

root = own.projects.get(PROJECT)
assert root["id"] == PROJECT
assert root["parent_project_id"] is None and root["subproject"] is False
witnessed("projects.get shows the own project, a root")

created = own.projects.create(name="Customer 0", protect_recordings=True)
assert is_uuid(created["id"])
assert created["name"] == "Customer 0"
assert created["parent_project_id"] == PROJECT and created["subproject"] is True
assert [created[name] for name in BOOLEANS] == [True, False, False, False]
assert SIGNING_KEY.fullmatch(created["signing_key"])
witnessed("projects.create answers a subproject, with its signing key")

shown = own.projects.get(created["id"])
assert not SIGNING_KEY.search(str(shown)), "the signing key is shown once"
assert {key: created[key] for key in created if key != "signing_key"} == {
    key: shown[key] for key in shown if key != "signing_key"
}
witnessed("projects.get shows what projects.create made, without the signing key")

updated = own.projects.update(created["id"], name="Customer zero", force_https_requests=True)
assert updated["name"] == "Customer zero"
assert [updated[name] for name in BOOLEANS] == [True, False, False, True], "what is not sent stays"
assert own.projects.get(created["id"])["name"] == "Customer zero"
witnessed("projects.update changes what is sent and keeps the rest")

rotated = own.projects.rotate_signing_key(created["id"])
assert SIGNING_KEY.fullmatch(rotated["signing_key"])
assert rotated["signing_key"] != created["signing_key"]
witnessed("projects.rotate_signing_key answers a new key")

made = [created["id"]] + [own.projects.create(name=f"Customer {n}")["id"] for n in range(1, 10)]
page = own.projects.list(page_size=3)
assert len(page["data"]) == 3 and page["links"]["next"]
everything = [project["id"] for project in own.projects.paginate(page_size=3)]
assert len(everything) == len(set(everything)), "each row once"
assert set(made + [PROJECT]) <= set(everything)
newest_first = [each for each in everything if each in made]
assert newest_first == made[::-1], "newest first"
witnessed("projects.paginate walks several pages: every row once, the newest first")

full = own.projects.paginate(page_size=len(everything))
assert [project["id"] for project in full] == everything
witnessed("projects.paginate ends after a last page that is full")

found = [project["id"] for project in own.projects.paginate(name="Customer 7", page_size=1)]
assert found == [made[7]]
witnessed("projects.paginate keeps a filter by name")

assert own.projects.delete(created["id"]) == {}
refused(404, lambda: own.projects.get(created["id"]))
refused(404, lambda: own.projects.delete(created["id"]))
witnessed("projects.delete answers nothing; afterwards get and delete raise the typed error: 404")

error = refused(422, lambda: own.projects.delete(PROJECT))
assert [fault["code"] for fault in error.body["errors"]] == ["only_subprojects_can_be_deleted"], error.body
witnessed("projects.delete of a root raises the typed error: 422")
