"""Whether the service works."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from api.deps import MemoryDep, StoreDep
from api.routes import json
from api.schemas.service import Health
from cim import __version__
from cim.errors import StoreError
from cim.store.queries import city

router = APIRouter(tags=["service"])


@router.get(
    "/health",
    summary="Whether the service and its database work",
    response_model=Health,
    responses={503: {"model": Health, "description": "The database does not answer"}},
)
async def health(store: StoreDep, memory: MemoryDep) -> Response:
    """Cheap enough to be asked every few seconds: counts are kept for ten."""

    async def look() -> dict[str, Any]:
        postgis = await store.value(city.postgis())
        counts = await store.row(city.counts())
        return {"postgis": postgis, "counts": dict(counts._mapping) if counts else {}}

    try:
        found, ok = await memory.get("health", look), True
    except (SQLAlchemyError, StoreError):
        found, ok = {"postgis": None, "counts": {}}, False
    answer = json(
        {
            "status": "ok" if ok else "degraded",
            "version": __version__,
            "database": {"ok": ok, "postgis": found["postgis"]},
            "counts": found["counts"],
        }
    )
    answer.status_code = 200 if ok else 503
    return answer
