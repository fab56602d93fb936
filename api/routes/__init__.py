"""One file an endpoint group; each handler asks for what it needs and returns an answer."""

from typing import Any

import orjson
from fastapi.responses import Response

from api.schemas.common import Problem

PROBLEM: dict[str, Any] = {"model": Problem}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: {**PROBLEM, "description": "A parameter is malformed"},
    503: {**PROBLEM, "description": "The database did not answer in time"},
}
"""What any of the routes may answer instead."""

ABSENT: dict[int | str, dict[str, Any]] = {404: {**PROBLEM, "description": "Nothing by that id"}}
TOO_LARGE: dict[int | str, dict[str, Any]] = {
    413: {**PROBLEM, "description": "The polygon has too many corners"}
}


def json(value: Any, **headers: str) -> Response:
    """A JSON answer of a value that already has the form of its schema."""
    return Response(orjson.dumps(value), media_type="application/json", headers=headers)
