"""Which unit is here: a point in three dimensions to unit, storey, building, grid, areas."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.answers.cards import height_shift
from api.deps import DirectDep, GeoidDep
from api.params import Height, Latitude, Longitude
from api.routes import PROBLEMS
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
    direct: DirectDep,
    geoid: GeoidDep,
    h: Height = None,
    datum: Datum = "1985",
) -> Response:
    """A point on a wall, a floor or a roof counts as inside; without `h` no storey is named."""
    if h is not None and datum == "ellipsoid":
        h -= height_shift(geoid, lon, lat)
    answer = await direct.value(queries.place(lon, lat, h))
    return Response(answer, media_type="application/json")
