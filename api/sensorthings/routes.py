"""The addresses of SensorThings, all below /sta/v1.1."""

import asyncio
from urllib.parse import unquote_plus

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from api.answers import tagged
from api.sensorthings import answers, root
from api.sensorthings.asking import QuestionDep, root_of
from cim.errors import BadParameter
from cim.store.queries.sensorthings.addresses import NOWHERE, address
from cim.store.queries.sensorthings.asked import Options
from cim.store.queries.sensorthings.entities import NAMES
from cim.store.queries.sensorthings.options import options
from cim.store.queries.sensorthings.pages import summed, target

router = APIRouter(prefix="/sta", include_in_schema=False)
"""Described by its root document; the standard says what may be asked."""

JSON = "application/json"
VARY = {"Vary": "Authorization, Cookie"}


@router.get("/v1.1")
@router.get("/v1.1/")
async def document(request: Request) -> Response:
    """The root: every entity set, and what holds."""
    mqtt = await asyncio.to_thread(root.at_broker, request.app.state.settings)
    said = root.document(await root_of(request), mqtt)
    return Response(orjson.dumps(said), media_type=JSON)


@router.get("/v1.1/{path:path}")
async def read(request: Request, path: str, by: QuestionDep) -> Response:
    """A set, an entity, a property, or references, with every query option."""
    found = address(path, NAMES)
    where = target(found)
    asked = answers.unpacked(options_of(request))
    where = summed(where, asked)
    here = f"{by.asking.root}/{path.strip('/')}"
    if found.property:
        value = await answers.part(by, where, found)
        return shown(value, found.property[-1], raw=found.raw)
    if found.raw:
        raise NOWHERE
    if found.references:
        body = await answers.references(by, where, asked, here)
    elif where.many and answers.walked(where, asked) and not asked.array:
        whole = answers.pieces(by, where, asked, here)
        return StreamingResponse(whole, media_type=JSON, headers=VARY)
    elif where.many:
        body = await answers.collection(by, where, asked, here)
    else:
        body = await answers.single(by, where, asked)
    return tagged.answer(request, body, JSON, **VARY)


def shown(value: object, name: str, *, raw: bool) -> Response:
    """A property by itself, or its bare value; 204 where it has none."""
    if value is None:
        return Response(status_code=204, headers=VARY)
    if not raw:
        return Response(orjson.dumps({name: value}), media_type=JSON, headers=VARY)
    body = value if isinstance(value, str) else orjson.dumps(value)
    return Response(body, media_type="text/plain; charset=utf-8", headers=VARY)


def options_of(request: Request) -> Options:
    """The query options; BadParameter where they are no text."""
    text = request.scope["query_string"].decode("latin-1")
    pairs = []
    for pair in filter(None, text.split("&")):
        name, mark, value = pair.partition("=")
        if not mark and "%3" in pair:  # clients that encode all of it, the sign between too
            name, _, value = pair.replace("%3d", "%3D").partition("%3D")
        try:
            pairs.append(
                (unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict"))
            )
        except UnicodeDecodeError:
            raise BadParameter("The query is no UTF-8.", "查询参数不是 UTF-8 编码。") from None
    return options(pairs)
