"""One building, and its floor grid (楼盘表)."""

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from api.cards import building_address, height_shift, place_of
from api.deps import CallerDep, GeoidDep, KeyedStoreDep
from api.params import Id
from api.routes import ABSENT, PROBLEMS, json
from api.schemas.buildings import Building, FloorGrid
from api.store import may_at
from cim.errors import NotFound
from cim.security.rights import LIVING_READ
from cim.store.queries import buildings as queries

router = APIRouter(prefix="/buildings", tags=["buildings"], responses=PROBLEMS | ABSENT)


def absent(key: int) -> NotFound:
    """The error for a building that is not there."""
    return NotFound(f"No building has the id {key}.", f"没有编号为 {key} 的建筑。")


@router.get("/{id}", summary="A building and what stands around it", response_model=Building)
async def building(
    id: Id, store: KeyedStoreDep, geoid: GeoidDep, caller: CallerDep
) -> Response:
    """Heights say how they are known; `address` is composed where none was loaded.

    Its residents are told, in fives, to callers with `living.read` there.
    """
    answer = await store.value(queries.building(id))
    if answer is None:
        raise absent(id)
    found = orjson.loads(answer)
    if not caller.may_at(LIVING_READ, *place_of(found)):
        found["counts"]["residents"] = None
    found["address"] = building_address(found)
    found["height_shift"] = height_shift(geoid, *found["centre"])
    return json(found, Vary="Authorization, Cookie")


@router.get("/{id}/floor-grid", summary="Floor × unit grid (楼盘表)", response_model=FloorGrid)
async def floor_grid(id: Id, store: KeyedStoreDep, caller: CallerDep) -> Response:
    """Storeys from the top down, in each the units by entrance and room.

    Occupancy is `unknown` to callers who may not see, there, whether somebody is at home.
    """
    occupancy = await may_at(store, caller, LIVING_READ, id)
    answer = await store.value(queries.floor_grid(id, occupancy=occupancy))
    if answer is None:
        raise absent(id)
    return Response(
        answer, media_type="application/json", headers={"Vary": "Authorization, Cookie"}
    )
