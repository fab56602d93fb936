"""The unit card, with residents for those who may see them."""

from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from api.access import RESIDENTS, Caller
from api.cards import finish_card, hide_living, place_of, withheld
from api.deps import CallerDep, GeoidDep, KeyedStoreDep
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.schemas.units import UnitCard
from api.store import Store
from cim.errors import NotFound
from cim.security.rights import LIVING_READ
from cim.store.queries import residents
from cim.store.queries import units as queries

router = APIRouter(prefix="/units", tags=["units"], responses=PROBLEMS | ABSENT)


@router.get(
    "/{id}/card",
    summary="Everything about one unit",
    response_model=UnitCard,
    responses={401: {**PROBLEM, "description": "The key is not known"}},
)
async def card(id: Id, store: KeyedStoreDep, geoid: GeoidDep, caller: CallerDep) -> Response:
    """The number of residents is there for everyone; occupancy and meter readings need a key.

    Masked residents only for a key with the role `residents` and a purpose in `X-Purpose`;
    each such answer is written to the access log. Children under 14 are counted, never shown.
    """
    answer = await store.value(queries.card(id))
    if answer is None:
        raise NotFound(f"No unit has the id {id}.", f"没有编号为 {id} 的单元。")
    found = orjson.loads(answer)
    place = place_of(found)
    reason = withheld(caller, *place)
    people = None if reason else await read_residents(store, caller, id)
    if not caller.may_at(LIVING_READ, *place):
        found = hide_living(found)
    return json(
        finish_card(found, geoid, people, reason),
        **{"Cache-Control": "no-store", "Vary": "Authorization, Cookie, X-Purpose"},
    )


async def read_residents(store: Store, caller: Caller, unit: int) -> list[Any]:
    """Masked residents of a unit, and the line in the log, in one transaction or not at all."""
    assert caller.actor is not None and caller.purpose is not None  # withheld() saw to that
    async with store.transaction() as connection:
        await connection.execute(residents.as_role())
        found = (await connection.execute(residents.residents(unit, caller.purpose))).one()
        await connection.execute(
            residents.record_read(caller.actor, RESIDENTS, caller.purpose, unit, found.persons)
        )
    people: list[Any] = orjson.loads(found.people)
    return people
