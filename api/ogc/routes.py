"""The addresses of OGC API – Features, all below /ogc."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from api.database.store import Store
from api.deps import MemoryDep, StoreDep
from api.ogc import answers, describing, openapi, pages
from api.ogc.answering import (
    HereDep,
    RootDep,
    answer,
    extents,
    form,
    question,
    shown,
    version_of,
)
from api.ogc.describing import HTML, Document
from api.ogc.filters import compiled
from api.ogc.reading import FORMATS, Items, items, once, place, share, value
from api.ogc.systems import DEFAULT, system
from api.ogc.tiles import openapi as tiles_openapi
from api.ogc.tiles import routes as tiles
from cim.errors import BadParameter, NotFound
from cim.store.direct import Direct
from cim.store.queries.collections import items as queries
from cim.store.queries.collections import often
from cim.store.queries.collections.items import Ask

router = APIRouter(prefix="/ogc", include_in_schema=False)
"""Described by its own document, `/ogc/api`: the standard wants OpenAPI 3.0."""
router.include_router(tiles.router)


@router.get("")
@router.get("/")
async def landing(request: Request, root: RootDep) -> Response:
    """The landing page."""
    asked = form(request, request.query_params.get("f"))
    found = describing.landing(root, asked)
    return shown(request, found, lambda: pages.landing(root, found["links"]))


@router.get("/conformance")
async def conformance(request: Request, root: RootDep) -> Response:
    """The conformance classes that hold."""
    links = describing.both_ways(f"{root}/conformance", "html")
    return shown(request, describing.conformance(), lambda: pages.conformance(root, links))


@router.get("/api")
async def interface(request: Request, root: RootDep) -> Response:
    """The interface as OpenAPI 3.0, or in words."""
    found = openapi.document(root, request.app.version, tiles_openapi.paths())
    links = describing.both_ways(f"{root}/api", "html", describing.OPENAPI)
    return shown(
        request,
        found,
        lambda: pages.interface(root, links, found["paths"]),
        describing.OPENAPI,
    )


@router.get("/collections")
async def collections(
    request: Request, root: RootDep, store: StoreDep, memory: MemoryDep
) -> Response:
    """Every collection."""
    known = await memory.get("ogc-extents", lambda: extents(store))
    asked = form(request, request.query_params.get("f"))
    found = describing.collections(root, known, asked)
    return shown(request, found, lambda: pages.collections(root, found["links"]))


@router.get("/collections/{collection}")
async def collection(
    request: Request, root: RootDep, here: HereDep, store: StoreDep, memory: MemoryDep
) -> Response:
    """One collection."""
    known = await memory.get("ogc-extents", lambda: extents(store))
    extent = known.get(here.name)
    found = describing.collection(root, here, extent)
    return shown(request, found, lambda: pages.collection(root, found["links"], here, extent))


SCHEMAS = {
    "queryables": describing.queryables,
    "schema": describing.schema,
    "schema/geojson": describing.feature_schema,
}
"""What is said of the properties of a collection: where, and by whom."""


@router.get("/collections/{collection}/queryables")
@router.get("/collections/{collection}/schema")
@router.get("/collections/{collection}/schema/geojson")
async def schema(request: Request, root: RootDep, here: HereDep) -> Response:
    """What may be asked of a collection; its properties; a feature of it: as JSON Schema."""
    path = f"{root}/collections/{here.name}"
    name = request.url.path.rpartition(f"/collections/{here.name}/")[2]
    links = describing.both_ways(f"{path}/{name}", "html", describing.SCHEMA)
    return shown(
        request,
        SCHEMAS[name](root, here),
        lambda: pages.collection(root, links, here, None),
        describing.SCHEMA,
    )


@router.get("/collections/{collection}/items")
async def features(request: Request) -> Response:
    """Features of a collection, a page at a time."""
    by = await question(request)
    root, here, store = by.root, by.here, by.store
    asked = items(here, request.query_params.multi_items(), by.sight, compiled)
    shape = form(request, asked.given.get("f"), FORMATS)
    ask = asked.ask
    if "bbox" in asked.given:
        known = await by.memory.get("ogc-extents", lambda: extents(store))
        ask = replace(ask, gathered=share(asked, known.get(here.name)) < FEW)
    if shape == "html":
        ask = replace(ask, limit=min(ask.limit, READABLE))
    rows = [] if asked.only_count else await paged(store, by.direct, ask, shape)
    more, rows = len(rows) > ask.limit, rows[: ask.limit]
    after = place(rows[-1].place) if more else None
    path = f"{root}/collections/{here.name}/items"
    links = describing.page_links(path, asked.given, shape, after, here)
    counted = await count(store, asked)
    if shape == "json" and len(rows) < MANY:
        body = answers.geojson(rows, links, counted)
    else:
        body = await run_in_threadpool(written, shape, root, asked, rows, links, counted)
    headers = {"Content-Crs": f"<{asked.system.uri}>"}
    if after is not None:
        following = next(each["href"] for each in links if each["rel"] == "next")
        headers["Link"] = f'<{following}>; rel="next"'
    if shape in ("csv", "fgb"):
        headers["Content-Disposition"] = f'attachment; filename="{here.name}.{shape}"'
    return answer(request, body, describing.MEDIA[shape], **headers)


READABLE = 1000
"""Features of one page for people."""

FEW = 0.25
"""Part of a collection's extent that a box may take up whose features are gathered and sorted."""

