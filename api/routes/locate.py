"""Which unit is here: a point in three dimensions to unit, storey, building, grid, areas."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.cards import height_shift
from api.deps import GeoidDep, Store, StoreDep
from api.params import Height, Latitude, Longitude
from api.routes import PROBLEMS, json
from api.schemas.places import Location
from cim.store.queries import locate as queries

router = APIRouter(tags=["places"], responses=PROBLEMS)

Datum = Annotated[
    Literal["1985", "ellipsoid"],
    Query(description="what h is above: the 1985 datum or the ellipsoid"),
]


@router.get("/locate", summary="Which unit is at a point", response_model=Location)
async def locate(
    lon: Longitude,
    lat: Latitude,
    store: StoreDep,
    geoid: GeoidDep,
    h: Height = None,
    datum: Datum = "1985",
) -> Response:
    """A point on a wall, a floor or a roof counts as inside; without `h` no storey is named."""
    if h is not None and datum == "ellipsoid":
        h -= height_shift(geoid, lon, lat)
    building = await store.row(queries.building_at(lon, lat, h))
    if building is None:
        ground = await store.row(queries.ground_at(lon, lat))
        assert ground is not None  # a statement without a table always has a row
        return json(_answer(ground))
    found = _answer(building) | {"building": {"id": building.id, "name": building.name}}
    if h is not None:
        found |= await inside(store, building, h, (lon, lat))
    return json(found)


async def inside(store: Store, building: Any, h: float, point: tuple[float, float]) -> Any:
    """Storey and unit of a building at a height in the 1985 datum."""
    storey = await store.row(queries.storey_at(building.id, h - building.ground_elev))
    if storey is None:
        return {}
    unit = await store.row(queries.unit_at(building.id, storey.id, *point))
    return {"storey": dict(storey._mapping), "unit": dict(unit._mapping) if unit else None}


def _answer(row: Any) -> dict[str, Any]:
    """An answer with the grid and the areas of a row, and nothing found in them yet."""
    return {
        "unit": None,
        "storey": None,
        "building": None,
        "grid": orjson.loads(row.grid) if row.grid else None,
        "areas": orjson.loads(row.areas),
    }
