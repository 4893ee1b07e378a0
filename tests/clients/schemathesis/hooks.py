"""What schemathesis cannot know about the service, each with its reason."""

import os

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

OWN_TOKEN = os.environ["OWN_TOKEN_ID"]

# A body or a query may be all that the document says and still be refused, for what no schema can say: these faults depend
# on what the store holds, or on an earlier answer.
FAULTS_OF_STATE = {
    "10004",  # subproject_id is a UUID, but no child of the path's project (compatibility API)
    "invalid_subproject_id",  # the same (REST)
    "page_token_is_invalid",  # only an earlier page's link holds a good one
    "page_token_required",  # a page number above 0 needs that token beside it
    54453,  # the same two (compatibility API)
    "only_subprojects_can_be_deleted",  # the id is that of the caller's own project
    "nested_subprojects_not_allowed",  # the caller's project is a subproject
    20005,  # the same (compatibility API)
    20006,  # the project has all the subprojects that it may have (compatibility API)
    "subproject_limit_reached",  # the same
    "token_limit_reached",  # the project is full
}


@schemathesis.hook
def filter_case(context, case):
    """Leaves the caller's own token alone: whoever revokes or narrows it is answered 401 from then on."""
    return OWN_TOKEN not in (case.path_parameters or {}).values()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Passes over what only looks like a fault. Every other check of that answer still counts."""
    if isinstance(failure, RejectedPositiveData):
        body = said(response)
        faults = body.get("errors", [body])
        return not all(fault.get("code") in FAULTS_OF_STATE for fault in faults)
    if isinstance(failure, AcceptedNegativeData):
        return not was_trimmed(case.body, said(response))
    return True


def said(response):
    """The answer's object; an empty one where there is none."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def was_trimmed(sent, answered):
    """A name is judged without the white space around it, which no schema can say: it may be longer, or end in a tab."""
    for field, kept in (("name", "name"), ("FriendlyName", "friendly_name")):
        if isinstance(sent, dict) and isinstance(sent.get(field), str) and isinstance(answered.get(kept), str):
            return sent[field] != answered[kept] and answered[kept] in sent[field]
    return False
