"""The unit card, with residents for those who may see them."""

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from api.cards import finish_card, hide_living, place_of, withheld
from api.deps import CallerDep, GeoidDep, KeyedStoreDep, PeopleDep
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.schemas.units import UnitCard
from cim.errors import NotFound
from cim.security.rights import LIVING_READ
from cim.store.queries import units as queries

router = APIRouter(prefix="/units", tags=["units"], responses=PROBLEMS | ABSENT)


@router.get(
    "/{id}/card",
    summary="Everything about one unit",
    response_model=UnitCard,
    responses={401: {**PROBLEM, "description": "The key is not known"}},
)
async def card(
    id: Id, store: KeyedStoreDep, people: PeopleDep, geoid: GeoidDep, caller: CallerDep
) -> Response:
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
    opened = None if reason else await people.of_unit(id)
    if not caller.may_at(LIVING_READ, *place):
        found = hide_living(found)
    return json(
        finish_card(found, geoid, opened.people if opened else None, reason),
        **{"Cache-Control": "no-store", "Vary": "Authorization, Cookie, X-Purpose"},
    )
