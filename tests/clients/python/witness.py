"""What the programs of this folder share: a client, and words for what was seen.

Where the service is and who calls stands in the SDK's own variables, SIGNALWIRE_SPACE, SIGNALWIRE_PROJECT_ID and
SIGNALWIRE_API_TOKEN: never on the command line, which every user of the machine can read.
"""

import os
import re
import uuid

from signalwire.rest import RestClient, SignalWireRestError

SECRET = re.compile(r"PT[0-9a-f]{48}")
PROJECT = os.environ["SIGNALWIRE_PROJECT_ID"]


def client(project=None, token=None):
    """The SDK's client, as a program that moves from SignalWire makes it."""
    return RestClient(project=project, token=token)


def witnessed(what):
    """One line for one thing that was seen to be true."""
    print(f"python: {what}", flush=True)


def is_uuid(text):
    return str(uuid.UUID(text)) == text


def refused(status, call):
    """The SDK's typed error of a call that must fail with that status."""
    try:
        call()
    except SignalWireRestError as error:
        assert error.status_code == status, f"{error.status_code} instead of {status}: {error.body}"
        assert error.request_id, "the error carries the request's id"
        assert error.body.get("request_id", error.request_id) == error.request_id, "body and header name one request"
        return error
    raise AssertionError(f"not refused with {status}")
