"""The addresses of OGC API – Tiles, all below /ogc."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.answers.tagged import matches
from api.deps import DirectDep, MemoryDep, SightDep, StoreDep
from api.ogc.answering import HereDep, RootDep, answer, extents
from api.ogc.describing import JSON, STYLE, Bounds, Document
from api.ogc.reading import once, wrong
from api.ogc.tiles import describing, style
from api.ogc.tiles.describing import EVERYWHERE, MVT, TILEJSON
from api.ogc.tiles.making import Stores, Tiles
from api.ogc.tiles.reading import chosen, matrix_set, place
from api.tilesets.files import accepts_gzip
from cim.store import vector
from cim.store.queries.collections.items import Sight
from cim.store.queries.vector.drawing import DRAWINGS, Drawing
from cim.store.queries.vector.matrices import WEB, MatrixSet

router = APIRouter()


async def matrices(tileMatrixSetId: str) -> MatrixSet:
    """The tile matrix set of an address."""
    return matrix_set(tileMatrixSetId)


SetDep = Annotated[MatrixSet, Depends(matrices)]


async def tiles(request: Request) -> Tiles:
    """What makes and keeps vector tiles."""
    state = request.app.state
    if not hasattr(state, "vector_tiles"):
        state.vector_tiles = Tiles()
    found: Tiles = state.vector_tiles
    return found


@dataclass(frozen=True)
class Making:
    """What a tile is made by, and for whom."""

    stores: Stores
    tiles: Tiles
    sight: Sight


async def making(
    store: StoreDep,
    direct: DirectDep,
    tiles: Annotated[Tiles, Depends(tiles)],
    sight: SightDep,
) -> Making:
    """What a tile is made by, and for whom."""
    return Making((store, direct), tiles, sight)


MakingDep = Annotated[Making, Depends(making)]


def document(request: Request, found: Document, media: str = JSON) -> Response:
    """A document as JSON."""
    return answer(request, orjson.dumps(found), media)


def formed(request: Request, known: Sequence[str], given: Mapping[str, str]) -> str:
    """In which form to answer: as `f` says, else as the header Accept does; JSON if neither."""
    asked = given.get("f")
    if asked is not None and asked not in known:
        raise wrong("f", f"must be one of {', '.join(known)}", f"必须为 {'、'.join(known)} 之一")
    if asked is None and "tilejson" in known and TILEJSON in request.headers.get("accept", ""):
        return "tilejson"
    return asked or known[0]


@router.get("/tileMatrixSets")
async def matrix_sets(request: Request, root: RootDep) -> Response:
    """Every tile matrix set."""
    formed(request, ("json",), once(request.query_params.multi_items(), ("f",)))
    return document(request, describing.matrix_sets(root))


@router.get("/tileMatrixSets/{tileMatrixSetId}")
async def one_matrix_set(request: Request, root: RootDep, here: SetDep) -> Response:
    """A tile matrix set."""
    formed(request, ("json",), once(request.query_params.multi_items(), ("f",)))
    return document(request, describing.matrix_set(root, here))


@router.get("/collections/{collection}/tiles")
async def tilesets_of_one(request: Request, root: RootDep, here: HereDep) -> Response:
    """The tilesets of a collection."""
    formed(request, ("json",), once(request.query_params.multi_items(), ("f",)))
    drawings = [DRAWINGS[here.name]]
    path = f"/collections/{here.name}/tiles"
    return document(request, describing.tilesets(root, path, describing.words(drawings)[0]))


@router.get("/tiles")
async def tilesets(request: Request, root: RootDep) -> Response:
    """The tilesets of several collections together."""
    drawings, given = chosen(request.query_params.multi_items(), ("f",))
    formed(request, ("json",), given)
    return document(request, describing.tilesets(root, "/tiles", describing.words(drawings)[0]))


@router.get("/collections/{collection}/tiles/{tileMatrixSetId}")
async def tileset_of_one(
    request: Request,
    root: RootDep,
    here: HereDep,
    matrices: SetDep,
    store: StoreDep,
    memory: MemoryDep,
) -> Response:
    """A tileset of a collection: metadata, or TileJSON."""
    given = once(request.query_params.multi_items(), ("f",))
    known = await memory.get("ogc-extents", lambda: extents(store))
    path, drawings = f"/collections/{here.name}/tiles", [DRAWINGS[here.name]]
    return _tileset(request, root, path, matrices, drawings, known, given)


@router.get("/tiles/{tileMatrixSetId}")
async def tileset(
    request: Request, root: RootDep, matrices: SetDep, store: StoreDep, memory: MemoryDep
) -> Response:
    """A tileset of several collections: metadata, or TileJSON."""
    drawings, given = chosen(request.query_params.multi_items(), ("f",))
    known = await memory.get("ogc-extents", lambda: extents(store))
    return _tileset(request, root, "/tiles", matrices, drawings, known, given)


def _tileset(
    request: Request,
    root: str,
    path: str,
    matrices: MatrixSet,
    drawings: Sequence[Drawing],
    known: Mapping[str, Bounds],
    given: Mapping[str, str],
) -> Response:
    form = formed(request, ("json", "tilejson"), given)
    kept = {name: value for name, value in given.items() if name != "f"}
    boxes = [known[each.name] for each in drawings if each.name in known]
    extent = _around(boxes) if boxes else EVERYWHERE
    if form == "json":
        return document(request, describing.tileset(root, path, matrices, drawings, extent, kept))
    if matrices is not WEB:
        raise wrong("f", f"can be tilejson of {WEB.name} alone", f"仅 {WEB.name} 可为 tilejson")
    return document(request, describing.tilejson(root, path, drawings, extent, kept), TILEJSON)


def _around(boxes: Sequence[Bounds]) -> Bounds:
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


ONE = "/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"


@router.get("/collections/{collection}/tiles" + ONE)
async def tile_of_one(
    request: Request, here: HereDep, matrices: SetDep, making: MakingDep
) -> Response:
    """A vector tile of a collection."""
    formed(request, ("mvt",), once(request.query_params.multi_items(), ("f",)))
    return await _tile(request, matrices, [DRAWINGS[here.name]], making)


@router.get("/tiles" + ONE)
async def tile(request: Request, matrices: SetDep, making: MakingDep) -> Response:
    """A vector tile of several collections."""
    drawings, given = chosen(request.query_params.multi_items(), ("f",))
    formed(request, ("mvt",), given)
    return await _tile(request, matrices, drawings, making)


async def _tile(
    request: Request, matrices: MatrixSet, drawings: Sequence[Drawing], making: Making
) -> Response:
    there = place(matrices, request.path_params, describing.begins(drawings))
    shown = [each for each in drawings if each.begins <= there.zoom]
    found = await making.tiles.of(making.stores, shown, there, making.sight)
    parts = [found[each.name] for each in shown if found[each.name].data]
    if not parts:
        return _sent(request, b"", "empty")
    if len(parts) == 1:
        return _sent(request, parts[0].data, parts[0].etag)
    etag = vector.digest("".join(part.etag for part in parts).encode())
    if matches(request.headers.get("if-none-match", ""), etag):
        return _sent(request, b"", etag)
    whole = await run_in_threadpool(
        lambda: vector.packed([vector.unpacked(part.data) for part in parts], QUICKLY)
    )
    return _sent(request, whole, etag)


QUICKLY = 1
"""How hard a tile is compressed that is put together from others."""


def _sent(request: Request, data: bytes, etag: str) -> Response:
    """A tile as it travels: gzipped for those who take that, 204 where there is nothing to see.

    Whoever keeps it asks whether it is still true, for what is changed shows at once.
    """
    own = request.headers.get("authorization") or request.headers.get("cookie")
    headers = {
        "ETag": f'W/"{etag}"',
        "Vary": "Accept-Encoding",
        "Cache-Control": "private, no-cache" if own else "no-cache",
    }
    if matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if not data:
        return Response(status_code=204, headers=headers)
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(data, media_type=MVT, headers=headers)
    return Response(vector.unpacked(data), media_type=MVT, headers=headers)


@router.get("/styles/city")
async def city_style(request: Request, root: RootDep) -> Response:
    """The city's map as a style for MapLibre: one address shows it."""
    given = once(request.query_params.multi_items(), ("f", "lang"))
    formed(request, ("mbs", "json"), given)
    language = given.get("lang", "zh")
    if language not in ("zh", "en"):
        raise wrong("lang", "must be zh or en", "必须为 zh 或 en")
    return document(request, style.city(root, language), STYLE)
