"""What has an official code: a building, a unit, an address, a grid …"""

from typing import Annotated

import orjson
from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.deps import DirectDep
from api.routes import ABSENT, PROBLEMS, json
from api.schemas.codes import Coded, CodeSchemes
from cim.errors import NotFound
from cim.store.queries.linked import codes as queries

router = APIRouter(prefix="/codes", tags=["codes"], responses=PROBLEMS)

Scheme = Annotated[
    str,
    Path(
        pattern="^[a-z0-9_]{1,40}$",
        description="the coding rule; GET /codes",
        examples=["gbt37346"],
    ),
]
Code = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern="^[^\x00-\x1f]+$",
        description="the code",
        examples=["441900001001GB00001F00010001"],
    ),
]


@router.get("", summary="The coding rules that codes are known of", response_model=CodeSchemes)
async def schemes(direct: DirectDep) -> Response:
    """Official rules and local ones; a pattern is what codes should look like."""
    known = orjson.loads(await direct.value(queries.schemes()))
    have = {each["scheme"] for each in known}
    known += [
        {"scheme": name, "title": title, "issuer": None, "pattern": None, "applies_to": kind}
        for name, (title, kind, *_) in queries.OWN.items()
        if name not in have
    ]
    return json({"schemes": known})


@router.get(
    "/{scheme}/{code}",
    summary="What has a code",
    response_model=Coded,
    responses=ABSENT,
)
async def coded(scheme: Scheme, code: Code, direct: DirectDep) -> Response:
    """Under one rule a code is of one object; of a grid, of one for each kind of grid."""
    found = await direct.value(queries.objects(scheme, code))
    if found is None:
        raise NotFound("Nothing has that code under that rule.", "没有对象具有该规则下的此编码。")
    return json({"scheme": scheme, "code": code, "objects": orjson.loads(found)})
