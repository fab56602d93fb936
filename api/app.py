"""The one place where the service is put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from api import errors
from api.archives import Archives
from api.changes import Pulse
from api.deps import Memory
from api.describing import describe, operation_id
from api.files import Files
from api.ogc import routes as ogc
from api.people import People
from api.routes import (
    address_files,
    addresses,
    buildings,
    changes,
    city,
    codes,
    combined,
    docs,
    elsewhere,
    features,
    health,
    imports,
    locate,
    nearest,
    observations,
    people,
    quality,
    session,
    terrain,
    tilesets,
    units,
    uploads,
    viewer,
)
from api.security.gate import Gate
from api.serving.stack import passed_through
from api.store import Store
from api.tiles import Maker
from cim import __version__
from cim.crs.geoid import geoid
from cim.privacy import open_vault
from cim.settings import Settings
from cim.store.engine import connect_async, connect_direct, open_engine

READER = "cim_reader"
"""The database role of what only reads, and makes tiles: it cannot see pii."""

OPENER = "cim_resident_reader"
"""The database role of what opens residents, by a proof of who asks."""

INTAKE = "cim_intake"
"""The database role that writes what is handed in."""

GATE = "cim_gate"
"""The database role that looks up keys and sessions, and writes what signing in changes."""

ABOUT = """The city as features, floor grids, unit cards and 3D Tiles. Coordinates are CGCS2000
degrees, heights metres. Errors are problem documents (RFC 9457) in English and Chinese.
Residents are shown masked, to callers with the role `residents` that state a purpose in the
header `X-Purpose`; everyone else sees how many they are. Files are brought in by callers with the
role `intake`. Machines call with a key, people sign in."""

ROUTERS = (
    health,
    session,
    elsewhere,
    city,
    buildings,
    units,
    people,
    locate,
    nearest,
    codes,
    address_files,
    addresses,
    features,
    ogc,
    changes,
    observations,
    quality,
    tilesets,
    combined,
    terrain,
    uploads,
    imports,
    docs,
    viewer,
)
"""In the order in which they are asked; the viewer takes what no other took."""


def create_app(settings: Settings, static: Path | None = None) -> FastAPI:
    """The service over the store of these settings, opened when it starts.

    `static` is the folder of the built viewer.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = await run_in_threadpool(connect_async, settings, role=READER)
        keyed = await run_in_threadpool(connect_async, settings, role=READER, by_key=True)
        intake = await run_in_threadpool(connect_async, settings, role=INTAKE)
        callers = await run_in_threadpool(connect_async, settings, role=GATE, by_key=True)
        signing = open_engine(settings, role=GATE)
        direct = await (await run_in_threadpool(connect_direct, settings, role=READER)).open()
        keys = await (await run_in_threadpool(connect_direct, settings, role=GATE)).open()
        opened = await (await run_in_threadpool(connect_direct, settings, role=OPENER)).open()
        vault = await run_in_threadpool(open_vault, settings)
        app.state.people = People(opened, vault)
        app.state.gate = Gate(settings, Store(callers), keys, signing, vault)
        app.state.direct = direct
        app.state.store, app.state.keyed_store = Store(engine), Store(keyed)
        app.state.pulse = Pulse(app.state.store)
        app.state.intake_store = Store(intake)
        app.state.intake_engine = open_engine(settings, role=INTAKE)
        making = open_engine(settings, role=READER)
        app.state.geoid = await run_in_threadpool(geoid, settings)
        app.state.maker = Maker(making, app.state.geoid, settings.tiles_dir)
        try:
            yield
        finally:
            await app.state.pulse.stop()
            for each in (engine, keyed, callers, intake):
                await each.dispose()
            for pool in (direct, keys, opened):
                await pool.close()
            for pooled in (app.state.intake_engine, making, signing):
                pooled.dispose()
            await app.state.gate.close()

    app = FastAPI(
        title="cimtwin",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    app.state.settings = settings
    app.state.memory = Memory(seconds=10)
    app.state.files = Files()
    app.state.archives = Archives(settings.tiles_dir, app.state.files)
    app.state.static = static or Path(__file__).parent / "static"
    app.openapi = partial(describe, app)  # type: ignore[method-assign]  # FastAPI's own way
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    passed_through(app, settings)
    return app
