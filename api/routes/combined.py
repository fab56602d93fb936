"""One tileset above all tilesets of the city."""

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.deps import SettingsDep
from api.files import REVALIDATE
from tiling import combined

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
async def together(settings: SettingsDep) -> Response:
    """Buildings show from afar, units from near: each has its own geometric error."""
    found = await run_in_threadpool(combined.served, settings.tiles_dir)
    return Response(found, media_type="application/json", headers={"Cache-Control": REVALIDATE})
