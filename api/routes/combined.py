"""One tileset above all tilesets of the city."""

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.deps import SettingsDep
from api.tilesets.archives import ArchivesDep
from api.tilesets.files import REVALIDATE
from tiling.disk import combined

router = APIRouter(tags=["tiles"])


@router.get(
    "/tiles/3d/tileset.json",
    summary="All tilesets as one",
    response_class=Response,
    responses={
        200: {
            "description": "tileset.json with each of the city's tilesets below it",
            "content": {"application/json": {"example": {"asset": {"version": "1.1"}}}},
        }
    },
)
async def together(settings: SettingsDep, archives: ArchivesDep) -> Response:
    """Buildings show from afar, units from near: each has its own geometric error."""
    beside = await run_in_threadpool(archives.standing)
    documents = {name: known.document for name, known in beside.items()}
    found = await run_in_threadpool(combined.served, settings.tiles_dir, documents)
    return Response(found, media_type="application/json", headers={"Cache-Control": REVALIDATE})
