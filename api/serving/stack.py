"""The order in which a request passes through what is here."""

import os
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from api.serving.bodies import Limits
from api.serving.deadline import Deadline
from api.serving.edge import Edge
from api.serving.fresh import Fresh
from api.serving.guard import Guard, Leaving
from api.serving.headers import Headers, open_to
from api.serving.heavy import Heavy
from api.serving.metrics import Measures
from api.serving.packing import Packing, Tags
from api.serving.rates import Buckets, Rates
from cim.settings import Settings

SHARED = "CIM_SHARED"
"""Where workers of one service find what they share: set by who starts them."""


def passed_through(app: FastAPI, settings: Settings) -> None:
    """Have every request of the app pass through all of it; what is added last is asked first."""
    shared = os.environ.get(SHARED)
    registry = app.state.registry = CollectorRegistry()
    measures = app.state.measures = Measures(registry) if settings.metrics else None
    folder = Path(shared) if shared else None
    buckets = Buckets(folder / "rates" if folder else None)
    app.add_middleware(Guard)
    app.add_middleware(Deadline)
    app.add_middleware(Leaving)
    app.add_middleware(Heavy, settings=settings)
    app.add_middleware(Limits)
    if settings.read_database_url:
        app.add_middleware(Fresh, settings=settings, file=folder / "written" if folder else None)
    app.add_middleware(Rates, settings=settings, buckets=buckets, measures=measures)
    app.add_middleware(Tags)
    app.add_middleware(Packing)
    app.add_middleware(open_to, settings=settings)
    app.add_middleware(Headers, settings=settings)
    app.add_middleware(Edge, settings=settings, measures=measures)
