"""The terrain's tiles, as CesiumJS and its kin ask for them."""

import os
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.deps import SettingsDep
from api.routes import PROBLEM
from api.tilesets.files import IMMUTABLE, REVALIDATE, Files, answer
from api.tilesets.making import found_in
from cim.errors import NotFound
from cim.settings import Settings
from tiling.city.layers import TERRAIN
from tiling.disk.folder import CURRENT

router = APIRouter(tags=["tiles"])


def offered(settings: Settings) -> dict[str, Any] | None:
    """Where the terrain is and which version it is; None where the city has none."""
    top = settings.tiles_dir / TERRAIN
    if not (top / CURRENT / "layer.json").is_file():
        return None
    return {"url": f"/{TERRAIN}", "version": os.readlink(top / CURRENT)}


@router.get(
    "/terrain/{file:path}",
    summary="A file of the terrain",
    response_class=Response,
    responses={
        200: {
            "description": "layer.json (TileJSON), or a tile: LEVEL/X/Y.terrain, Y northward",
            "content": {
                "application/json": {"example": {"format": "quantized-mesh-1.0"}},
                "application/vnd.quantized-mesh": {
                    "schema": {"type": "string", "format": "binary"}
                },
            },
        },
        304: {"description": "The caller holds this content already"},
        404: {**PROBLEM, "description": "No such tile, or the city has no terrain"},
        422: {**PROBLEM, "description": "A parameter is malformed"},
    },
)
async def terrain(
    request: Request,
    settings: SettingsDep,
    file: str = Path(description="path below the terrain", examples=["layer.json"]),
    v: Annotated[
        str | None,
        Query(max_length=100, description="a version; its tiles may be kept for ever"),
    ] = None,
) -> Response:
    """Heights are metres above the ellipsoid; tiles asked for with the version `v` never change."""
    version, found = await run_in_threadpool(found_in, settings.tiles_dir, (TERRAIN, v), file)
    if version is None or found is None:
        raise NotFound(
            "The terrain has no such file.",
            "地形数据中没有该文件。",
        )
    files: Files = request.app.state.files
    loaded = await run_in_threadpool(files.load, found)
    lasting = version.fixed and found.name != "layer.json"
    return answer(request, loaded, found.suffix, IMMUTABLE if lasting else REVALIDATE)
