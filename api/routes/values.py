"""Values to colour 3D tiles by: one property of many buildings or units, attribute or live."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from api.access import Caller
from api.answers.cards import at_home
from api.answers.legend import of_codes, of_numbers
from api.answers.tagged import answer
from api.deps import CallerDep, DirectDep
from api.params import parse_bounds
from api.routes import PROBLEM, PROBLEMS
from api.schemas.values import Question, Values
from cim.errors import InvalidQuery, NotAllowed
from cim.security.rights import LIVING_READ
from cim.store.direct import Direct
from cim.store.queries.linked import values as queries
from tiling.formats.tiles3d import key_of

router = APIRouter(
    prefix="/style/values",
    tags=["style"],
    responses=PROBLEMS | {403: {**PROBLEM, "description": "It tells who is at home"}},
)

Name = Annotated[queries.Of, Path(description="what is coloured", examples=["buildings"])]
ALL = sorted({name for known in queries.PROPERTIES.values() for name in known})


async def question(
    property: Annotated[
        str, Query(max_length=40, description=f"one of {', '.join(ALL)}", examples=["built_year"])
    ],
    bbox: Annotated[
        str | None,
        Query(
            max_length=200,
            description="west,south,east,north in degrees: what stands in it",
            examples=["113.87,22.91,113.89,22.93"],
        ),
    ] = None,
    tile: Annotated[
        str | None,
        Query(
            max_length=200,
            description="a tile of the tileset `buildings` or `units`, by its path there",
            examples=["content/417-160/7/25/76.glb"],
        ),
    ] = None,
    observed: Annotated[
        str | None, Query(max_length=100, description="what was measured, for `reading`")
    ] = None,
    classes: Annotated[int, Query(ge=2, le=12, description="most classes of numbers")] = 5,
    method: Annotated[
        Literal["quantile", "equal"], Query(description="classes as full, or as wide")
    ] = "quantile",
) -> Question:
    """What is asked for in an address."""
    return Question(
        property=property, bbox=bbox, tile=tile, observed=observed, classes=classes, method=method
    )


@router.get(
    "/{collection}",
    summary="One property of what stands in a box or a tile, as columns",
    response_model=Values,
    response_model_exclude_unset=True,
)
async def values_there(
    request: Request,
    collection: Name,
    asked: Annotated[Question, Depends(question)],
    direct: DirectDep,
    caller: CallerDep,
) -> Response:
    """With an ETag: what has not changed is not sent again.

    `reading` is the latest value of what `observed` names. Occupancy, alarms and readings of units
    take the right `living.read`; where it is for a part of the city, `withheld` counts the others.
    """
    found = await found_values(collection, asked, direct, caller)
    return answer(request, orjson.dumps(found), "application/json")


@router.post(
    "/{collection}",
    summary="One property of some ids, a box or a tile, as columns",
    response_model=Values,
    response_model_exclude_unset=True,
    responses={413: {**PROBLEM, "description": "The request is too large"}},
)
async def values_of(
    request: Request, collection: Name, asked: Question, direct: DirectDep, caller: CallerDep
) -> Response:
    """At most 10,000 ids; those that nothing has are named in `unknown`."""
    found = await found_values(collection, asked, direct, caller)
    return answer(request, orjson.dumps(found), "application/json")


async def found_values(
    of: queries.Of, asked: Question, direct: Direct, caller: Caller
) -> dict[str, Any]:
    """The columns with their legend; InvalidQuery or NotAllowed where they are not to be had."""
    wanted = checked(of, asked, caller)
    by, place = place_of(of, asked)
    row = await direct.row(
        queries.values(of, asked.property, by, place, at_home(caller), asked.observed)
    )
    assert row is not None  # a sum always has a row
    ids, found = row.ids[: queries.MOST], row.found[: queries.MOST]
    if wanted.kind == "code":
        legend = of_codes(found, wanted.codes)
    else:
        legend = of_numbers(found, asked.classes, asked.method, wanted.unit)
    known = set(ids) if asked.ids is not None else set()
    return {
        "collection": of,
        "property": asked.property,
        "ids": ids,
        "values": found,
        "withheld": row.withheld,
        "unknown": [key for key in dict.fromkeys(asked.ids or ()) if key not in known],
        "truncated": len(row.ids) > queries.MOST,
        "legend": legend,
    }


def checked(of: queries.Of, asked: Question, caller: Caller) -> queries.Property:
    """The property that is asked for, if it is known and the caller may see it somewhere."""
    known = queries.PROPERTIES[of]
    wanted = known.get(asked.property)
    if wanted is None:
        raise InvalidQuery(
            f"property of {of} must be one of {', '.join(known)}.",
            f"{of} 的 property 必须为以下之一：{'、'.join(known)}。",
        )
    if wanted.observed != (asked.observed is not None):
        raise InvalidQuery(
            "observed goes with the property reading, and reading with observed.",
            "observed 须与属性 reading 同时使用。",
        )
    if asked.observed is not None and not asked.observed.isprintable():
        raise InvalidQuery(
            "observed holds a character that no text has.", "observed 含有无效字符。"
        )
    if wanted.living and not caller.may(LIVING_READ):
        raise NotAllowed(
            "What tells whether somebody is at home needs a key with the right living.read.",
            "可据以判断是否有人在家的信息需要具有 living.read 权限的密钥。",
        )
    return wanted


def place_of(of: queries.Of, asked: Question) -> tuple[queries.By, dict[str, Any]]:
    """Of what, as a statement takes it; InvalidQuery unless it is ids, a box or a tile."""
    given = [asked.ids is not None, asked.bbox is not None, asked.tile is not None]
    if sum(given) != 1:
        raise InvalidQuery("Say one of ids, bbox or tile.", "请指定 ids、bbox、tile 三者之一。")
    if asked.ids is not None:
        return "ids", dict(queries.ids_in_order(asked.ids))
    if asked.bbox is not None:
        edges = ("west", "south", "east", "north")
        return "box", dict(zip(edges, parse_bounds(asked.bbox), strict=True))
    key = key_of(asked.tile or "")
    if key is None:
        raise InvalidQuery(
            "tile must be the path of a tile, such as content/417-160/7/25/76.glb.",
            "tile 必须为瓦片路径，如 content/417-160/7/25/76.glb。",
        )
    return "tile", {"tileset": of, "level": key.level, "cell": key.cell}
