"""What serves a place: the nearest facilities of each class."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api.answers.cards import height_shift
from api.deps import DirectDep, GeoidDep
from api.params import LARGEST_ID, Height
from api.routes import ABSENT, PROBLEMS
from api.routes.locate import Datum
from api.schemas.nearest import Nearest
from cim.codes import names
from cim.errors import InvalidQuery, NotFound
from cim.store.queries.linked import nearest as queries

router = APIRouter(tags=["places"], responses=PROBLEMS | ABSENT)

CLASSES = frozenset(names("facility_class"))
Key = Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="start from this one")]
Degrees = Query(ge=-180, le=180, allow_inf_nan=False, description="degrees east")
North = Query(ge=-90, le=90, allow_inf_nan=False, description="degrees north")


Start = tuple[queries.Start, dict[str, Any]]


async def begin(
    geoid: GeoidDep,
    unit: Key = None,
    building: Key = None,
    lon: Annotated[float | None, Degrees] = None,
    lat: Annotated[float | None, North] = None,
    h: Height = None,
    datum: Datum = "1985",
) -> Start:
    """Where to begin; InvalidQuery unless it is one unit, one building or one point."""
    given = [unit is not None, building is not None, lon is not None or lat is not None]
    if sum(given) != 1 or (given[2] and (lon is None or lat is None)):
        raise InvalidQuery(
            "Say one of unit, building, or lon and lat together.",
            "请指定 unit、building，或同时指定 lon 与 lat，三者之一。",
        )
    if unit is not None:
        return "unit", {"id": unit}
    if building is not None:
        return "building", {"id": building}
    assert lon is not None and lat is not None  # one of the three was given
    if h is not None and datum == "ellipsoid":
        h -= height_shift(geoid, lon, lat)
    return "point", {"lon": lon, "lat": lat, "h": h}


StartDep = Annotated[Start, Depends(begin)]


@router.get("/nearest", summary="The nearest facilities of each class", response_model=Nearest)
async def nearest(
    direct: DirectDep,
    start: StartDep,
    classes: Annotated[
        str,
        Query(
            alias="class",
            max_length=500,
            description="codes of facility classes, with commas between; none is all together",
            examples=["clinic,school"],
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=100, description="most of each class")] = 10,
    within: Annotated[
        float, Query(gt=0, le=queries.FARTHEST, allow_inf_nan=False, description="metres")
    ] = queries.FARTHEST,
) -> Response:
    """From a unit, a building, or a point (`lon`, `lat`, perhaps `h`): one of them.

    A class brings the narrower ones with it. Distances are over the ground in a straight line;
    `height` is how far a facility lies above the start.
    """
    kind, place = start
    wanted = class_codes(classes)
    answer = await direct.value(queries.nearest(kind, place, wanted, limit, within))
    if answer is None:
        raise NotFound(
            f"No {kind} has the id {place['id']}.",
            f"没有编号为 {place['id']} 的{'单元' if kind == 'unit' else '建筑'}。",
        )
    return Response(answer, media_type="application/json")


def class_codes(text: str) -> list[str]:
    """The classes that are asked for; InvalidQuery where one is not in the list."""
    found = list(dict.fromkeys(filter(None, (word.strip() for word in text.split(",")))))
    if not set(found) <= CLASSES:
        known = sorted(CLASSES)
        raise InvalidQuery(
            f"class may hold {', '.join(known)}, with commas between.",
            f"class 可含 {'、'.join(known)}，以英文逗号分隔。",
        )
    return found
