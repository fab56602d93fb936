"""A series of one datastream, with as many points as a chart is wide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api.access import Caller
from api.answers.sheet import sheet
from api.database.store import Store, may_at
from api.deps import CallerDep, DirectDep, KeyedStoreDep
from api.params import Id
from api.routes import ABSENT, PROBLEMS
from api.routes.observations import AT_HOME, Moment, check_period, open_from
from api.schemas.series import How, Series
from cim.errors import InvalidQuery, NotFound
from cim.feeds.history import series as kernel
from cim.feeds.history.series import SECOND, Asked, Kept
from cim.security.rights import CITY_READ
from cim.store.direct import Direct
from cim.store.queries.feeds import series as queries

router = APIRouter(prefix="/datastreams", tags=["devices"], responses=PROBLEMS | ABSENT)

USUAL = timedelta(hours=24)
"""How long a series is that nobody gives a beginning."""

SHOWN_AS_LINES = ("minmax", "lttb")

Points = Annotated[
    int, Query(ge=2, le=5000, description="most points answered; for a chart its width in pixels")
]
HowAsked = Annotated[
    How,
    Query(
        description="a line that keeps least and greatest (minmax) or the shape (lttb); or bars: "
        "mean, weighted (by the time each reading held), increase (of a counter)"
    ),
]

Form = Annotated[Literal["json", "csv"], Query(description="csv is a table for a spreadsheet")]
SHEET: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


async def asked(
    start: Moment = None,
    end: Moment = None,
    points: Points = 500,
    how: HowAsked = "minmax",
) -> Asked:
    """What of a series is asked for; InvalidQuery where it is no period."""
    check_period(start, end)  # before a day is taken from it: there is none before the first
    until = end or datetime.now(UTC)
    since = start or until - USUAL
    check_period(since, until)
    if since == until:
        raise InvalidQuery("start and end are the same.", "start 与 end 相同。")
    return Asked(kernel.micros(since), kernel.micros(until), points, how)


@router.get(
    "/{id}/series",
    summary="A series of a datastream for a chart",
    response_model=Series,
    responses=SHEET,
)
async def series(
    id: Id,
    direct: DirectDep,
    store: KeyedStoreDep,
    caller: CallerDep,
    asked: Annotated[Asked, Depends(asked)],
    f: Form = "json",
) -> Response:
    """At most `points` points from `start` until before `end`, from readings or from their sums.

    Without `end` until now, without `start` the 24 hours before `end`. Readings that are doubtful,
    out of range or of a device at fault are left out. Readings of a device in a unit need the right
    `living.read` there.
    """
    found = await direct.row(queries.STREAM(id=id))
    if found is None or not await sees(store, caller, found):
        raise NotFound(f"No datastream has the id {id}.", f"没有编号为 {id} 的数据流。")
    begins, least = await open_from(store, caller, found), None
    if begins is not None:
        least = kernel.begins("day", kernel.micros(begins) + kernel.WIDTHS["day"])
        asked = later(asked, least)
    stream, points = orjson.loads(found.answer), await read(direct, id, found, asked, least)
    vary = {"Vary": "Authorization, Cookie"}
    if f == "csv":
        named = {"Content-Disposition": f'attachment; filename="datastream-{id}.csv"'}
        return Response(sheet(stream, points), media_type="text/csv", headers=vary | named)
    head = {
        "datastream": stream,
        "start": moment(asked.start),
        "end": moment(asked.end),
        "how": asked.how,
    }
    body = orjson.dumps(
        head | points,
        option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z,
    )
    return Response(body, media_type="application/json", headers=vary)


def later(asked: Asked, least: int) -> Asked:
    """What is asked for, from a moment on; NotAllowed where that is nothing."""
    if least >= asked.end:
        raise AT_HOME
    return replace(asked, start=max(asked.start, least))


async def sees(store: Store, caller: Caller, found: Any) -> bool:
    """Whether a caller is cleared for a device: one that is not public is nobody else's to know."""
    if not found.secrecy:
        return True
    cleared = [right for right in caller.rights.of(CITY_READ, "devices")
               if right.secrecy >= found.secrecy]  # fmt: skip
    return any(right.where is None for right in cleared) or (
        bool(cleared) and await may_at(store, caller, CITY_READ, found.building_id)
    )


