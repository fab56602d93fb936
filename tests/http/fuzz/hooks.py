"""What the fuzzer is told beyond the descriptions: our own rule for refusals, and exceptions."""

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
    {
        "after", "bbox", "crs", "datetime", "end", "file", "filter", "group", "properties", "q",
        "sortby", "start", "Upload-Metadata", "X-Purpose",
    }
)  # fmt: skip
"""Parameters that hold more than a schema can say: only the service can tell which are right."""

FIELDS = {"type", "title", "status", "detail", "detail_zh", "instance"}


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
        said = response.json()["detail"]
        named = {said.split(" ", 1)[0], *case.operation.path.split("/")}
        # Signing in with a made-up name, password or link is refused, of course.
        return not (named & LANGUAGES or "session" in named)
    if isinstance(failure, AcceptedNegativeData):
        if response.status_code in (408, 412, 413, 507):
            return False  # refused all the same
        # As the standard says: more than may be asked for is taken as the most there is.
        return not (case.path.endswith("/items") and "parameter `limit`" in failure.message)
    if isinstance(failure, MissingHeaderNotRejected | IgnoredAuth):
        return response.status_code < 400 and [] not in _ways(case)
    if isinstance(failure, UnsupportedMethodResponse | AllowHeaderMismatch):
        return case.path != "/imports/inspect"  # GET is that of /imports/{id} there
    return True


def _ways(case: schemathesis.Case) -> list[list[str]]:
    """The ways in that an operation is described with; an empty one is nobody's."""
    return [list(each) for each in case.operation.definition.raw.get("security", [{}])]
