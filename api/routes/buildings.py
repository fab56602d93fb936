"""One building with what is asked for of its links, and its floor grid (楼盘表)."""

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from api.answers.cards import at_home, finish_building
from api.deps import CallerDep, DirectDep, GeoidDep
from api.params import Expand, Id, expanded
from api.routes import ABSENT, PROBLEMS, json
from api.schemas.buildings import BuildingLinks, FloorGrid
from cim.errors import NotFound
from cim.store.queries import buildings as queries
from cim.store.queries.linked import houses

router = APIRouter(prefix="/buildings", tags=["buildings"], responses=PROBLEMS | ABSENT)

KNOWN = tuple(houses.PARTS)
"""What may be asked for beside what every answer has."""


def absent(key: int) -> NotFound:
    """The error for a building that is not there."""
    return NotFound(f"No building has the id {key}.", f"没有编号为 {key} 的建筑。")


@router.get(
    "/{id}",
    summary="A building and what stands around it",
    response_model=BuildingLinks,
    response_model_exclude_unset=True,
)
async def building(
    id: Id, direct: DirectDep, geoid: GeoidDep, caller: CallerDep, expand: Expand = ""
) -> Response:
    """Heights say how they are known; `address` is composed where none was loaded.

    Its residents are told, in fives, to callers with `living.read` there. `expand` adds entrances,
    storeys, codes, organisations, facilities, devices, alarms; what is of a unit's own by right.
    """
    parts = expanded(expand, KNOWN)
    row = await direct.row(houses.buildings([id], parts, at_home(caller)))
    if row is None or row.answer is None:
        raise absent(id)
    found = finish_building(orjson.loads(row.answer), row.linked, geoid, caller)
    return json(found, Vary="Authorization, Cookie")


@router.get("/{id}/floor-grid", summary="Floor × unit grid (楼盘表)", response_model=FloorGrid)
async def floor_grid(id: Id, direct: DirectDep, caller: CallerDep) -> Response:
    """Storeys from the top down, in each the units by entrance and room.

    To callers who may not see, there, whether somebody is at home, occupancy is `unknown` and the
    number of open alarms in a unit is null.
    """
    answer = await direct.value(queries.floor_grid(id, at_home(caller)))
    if answer is None:
        raise absent(id)
    return Response(
        answer, media_type="application/json", headers={"Vary": "Authorization, Cookie"}
    )
