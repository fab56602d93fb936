"""The tilesets and every file below them."""

from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool

from api.database.store import Store
from api.deps import SettingsDep, StoreDep
from api.routes import PROBLEM, PROBLEMS, json
from api.schemas.service import Tilesets
from api.tilesets.archives import Archives, ArchivesDep, described
from api.tilesets.files import IMMUTABLE, REVALIDATE, Files, answer
from api.tilesets.making import NAME, Maker, found_in
from cim.errors import NotFound
from cim.settings import Settings
from cim.store.queries import city as queries
from tiling.city import parts
from tiling.city.layers import LAYERS

router = APIRouter(tags=["tiles"])

WHOLE = {"part_of": None, "part": None}
"""What is said of tilesets that are no parts of others."""


async def opened(store: Store, settings: Settings, archives: Archives) -> list[dict[str, Any]]:
    """Every tileset that was built and stands on this machine, and every archive beside them."""
    built = [
        _told(row) | {"url": f"/tiles/3d/{row.name}/tileset.json?v={row.version}"}
        for row in await store.rows(queries.tilesets())
        if (settings.tiles_dir / row.name / "current" / "tileset.json").is_file()
    ]
    beside = await run_in_threadpool(archives.standing)
    return built + [described(name, known) | WHOLE for name, known in beside.items()]


def _told(row: Row[Any]) -> dict[str, Any]:
    """A tileset as it is on record; a part of another with words for which."""
    found = dict(row._mapping)
    selection, base = found.pop("selection"), found.pop("base")
    if not base:
        return found | WHOLE
    en, zh = parts.said(LAYERS[base].part(row.name, parts.read(selection)))
    return found | {"part_of": base, "part": {"en": en, "zh": zh}}


@router.get("/tilesets", summary="The tilesets", response_model=Tilesets, responses=PROBLEMS)
async def tilesets(store: StoreDep, settings: SettingsDep, archives: ArchivesDep) -> Response:
    """Open their `url` with any 3D Tiles 1.1 client."""
    return json({"tilesets": await opened(store, settings, archives)})


@router.get(
    "/tiles/3d/{tileset}/{file:path}",
    summary="A file of a tileset",
    response_class=Response,
    responses={
        200: {
            "description": "tileset.json, a subtree or a tile",
            "content": {
                "application/json": {"example": {"asset": {"version": "1.1"}}},
                "model/gltf-binary": {"schema": {"type": "string", "format": "binary"}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        304: {"description": "The caller holds this content already"},
        404: {**PROBLEM, "description": "No such tile"},
        422: {**PROBLEM, "description": "A parameter is malformed"},
    },
)
async def tile(
    request: Request,
    settings: SettingsDep,
    archives: ArchivesDep,
    tileset: str = Path(description="its name", examples=["buildings"]),
    file: str = Path(description="path below the tileset", examples=["tileset.json"]),
    v: Annotated[
        str | None,
        Query(max_length=100, description="a version; its tiles may be kept for ever"),
    ] = None,
) -> Response:
    """Tiles asked for with the version `v` never change; without, they are revalidated."""
    files: Files = request.app.state.files
    maker: Maker = request.app.state.maker
    version, found = await run_in_threadpool(found_in, settings.tiles_dir, (tileset, v), file)
    if version and found:
        loaded = await run_in_threadpool(files.load, found)
        lasting = version.fixed and found.name != "tileset.json"
        return answer(request, loaded, found.suffix, IMMUTABLE if lasting else REVALIDATE)
    if version is None and NAME.fullmatch(tileset):
        packed = await run_in_threadpool(archives.find, tileset, file)
        if packed:
            lasting = v == packed[1] and file != "tileset.json"
            suffix = PurePosixPath(file).suffix
            return answer(request, packed[0], suffix, IMMUTABLE if lasting else REVALIDATE)
    made = await maker.get(tileset, file) if version else None
    if made is None:
        raise NotFound(
            f"The tileset {tileset[:100]!r} has no such file.",
            f"切片集“{tileset[:100]}”中没有该文件。",
        )
    return answer(request, made, ".glb", REVALIDATE)