async def read(
    direct: Direct, id: int, found: Any, asked: Asked, least: int | None = None
) -> dict[str, Any]:
    """What the answer says besides whose it is; nothing from before `least` is read."""
    if found.result_type in ("text", "code"):
        texts = await words(direct, id, asked)
        if texts["t"]:
            return texts
    known = 86_400 / found.interval_s if found.interval_s else None
    a_day = max(filter(None, (found.a_day, known)), default=None)
    since = {"raw": found.raw, "5min": found.minutes, "hour": found.hours}
    kept = Kept(a_day, {name: kernel.micros(at) for name, at in since.items() if at is not None})
    level = kernel.choose(asked, kept)
    longest = kernel.longest_of(found.interval_s, found.kind, level, a_day)
    rows = kernel.columns(
        await direct.row(statement(id, found, asked, level, longest, least)), level
    )
    return numbers(rows, asked, level) | {
        "level": level,
        "gaps": silences(rows, asked, longest, found.first_at) // 1000,
        "truncated": False,
    }


def statement(
    id: int, found: Any, asked: Asked, level: str, longest: float | None, least: int | None
) -> Any:
    """What reads that level; a counter's growth begins with the reading before."""
    before = 0
    if asked.how == "increase":
        before = int(longest or 0) + kernel.WIDTHS.get(level, 0)
    begins = kernel.begins(level, max(asked.start - before, least or 0))
    if level == "raw":
        return queries.RAW(id=id, raw_from=moment(begins), end=moment(asked.end))
    until = max(begins, kernel.micros(found.hours_until))
    days_until = min(max(begins, kernel.micros(found.days_until)), until)
    ends = {"raw_from": min(until, asked.end), "hours_from": min(days_until, asked.end)}
    if level != "day":
        del ends["hours_from"]
    return queries.ROLLED[level](
        id=id, start=moment(begins), end=moment(asked.end),
        **{name: moment(at) for name, at in ends.items()},
    )  # fmt: skip


def moment(micros: int) -> datetime:
    """Microseconds since 1970 as the driver takes a moment."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)


def numbers(rows: dict[str, Any], asked: Asked, level: str) -> dict[str, Any]:
    """The points of a line, or the values of bars."""
    if asked.how in SHOWN_AS_LINES:
        at, value = kernel.line(rows) if level != "raw" else (rows["at"], rows["sum"])
        at, value = kernel.thinned(at, value, asked.points, asked.how)
        return {"t": at // 1000, "v": value, "low": None, "high": None, "width_s": None}
    width = kernel.width_of(asked, level)
    bars = {"low": None, "high": None} | kernel.bars(rows, asked, width)
    return bars | {"t": bars["t"] // 1000, "width_s": width // SECOND}


def silences(rows: dict[str, Any], asked: Asked, longest: float | None, first_at: Any) -> Any:
    """The gaps, until now where the period goes on."""
    if longest is None:
        return np.empty((0, 2), np.int64)
    now = kernel.micros(datetime.now(UTC))
    older = first_at is not None and kernel.micros(first_at) < asked.start
    end = max(min(asked.end, now), asked.start)
    return kernel.gaps(rows, Asked(asked.start, end, asked.points, asked.how), longest, older)


async def words(direct: Direct, id: int, asked: Asked) -> dict[str, Any]:
    """Texts where they change, the latest where there are more than points."""
    rows = await direct.rows(
        queries.TEXTS(
            id=id, raw_from=moment(asked.start), end=moment(asked.end), limit=asked.points + 1
        )
    )
    kept = rows[: asked.points][::-1]
    return {
        "level": "raw", "width_s": None, "t": [row.t for row in kept], "v": [row.v for row in kept],
        "low": None, "high": None, "gaps": [], "truncated": len(rows) > asked.points,
    }  # fmt: skip
