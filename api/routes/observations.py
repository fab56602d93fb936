"""Readings of one datastream."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from api.access import Caller
from api.database.store import Store, may_at
from api.deps import CallerDep, KeyedStoreDep
from api.params import Id, Limit
from api.routes import ABSENT, PROBLEMS, json
from api.schemas.observations import Observations
from cim.errors import InvalidQuery, NotAllowed, NotFound
from cim.security.rights import LIVING_READ
from cim.store.queries import observations as queries

router = APIRouter(prefix="/datastreams", tags=["devices"], responses=PROBLEMS | ABSENT)

AT_HOME = NotAllowed(
    "Readings of a device in a unit tell who is at home: they need the right `living.read` there.",
    "户内设备的读数可反映居住情况：须使用密钥或登录，且具有该区域的“living.read”权限。",
)

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Beyond these no city has readings, and near the ends of time the database has no zone."""


def in_words(value: object) -> object:
    """A time as it is written; not a number of seconds, which would be taken for one too."""
    if isinstance(value, str) and value.lstrip("+-").replace(".", "", 1).isdigit():
        raise PydanticCustomError("datetime_parsing", "not a time")
    return value


Moment = Annotated[
    AwareDatetime | None,
    BeforeValidator(in_words),
    Query(description="a time with its zone", examples=["2026-11-20T00:00:00Z"]),
]


@router.get("/{id}/observations", summary="Readings of a datastream", response_model=Observations)
async def observations(
    id: Id,
    store: KeyedStoreDep,
    caller: CallerDep,
    start: Moment = None,
    end: Moment = None,
    limit: Limit = 1000,
) -> Response:
    """From `start` until before `end`, oldest first; the latest `limit` where there are more.

    Readings of a device in a unit need the right `living.read` there.
    """
    check_period(start, end)
    found = await store.row(queries.stream(id))
    if found is None:
        raise NotFound(f"No datastream has the id {id}.", f"没有编号为 {id} 的数据流。")
    begins = await open_from(store, caller, found)
    if begins is not None:
        start = begins if start is None else max(start, begins)
        if end is not None and start >= end:
            raise AT_HOME
    rows = await store.rows(queries.readings(id, start, end, limit + 1))
    points = [
        (row.at, row.result if row.result is not None else row.result_text)
        for row in reversed(rows[:limit])
    ]
    return json(
        {
            "datastream": orjson.loads(found.answer),
            "points": points,
            "truncated": len(rows) > limit,
        },
        Vary="Authorization, Cookie",
    )


async def open_from(store: Store, caller: Caller, found: Any) -> datetime | None:
    """From when on a caller may read a stream; None from its beginning on. NotAllowed.

    What a device said in a unit where it is no longer is of that home, not of where it is now.
    """
    if found.in_a_home and not await may_at(store, caller, LIVING_READ, found.building_id):
        raise AT_HOME
    hidden = [
        datetime.fromisoformat(until)
        for building, until in orjson.loads(found.homes_before)
        if not await may_at(store, caller, LIVING_READ, building)
    ]
    return max(hidden, default=None)


def check_period(start: datetime | None, end: datetime | None) -> None:
    """InvalidQuery where a period ends before it begins, or lies outside what is kept."""
    if any(not FIRST_YEAR <= when.year <= LAST_YEAR for when in (start, end) if when is not None):
        raise InvalidQuery(
            f"start and end must lie in the years {FIRST_YEAR} to {LAST_YEAR}.",
            f"start 和 end 须在 {FIRST_YEAR} 至 {LAST_YEAR} 年之间。",
        )
    if start is not None and end is not None and end < start:
        raise InvalidQuery("end lies before start.", "end 早于 start。")
