"""What lies within a polygon that was drawn, kind by kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import shapely
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.deps import SightDep, StoreDep
from api.drawn import DRAWN, outline
from api.params import LARGEST_ID, expanded
from api.routes import PROBLEMS, TOO_LARGE
from api.schemas.within import Within
from cim.errors import InvalidQuery
from cim.geometry.intricacy import intricate
from cim.store.queries.collections import items as queries
from cim.store.queries.collections.definitions import COLLECTIONS

router = APIRouter(tags=["places"], responses=PROBLEMS)

KINDS = tuple(COLLECTIONS)
MOST = 20_000
"""Features of all kinds together that one answer may hold."""

MENDED_CORNERS = 200
"""Corners of a polygon that is mended where it crosses itself: the crossings of a larger one may be
so many that to find them all takes minutes."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a polygon."""

    kinds: tuple[str, ...]
    limit: int
    after: int | None
    geometry: bool
    wholly: bool


async def wanted(
    kinds: Annotated[
        str,
        Query(
            max_length=300,
            description=f"of {', '.join(KINDS)}, with commas between",
            examples=["buildings,facilities"],
        ),
    ] = "buildings",
    limit: Annotated[int, Query(ge=1, le=10_000, description="most of each kind")] = 1000,
    after: Annotated[
        int | None, Query(ge=0, le=LARGEST_ID, description="`next` of the page before, of one kind")
    ] = None,
    relation: Annotated[
        Literal["within", "meets"],
        Query(description="whether all of a thing must lie there, or some of it"),
    ] = "within",
    geometry: Annotated[bool, Query(description="whether outlines are answered")] = False,
) -> Wanted:
    """What is asked for; InvalidQuery where it does not fit together."""
    found = expanded(kinds, KINDS, "kinds")
    if not found:
        raise InvalidQuery("kinds must hold at least one kind.", "kinds 至少需要一种。")
    if after is not None and len(found) > 1:
        raise InvalidQuery("after goes with one kind alone.", "after 仅适用于单一类别。")
    if limit * len(found) > MOST:
        raise InvalidQuery(
            f"limit times kinds must be at most {MOST:,}: ask for fewer of each, or fewer kinds.",
            f"limit 与类别数之积不得超过 {MOST:,}，请减小 limit 或减少类别。",
        )
    chosen = tuple(kind for kind in KINDS if kind in found)
    return Wanted(chosen, limit, after, geometry, relation == "within")


@router.post(
    "/within",
    summary="What lies within a polygon",
    response_model=Within,
    responses=TOO_LARGE,
    openapi_extra=DRAWN,
)
async def within(
    request: Request,
    store: StoreDep,
    sight: SightDep,
    asked: Annotated[Wanted, Depends(wanted)],
) -> Response:
    """Page by page, each kind in the order of its ids; `next` is `after` of the next page.

    The polygon has at most 100,000 corners. Where a small one crosses itself it is made whole and
    `mended` says so; a larger one is refused with the place.
    """
    shape, mended = await run_in_threadpool(whole, await request.body())
    parts = []
    for kind in asked.kinds:
        rows = await store.rows(queries.features(ask(kind, asked, shape, sight)))
        parts.append(f'"{kind}":{page(rows, asked)}')
    told = "true" if mended else "false"
    body = f'{{"kinds":{{{",".join(parts)}}},"mended":{told}}}'
    return Response(body.encode(), media_type="application/json")


def whole(body: bytes) -> tuple[bytes, bool]:
    """The polygon as WKB, valid, and whether it was mended; InvalidQuery where it cannot be."""
    found = outline(body)
    if intricate(found):
        raise InvalidQuery(
            "The polygon is too intricate: its edges run past each other too often; cut it into "
            "pieces or simplify it.",
            "多边形过于复杂：边与边交错过多，请切分或简化。",
        )
    why = shapely.is_valid_reason(found)
    if why == "Valid Geometry":
        return shapely.to_wkb(found), False
    if shapely.get_num_coordinates(found) > MENDED_CORNERS:
        place = why.partition("[")[2].rstrip("]").replace(" ", ", ")
        raise InvalidQuery(
            f"The polygon crosses or touches itself at {place}; mend it there.",
            f"多边形在 {place} 处自相交或自接触，请修正。",
        )
    mended = shapely.make_valid(found, method="structure", keep_collapsed=False)
    if not mended.area:
        raise InvalidQuery("The polygon holds no area.", "多边形面积为零。")
    return shapely.to_wkb(mended), True


def ask(kind: str, asked: Wanted, shape: bytes, sight: queries.Sight) -> queries.Ask:
    """One page of one kind."""
    here = COLLECTIONS[kind]
    where = queries.lies_in(here, shape) if asked.wholly else queries.meets(here, shape)
    after = None if asked.after is None else (asked.after,)
    return queries.Ask(here, asked.limit, where=(where,), after=after, sight=sight, gathered=True)


def page(rows: Sequence[Any], asked: Wanted) -> str:
    """The features of a page as JSON, and where the next begins."""
    shown = rows[: asked.limit]
    features = ",".join(
        f'{{"type":"Feature","id":{row.id},"geometry":'
        f'{(row.geometry or "null") if asked.geometry else "null"},"properties":{row.properties}}}'
        for row in shown
    )
    following = shown[-1].id if len(rows) > len(shown) else "null"
    return f'{{"features":[{features}],"next":{following}}}'
