"""The tilesets and every file below them."""

import re
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.deps import SettingsDep, Store, StoreDep
from api.files import IMMUTABLE, REVALIDATE, Files, answer, inside
from api.routes import PROBLEM, PROBLEMS, json
from api.schemas.service import Tilesets
from cim.errors import NotFound
from cim.settings import Settings
from cim.store.queries import city as queries

router = APIRouter(tags=["tiles"])
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


async def opened(store: Store, settings: Settings) -> list[dict[str, Any]]:
    """Every tileset that was built and stands on this machine."""
    return [
        dict(row._mapping) | {"url": f"/tiles/3d/{row.name}/tileset.json?v={row.version}"}
        for row in await store.rows(queries.tilesets())
        if (settings.tiles_dir / row.name / "current" / "tileset.json").is_file()
    ]


@router.get("/tilesets", summary="The tilesets", response_model=Tilesets, responses=PROBLEMS)
async def tilesets(store: StoreDep, settings: SettingsDep) -> Response:
    """Open their `url` with any 3D Tiles 1.1 client."""
    return json({"tilesets": await opened(store, settings)})


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
    tileset: str = Path(description="its name", examples=["buildings"]),
    file: str = Path(description="path below the tileset", examples=["tileset.json"]),
    v: Annotated[
        str | None,
        Query(max_length=100, description="a version; its tiles may be kept for ever"),
    ] = None,
) -> Response:
    """Tiles asked for with the version `v` never change; without, they are revalidated."""
    root, fixed = chosen(settings, tileset, v)
    found = inside(root, file) if root else None
    if found is None:
        raise NotFound(
            f"The tileset {tileset[:100]!r} has no such file.",
            f"切片集“{tileset[:100]}”中没有该文件。",
        )
    files: Files = request.app.state.files
    loaded = await run_in_threadpool(files.load, found)
    lasting = fixed and found.name != "tileset.json"
    return answer(request, loaded, found.suffix, IMMUTABLE if lasting else REVALIDATE)


def chosen(settings: Settings, tileset: str, version: str | None) -> tuple[FilePath | None, bool]:
    """The folder of a tileset's version, else of its current one, and whether it was the version.

    A version stays open until it is removed, so that a session begun before a build sees one
    city, not two.
    """
    if not NAME.fullmatch(tileset):
        return None, False
    top = settings.tiles_dir / tileset
    if version and NAME.fullmatch(version) and version != "current" and (top / version).is_dir():
        return top / version, True
    return (top / "current", False) if (top / "current").is_dir() else (None, False)
