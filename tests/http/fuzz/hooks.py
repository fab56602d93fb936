"""What the fuzzer is told beyond the descriptions: our own rule for refusals, and exceptions."""

import re
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    IgnoredAuth,
    MissingHeaderNotRejected,
    RejectedPositiveData,
    UnsupportedMethodResponse,
)

LANGUAGES = frozenset(
    """addresses after area bbox building class collection collections crs datetime end estate
    expand f file filename filter geometry grid group kind kinds lat limit lon observed of place
    Polygon properties property q reading sortby
    start tile tileset tileCol tileMatrix tileRow unit Upload-Metadata X-Purpose""".split()
)
"""Parameters that hold more than a schema can say, or that go together: only the service can tell
which are right. What it refuses it must name, at the beginning of what it says."""

TOGETHER = ("Name", "Say", "The", "body", "the")
"""How a sentence begins that is about several of them."""

SHADOWED = ("/inspect", "/by-ids", "/lookup")
"""Ends of addresses at which GET is another route's, which takes the word for an id."""

FIELDS = {"type", "title", "status", "detail", "detail_zh", "instance"}


@schemathesis.serializer("application/offset+octet-stream")
def raw_bytes(ctx: schemathesis.SerializationContext, value: Any) -> bytes:
    """What is uploaded, as it is."""
    return bytes(value) if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.check
def refusals_are_problems(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Whatever is refused is told why, in both languages; never with what is ours alone."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    kind = response.headers.get("content-type", [""])[0]
    assert kind == "application/problem+json", f"{response.status_code} as {kind}"
    found = response.json()
    assert set(found) == FIELDS and found["status"] == response.status_code, found
    assert found["detail"] and any(mark > "\u4e00" for mark in found["detail_zh"]), found
    for leak in ("SELECT ", "Traceback", "asyncpg", "sqlalchemy", "psycopg"):
        assert leak not in found["detail"], found


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Any,
    case: schemathesis.Case,
    response: schemathesis.Response,
) -> bool:
    """Leave out what is as it should be, though a description cannot say so."""
    if isinstance(failure, RejectedPositiveData):
        words = re.findall(r"[\w-]+", response.json()["detail"])
        named = set(words if words[0] in TOGETHER else words[:1])
        # Signing in with a made-up name, password or link is refused, of course.
        known = LANGUAGES | set(case.query or {}) | {"ids"}  # 7.0 is whole to a schema alone
        return not (named & known or "session" in case.path)
    if isinstance(failure, AcceptedNegativeData):
        refused = response.status_code in (408, 412, 413, 507)
        nothing = (case.headers or {}).get("X-Purpose") == ""  # that is none
        # As the standard says: more than may be asked for is taken as the most there is.
        most = case.path.endswith("/items") and "parameter `limit`" in failure.message
        return not (refused or nothing or most)
    if isinstance(failure, MissingHeaderNotRejected | IgnoredAuth):
        return response.status_code < 400 and [] not in _ways(case)
    if isinstance(failure, UnsupportedMethodResponse | AllowHeaderMismatch):
        # Who may change a collection is asked before whether it is one that can be changed.
        return not (case.path.endswith(SHADOWED) or "/items" in case.path)
    return True


def _ways(case: schemathesis.Case) -> list[list[str]]:
    """The ways in that an operation is described with; an empty one is nobody's."""
    return [list(each) for each in case.operation.definition.raw.get("security", [{}])]
