"""How much of everything there is in an area, a grid, an estate, or a polygon that was drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.database.store import Store
from api.deps import CallerDep, StoreDep
from api.drawn import DRAWN, polygon
from api.params import LARGEST_ID
from api.routes import ABSENT, PROBLEMS, TOO_LARGE, json
from api.schemas.counts import Counted
from cim.errors import InvalidQuery, NotFound
from cim.privacy.counting import COARSE, FINE, told
from cim.security.rights import LIVING_READ, Where
from cim.store.queries import counts as queries

router = APIRouter(prefix="/counts", tags=["counts"], responses=PROBLEMS)

WHAT: tuple[queries.What, ...] = get_args(queries.What)
EVERYTHING = ",".join(WHAT)
THINGS = ("facilities", "devices")
"""What has a class."""

HEADERS = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie"}

WITHHELD = {
    "en": "Everybody may know how many people live in an administrative area as a whole. In grids, "
    "estates and drawn polygons, and by use, people are counted only for callers who may see there "
    "whether somebody is at home (living.read).",
    "zh": "公众仅可获知整个行政区划的人口数；网格、小区、自绘范围及按用途分组的人口数，"
    "仅向在该处具有 living.read 权限的用户提供。",
}
CONFINED = {
    "en": "People are counted only in the areas and grids that the caller's role is for.",
    "zh": "仅统计授权区域或网格内的人口。",
}

Of = Annotated[
    str,
    Query(
        max_length=200,
        description=f"what to count, with commas between: {', '.join(WHAT)}",
        examples=["buildings,people"],
    ),
]
By = Annotated[
    Literal["use", "class", "area", "grid", "estate"] | None,
    Query(description="what to group by; `class` is that of facilities and devices"),
]
Key = Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="its id", examples=[5])]


@dataclass(frozen=True)
class People:
    """How this caller is told of people in one place."""

    shown: bool
    step: int = FINE
    within: Where | None = None
    """Where they are counted; None is all of the place."""

    @property
    def reason(self) -> dict[str, str] | None:
        """Why not all people, or none, are counted."""
        if not self.shown:
            return WITHHELD
        return CONFINED if self.within is not None else None


@router.get(
    "",
    summary="How much there is in an area, a grid or an estate",
    response_model=Counted,
    response_model_exclude_unset=True,
    responses=ABSENT,
)
async def counts(
    store: StoreDep,
    caller: CallerDep,
    area: Key = None,
    grid: Key = None,
    estate: Key = None,
    of: Of = EVERYTHING,
    by: By = None,
) -> Response:
    """One of `area`, `grid` and `estate`, with all that lies below it.

    People are told in hundreds to everybody, of whole areas; in fives, of smaller places too, to
    callers with `living.read` there.
    """
    given: dict[queries.Kind, int | None] = {"area": area, "grid": grid, "estate": estate}
    asked = [(kind, key) for kind, key in given.items() if key is not None]
    if len(asked) != 1:
        raise InvalidQuery(
            "Name one of area, grid and estate.", "请指定 area、grid、estate 中的一个。"
        )
    kind, key = asked[0]
    found = await store.row(queries.place(kind, key))
    if found is None:
        raise NotFound(f"No {kind} has the id {key}.", f"没有编号为 {key} 的 {kind}。")
    fine = caller.may_at(LIVING_READ, [] if found.area is None else [found.area], found.grid)
    if fine:
        people = People(shown=True)
    else:
        people = People(shown=kind == "area" and by in (None, "area"), step=COARSE)
    place = {"type": kind, "id": key, "name": found.name}
    return await counted(store, queries.Place(kind, key), place, _what(of), by, people)


@router.post(
    "",
    summary="How much there is in a polygon",
    response_model=Counted,
    response_model_exclude_unset=True,
    responses=TOO_LARGE,
    openapi_extra=DRAWN,
)
async def counts_within(
    request: Request,
    store: StoreDep,
    caller: CallerDep,
    of: Of = EVERYTHING,
    by: By = None,
) -> Response:
    """A building counts where a point inside its outline lies in the polygon, with all it holds.

    A ring that crosses itself holds all that it goes around; a polygon across the antimeridian is
    to be cut there. People are told in fives, to callers with `living.read` there.
    """
    what = _what(of)
    shape, cells = await run_in_threadpool(polygon, await request.body())
    place = {"type": "polygon", "id": None, "name": None}
    return await counted(
        store, queries.Place("polygon", shape=shape, cover=cells), place, what, by, _drawn(caller)
    )


def _drawn(caller: Caller) -> People:
    """Of people in a polygon: those in the areas and grids that the caller's role is for."""
    return People(shown=caller.may(LIVING_READ), within=caller.where(LIVING_READ))


def _what(of: str) -> list[queries.What]:
    wanted = of.split(",")
    if not set(wanted) <= set(WHAT):
        raise InvalidQuery(
            f"of must be some of {', '.join(WHAT)}, with commas between.",
            f"of 必须为以下各项，以逗号分隔：{'、'.join(WHAT)}。",
        )
    return [each for each in WHAT if each in wanted]


async def counted(
    store: Store,
    place: queries.Place,
    named: dict[str, Any],
    what: list[queries.What],
    by: queries.By | None,
    people: People,
) -> Response:
    """The answer; where people are withheld they are not even asked for."""
    if not people.shown:
        people = replace(people, within=None)
    asked = [each for each in what if each != "people" or people.shown]
    within = None if people.within is None else (people.within.areas, people.within.grids)
    rows = await store.rows(queries.counts(place, asked, by, within)) if asked else []
    groups: dict[str | None, dict[str, Any]] = {}
    for row in rows:
        if row.whole or by is None or (by == "class" and row.what not in THINGS):
            continue
        group = groups.setdefault(row.key, {"key": row.key, "zh": None, "en": None, "counts": {}})
        group["counts"][row.what] = row.n
        group |= {"zh": group["zh"] or row.zh, "en": group["en"] or row.en or row.zh}
    whole = {row.what: row.n for row in rows if row.whole}
    grouped = (
        what if by != "class" else [each for each in what if each in ("facilities", "devices")]
    )
    told_groups = [
        group | {"counts": _told(group["counts"], grouped, people)} for group in groups.values()
    ]
    return json(
        {
            "place": named,
            "counts": _told(whole, what, people),
            "by": by,
            "groups": told_groups,
            "people": {"shown": people.shown, "step": people.step, "reason": people.reason}
            if "people" in what
            else None,
        },
        **HEADERS,
    )


def _told(
    found: dict[str, int], what: Sequence[queries.What], people: People
) -> dict[str, int | None]:
    """Numbers as they are told: all as they are, but for people."""
    numbers: dict[str, int | None] = {each: found.get(each, 0) for each in what}
    if "people" in what:
        empty = found.get("buildings") == 0
        numbers["people"] = (
            told(found.get("people", 0), people.step, empty=empty) if people.shown else None
        )
    return numbers
