"""The one place where the service is put together."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from api import errors
from api.deps import Memory
from api.describing import describe, operation_id
from api.ogc import routes as ogc
from api.ogc import writing
from api.opening import opened
from api.routes import (
    addresses,
    alarm_rules,
    alarms,
    buildings,
    bulk,
    changes,
    city,
    codes,
    combined,
    counts,
    device_keys,
    devices,
    docs,
    elsewhere,
    features,
    feeds,
    fleet,
    health,
    live,
    locate,
    nearest,
    observations,
    people,
    series,
    session,
    terrain,
    tilesets,
    units,
    values,
    viewer,
    webhooks,
    within,
)
from api.routes.intake import address_files, imports, quality, uploads
from api.sensorthings import batch
from api.sensorthings import routes as sensorthings
from api.sensorthings import writing as sensing
from api.serving.finding import find_by_first_word
from api.serving.stack import passed_through
from api.tilesets.archives import Archives
from api.tilesets.files import Files
from cim import __version__
from cim.settings import Settings

ABOUT = """The city as features, floor grids, unit cards and 3D Tiles. Coordinates are CGCS2000
degrees, heights metres. Errors are problem documents (RFC 9457) in English and Chinese.
Residents are shown masked, to callers with the role `residents` that state a purpose in the
header `X-Purpose`; `/counts` tells how many people there are so that nobody is given away. Files
are brought in by callers with the role `intake`. Machines call with a key, people sign in."""

ROUTERS = (
    units,
    buildings,
    locate,
    nearest,
    ogc,
    sensorthings,
    batch,
    sensing,
    health,
    session,
    elsewhere,
    city,
    bulk,
    people,
    within,
    values,
    codes,
    counts,
    address_files,
    addresses,
    features,
    feeds,
    device_keys,
    devices,
    writing,
    changes,
    observations,
    alarms,
    alarm_rules,
    webhooks,
    series,
    fleet,
    live,
    quality,
    tilesets,
    combined,
    terrain,
    uploads,
    imports,
    docs,
    viewer,
)
"""In the order in which they are tried, what is asked most first: to pass one by takes time too.
The viewer takes what no other took."""


def create_app(settings: Settings, static: Path | None = None) -> FastAPI:
    """The service over the store of these settings, opened when it starts.

    `static` is the folder of the built viewer.
    """

    app = FastAPI(
        title="cimtwin",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=partial(opened, settings=settings),
        generate_unique_id_function=operation_id,
    )
    app.state.settings, app.state.replica = settings, None
    app.state.memory = Memory(seconds=10)
    app.state.files = Files()
    app.state.archives = Archives(settings.tiles_dir, app.state.files)
    app.state.static = static or Path(__file__).parent / "static"
    app.openapi = partial(describe, app)  # type: ignore[method-assign]  # FastAPI's own way
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    find_by_first_word(app)
    passed_through(app, settings)
    return app
