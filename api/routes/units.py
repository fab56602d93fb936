"""A unit: its card, or those parts of it that are asked for."""

from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from api.answers.cards import (
    PEOPLE,
    at_home,
    finish_unit,
    needed,
    place_of,
    residents,
    tenure,
    withheld,
)
from api.deps import Linked, LinkedDep
from api.params import Expand, Id, expanded
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.routes.codes import Code, Scheme
from api.schemas.units import UnitCard, UnitLinks
from cim.errors import NotFound
from cim.store.queries import units as queries

router = APIRouter(prefix="/units", tags=["units"], responses=PROBLEMS | ABSENT)

WHOLE = frozenset({*queries.PARTS, *PEOPLE}) - {"codes"}
"""What a card shows."""

KNOWN = (*queries.PARTS, *sorted(PEOPLE))
"""What may be asked for of one unit."""

PRIVATE = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie, X-Purpose"}
UNKNOWN_KEY: dict[int | str, dict[str, Any]] = {
    401: {**PROBLEM, "description": "The key is not known"}
}


@router.get(
    "/{id}/card",
    summary="Everything about one unit",
    response_model=UnitCard,
    responses=UNKNOWN_KEY,
)
async def card(
    id: Id,
    here: LinkedDep,
) -> Response:
    """Occupancy, meter readings and alarms of the unit itself need a key.

    How many live there, and masked who, only for a key with the role `residents` and a purpose in
    `X-Purpose`; each such answer is written to the access log. Children under 14 are counted, never
    shown.
    """
    row = await here.direct.value(queries.unit(id, needed(WHOLE), at_home(here.caller)))
    return json(await linked(id, row, WHOLE, here), **PRIVATE)


@router.get(
    "/{id}",
    summary="One unit with what is asked for of its links",
    response_model=UnitLinks,
    response_model_exclude_unset=True,
    responses=UNKNOWN_KEY,
)
async def unit(
    id: Id,
    here: LinkedDep,
    expand: Expand = "",
) -> Response:
    """`expand=address,devices` answers the unit with these two parts, in one round trip.

    Parts: building, storey, entrance, estate, areas, grid, centre, address, codes, spaces,
    organisations, facilities, devices (with their latest readings), alarms, residents, tenure; by
    the same rights as the card.
    """
    parts = expanded(expand, KNOWN)
    row = await here.direct.value(queries.unit(id, needed(parts), at_home(here.caller)))
    return json(await linked(id, row, parts, here), **PRIVATE)


@router.get(
    "/by-code/{scheme}/{code}",
    summary="The same by an official code of the unit, or of its address",
    response_model=UnitLinks,
    response_model_exclude_unset=True,
    responses=UNKNOWN_KEY,
)
async def unit_by_code(
    scheme: Scheme,
    code: Code,
    here: LinkedDep,
    expand: Expand = "",
) -> Response:
    """A code of the unit itself comes before one of its address; GET /codes has the rules."""
    parts = expanded(expand, KNOWN)
    row = await here.direct.value(
        queries.unit_of_code(scheme, code, needed(parts), at_home(here.caller))
    )
    if row is None:
        raise NotFound(
            "No unit has that code under that coding rule.", "没有户室具有该编码规则下的此编码。"
        )
    key: int = orjson.loads(row)["unit"]["id"]
    return json(await linked(key, row, parts, here), **PRIVATE)


async def linked(
    key: int,
    answer: str | None,
    parts: frozenset[str],
    here: Linked,
) -> dict[str, Any]:
    """A unit with its parts, from what its statement found; NotFound where it found nothing."""
    if answer is None:
        raise NotFound(f"No unit has the id {key}.", f"没有编号为 {key} 的单元。")
    found = orjson.loads(answer)
    shown = finish_unit(found, here.geoid, parts)
    if not PEOPLE.isdisjoint(parts):
        shown |= await persons(key, found, parts, here)
    return shown


async def persons(
    key: int, found: dict[str, Any], parts: frozenset[str], here: Linked
) -> dict[str, Any]:
    """The parts on persons, read together and logged as one look-up."""
    reason = withheld(here.caller, *place_of(found))
    if reason is None:
        opened = await here.people.of_unit(key, tenure="tenure" in parts)
        who, count, held = opened.people, opened.count, opened.tenure
        every = {"residents": residents(who, count, None), "tenure": tenure(held, None)}
    else:
        every = {"residents": residents(None, None, reason), "tenure": tenure(None, reason)}
    return {part: every[part] for part in every if part in parts}
