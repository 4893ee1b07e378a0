"""client.api.accounts of the package that CLIENT names: list, create, fetch, update, below the plain /2010-04-01.

The one is Twilio's, the other SignalWire's, which is made from it. The test has made as many subprojects before as
CUSTOMERS says.
"""

import datetime
import os
import uuid

from twilio.base.exceptions import TwilioRestException

SPACE = os.environ["SIGNALWIRE_SPACE_URL"]
PROJECT = os.environ["SIGNALWIRE_PROJECT_ID"]
TOKEN = os.environ["SIGNALWIRE_API_TOKEN"]
CUSTOMERS = int(os.environ["CUSTOMERS"])
STRANGER = "00000000-0000-4000-8000-000000000000"


def signalwire(project, token):
    from signalwire.rest import Client

    made = Client(project, token, signalwire_space_url=SPACE)
    # It does not read the variable by itself, and the test's authority is not a public one.
    made.http_client.session.verify = os.environ["REQUESTS_CA_BUNDLE"]
    return made


def twilio(project, token):
    from twilio.rest import Client

    made = Client(project, token)
    made.api.base_url = f"https://{SPACE}"
    return made


client = {"signalwire": signalwire, "twilio": twilio}[os.environ["CLIENT"]]
own = client(PROJECT, TOKEN)
accounts = own.api.accounts


def witnessed(what):
    """One line for one thing that was seen to be true."""
    print(f"python: {what}", flush=True)


def refused(status, code, call):
    """The client's typed error of a call that must fail with that status."""
    try:
        call()
    except TwilioRestException as error:
        assert (error.status, error.code) == (status, code), error
        return
    raise AssertionError(f"not refused with {status}")


def sids(found):
    return [account.sid for account in found]


listed = sids(accounts.list())
assert len(listed) == len(set(listed)) == CUSTOMERS + 1, len(listed)
assert listed[-1] == PROJECT, "newest first, and the root is the oldest"
witnessed(f"accounts.list walks all pages of {len(listed)} accounts by itself, each once, the newest first")

assert sids(accounts.list(page_size=7)) == listed
assert sids(accounts.stream(page_size=len(listed))) == listed, "a full last page has no next"
assert sids(accounts.list(limit=60, page_size=50)) == listed[:60]
witnessed("accounts.list and accounts.stream keep page_size and limit")

first = accounts.page(page_size=50)
assert sids(first) == listed[:50]
assert f"https://{SPACE}/2010-04-01/Accounts?" in first.next_page_url
second = first.next_page()
assert sids(second) == listed[50:100]
assert sids(second.previous_page()) == listed[:50]
assert sids(accounts.get_page(first.next_page_url)) == listed[50:100]
witnessed("next_page, previous_page and get_page follow the links, which stay below /2010-04-01")

created = accounts.create(friendly_name="Kundin „Null“ & Söhne 100 %")
assert str(uuid.UUID(created.sid)) == created.sid
assert created.friendly_name == "Kundin „Null“ & Söhne 100 %"
assert (created.status, created.type, created.auth_token) == ("active", "Full", "redacted")
assert created.owner_account_sid == PROJECT
age = datetime.datetime.now(datetime.timezone.utc) - created.date_created.astimezone(datetime.timezone.utc)
assert abs(age) < datetime.timedelta(minutes=10), created.date_created
assert created.uri == f"/2010-04-01/Accounts/{created.sid}"
assert created.subresource_uris["calls"] == f"{created.uri}/Calls"
witnessed("accounts.create makes a subproject, whose dates and links are read")

fetched = accounts(created.sid).fetch()
assert (fetched.sid, fetched.friendly_name) == (created.sid, created.friendly_name)
assert own.api.accounts(PROJECT).fetch().owner_account_sid == PROJECT
witnessed("accounts(sid).fetch shows the subproject, and the own project")

renamed = fetched.update(friendly_name="Customer zero")
assert renamed.friendly_name == accounts(created.sid).fetch().friendly_name == "Customer zero"
assert sids(accounts.list(friendly_name="Customer zero")) == [created.sid]
assert sids(accounts.list(friendly_name="Customer 7", page_size=1))
witnessed("accounts(sid).update changes the name, by which accounts.list finds it")

refused(401, 20003, lambda: client(PROJECT, "PT" + "0" * 48).api.accounts(PROJECT).fetch())
refused(404, 20404, lambda: accounts(STRANGER).fetch())
refused(422, 20002, lambda: accounts.create(friendly_name=""))
refused(404, 20404, lambda: accounts(PROJECT).tokens.create(ttl=60))
witnessed("what is refused raises the client's own error, with status and code")