MANY = 500
"""Features that are written in a thread: others would wait for it longer than it takes."""

CARRIED: dict[str, Any] = {"csv": "wkt", "fgb": "wkb"}
"""How geometries travel into files."""


async def paged(store: Store, direct: Direct, ask: Ask, shape: str) -> Sequence[Any]:
    """The rows of a page."""
    if shape in ("csv", "fgb"):
        asked = unswapped(ask) if shape == "fgb" else ask
        return await fetched(store, queries.table(asked, CARRIED[shape]))
    ready = often.page(ask)
    return await (direct.rows(ready) if ready else fetched(store, queries.features(ask)))


def unswapped(ask: Ask) -> Ask:
    """The same with easting first, as files have it whatever their system says."""
    return replace(ask, swapped=False)


def written(
    shape: str,
    root: str,
    asked: Items,
    rows: Sequence[Any],
    links: Sequence[Document],
    counted: dict[str, int],
) -> bytes:
    """A page of features in one of its forms."""
    if shape == "csv":
        return answers.comma_separated(rows, asked.ask.properties)
    if shape == "fgb":
        return answers.flatgeobuf(rows, asked)
    if shape == "html":
        number = next(iter(counted.values()), None)
        return pages.items(root, links, asked.ask.collection, asked.ask.properties, rows, number)
    return answers.geojson(rows, links, counted)


async def count(store: Store, asked: Items) -> dict[str, int]:
    """How many match, if that was asked: `numberMatched` is exact, `numberEstimated` is not."""
    if asked.count == "exact":
        return {"numberMatched": (await fetched(store, queries.count(asked.ask)))[0][0]}
    if asked.count == "estimated":
        told = (await fetched(store, queries.estimate(asked.ask)))[0][0]
        plan = orjson.loads(told) if isinstance(told, str) else told
        return {"numberEstimated": plan[0]["Plan"]["Plan Rows"]}
    return {}


async def fetched(store: Store, statement: Executable) -> Sequence[Any]:
    """Rows; BadParameter where a value that was asked for cannot be worked with."""
    try:
        return await store.rows(statement)
    except DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", "")).startswith("22"):
            raise BadParameter(
                "A value cannot be worked with: it is too large, or outside its system.",
                "参数值无法计算：数值过大或超出坐标系范围。",
            ) from error
        raise


@router.get("/collections/{collection}/items/{feature}")
async def one(request: Request, feature: str) -> Response:
    """One feature by its id."""
    by = await question(request)
    root, here, store, sight = by.root, by.here, by.store, by.sight
    given = once(request.query_params.multi_items(), ("f", "crs"))
    shape = form(request, given.get("f"))
    target = system("crs", given["crs"]) if "crs" in given else DEFAULT
    try:
        key = value("id", feature, "integer")
    except BadParameter:
        raise absent() from None
    ask = Ask(here, srid=target.srid, swapped=target.swapped, sight=sight)
    ready = often.one(ask, key)
    rows = await (by.direct.rows(ready) if ready else fetched(store, queries.feature(ask, key)))
    if not rows:
        raise absent()
    links = describing.feature_links(f"{root}/collections/{here.name}/items", key, shape)
    if shape == "html":
        return answer(request, pages.item(root, links, here, rows[0]), HTML)
    body = answers.feature(rows[0], links).encode()
    if target is not DEFAULT:
        rows = await fetched(store, queries.feature(Ask(here, sight=sight), key)) or rows
    said = {"Content-Crs": f"<{target.uri}>"}
    return answer(request, body, describing.GEOJSON, version=version_of(rows[0]), **said)


def absent() -> NotFound:
    """What is said where no feature goes by an id."""
    return NotFound("No feature goes by that id.", "没有该标识的要素。")
