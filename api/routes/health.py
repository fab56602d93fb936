"""Whether the service works."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from api.database.store import Store
from api.deps import GateDep, MemoryDep, StoreDep
from api.routes import json
from api.schemas.service import Health, Ready
from cim import __version__
from cim.errors import CimError, StoreError
from cim.security.rights import SYSTEM
from cim.store import migrate
from cim.store.queries import city, serving

router = APIRouter(tags=["service"])

UNKEPT = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie"}


@router.get("/health", summary="Whether this process answers", response_model=Health)
async def health() -> Response:
    """Asks nobody, so that a process is not ended for what it cannot help."""
    return json({"status": "ok", "version": __version__}, **UNKEPT)


@router.get(
    "/ready",
    summary="Whether requests can be answered: the database is there and at the right revision",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "They cannot be, for now"}},
)
async def ready(request: Request, store: StoreDep, memory: MemoryDep, gate: GateDep) -> Response:
    """Cheap enough to be asked every few seconds; details are the system administrator's."""
    try:
        found = await memory.get("ready", lambda: state(store))
        ok = found["database"]["revision"] == migrate.head()
    except (SQLAlchemyError, StoreError):
        found, ok = {"database": {"ok": False, "postgis": None, "revision": None}}, False
    try:
        detailed = (await gate.caller(request)).may(SYSTEM)
    except (CimError, SQLAlchemyError):
        detailed = False
    replica = getattr(request.app.state, "replica", None)
    known = found | {"replica": replica.told if replica else None} if detailed else {}
    answer = json({"status": "ready" if ok else "not ready", "details": known or None}, **UNKEPT)
    answer.status_code = 200 if ok else 503
    return answer


async def state(store: Store) -> dict[str, Any]:
    """What the database says of itself."""
    revision, postgis = await store.value(serving.revision()), await store.value(city.postgis())
    return {"database": {"ok": True, "postgis": postgis, "revision": revision}}
