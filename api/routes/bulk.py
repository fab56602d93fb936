"""Units and buildings by their ids, thousands at once, sent as they are found."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from api.answers.cards import at_home, finish_building, finish_unit, needed
from api.deps import CallerDep, DirectDep, GeoidDep
from api.params import expanded
from api.routes import PROBLEM, PROBLEMS
from api.schemas.bulk import Buildings, Units, Wanted
from cim.store.direct import Direct
from cim.store.queries import units as unit_queries
from cim.store.queries.linked import houses
from cim.store.queries.ready import Asked

router = APIRouter(
    tags=["bulk"],
    responses=PROBLEMS | {413: {**PROBLEM, "description": "The request is too large"}},
)

BATCH = 250
"""Ids of one statement: a tenth of a second's work, after which others have their turn."""

UNIT_PARTS = tuple(unit_queries.PARTS)
"""Not residents: who lives somewhere is asked of one unit at a time."""

BUILDING_PARTS = tuple(houses.PARTS)


@router.post(
    "/units/by-ids",
    summary="Units by their ids, with what is asked for of their links",
    response_model=Units,
    response_model_exclude_unset=True,
)
async def units_by_ids(
    wanted: Wanted, direct: DirectDep, geoid: GeoidDep, caller: CallerDep
) -> Response:
    """At most 10,000, in the order asked; ids that no unit has are named in `unknown`.

    Parts are those of one unit but for residents. A whole card is 4 kB.
    """
    parts = expanded(",".join(wanted.expand), UNIT_PARTS)
    here = at_home(caller)

    def ask(keys: Sequence[int]) -> Asked:
        return unit_queries.units(keys, needed(parts), here)

    def finish(row: Any) -> Any:
        return finish_unit(orjson.loads(row.answer), geoid, parts)

    return await sent(direct, wanted.ids, ask, finish)


@router.post(
    "/buildings/by-ids",
    summary="Buildings by their ids, with what is asked for of their links",
    response_model=Buildings,
    response_model_exclude_unset=True,
)
async def buildings_by_ids(
    wanted: Wanted, direct: DirectDep, geoid: GeoidDep, caller: CallerDep
) -> Response:
    """At most 10,000, in the order asked; ids that no building has are named in `unknown`."""
    parts = expanded(",".join(wanted.expand), BUILDING_PARTS)
    here = at_home(caller)

    def ask(keys: Sequence[int]) -> Asked:
        return houses.buildings(keys, parts, here)

    def finish(row: Any) -> Any:
        return finish_building(orjson.loads(row.answer), row.linked, geoid, caller)

    return await sent(direct, wanted.ids, ask, finish)


async def sent(
    direct: Direct,
    ids: Sequence[int],
    ask: Callable[[Sequence[int]], Asked],
    finish: Callable[[Any], Any],
) -> Response:
    """What was found of these ids, batch by batch; the first before the answer begins."""
    keys = list(dict.fromkeys(ids))
    batches = [keys[at : at + BATCH] for at in range(0, len(keys), BATCH)]
    first = await direct.rows(ask(batches[0])) if batches else []

    async def stream() -> AsyncIterator[bytes]:
        unknown: list[int] = []
        begun = False
        yield b'{"items":['
        for at, batch in enumerate(batches):
            rows = first if at == 0 else await direct.rows(ask(batch))
            by_key = {row.id: row for row in rows}
            found = [by_key[key] for key in batch if by_key[key].answer is not None]
            unknown += [key for key in batch if by_key[key].answer is None]
            part = b",".join(orjson.dumps(finish(row)) for row in found)
            if part:
                yield b"," + part if begun else part
                begun = True
        yield b'],"unknown":' + orjson.dumps(unknown) + b"}"

    return StreamingResponse(
        stream(),
        media_type="application/json",
        headers={"Cache-Control": "no-store", "Vary": "Authorization, Cookie"},
    )
