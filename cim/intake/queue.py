"""The queue that jobs wait in: kept in the database, so that nothing is lost with a process.

What a job is, and how far it has come, stands in platform.intake; the queue says whose turn it is.
A job that is in the one and not in the other is put there by the next worker that looks.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cim.settings import Settings
from cim.store import engine, jobs

if TYPE_CHECKING:
    from procrastinate import App

NAME = "intake"
"""The queue."""

TASK = "load"
"""What is done with a job."""


SENDER = "cim_intake"
"""The database role of what puts jobs into the queue; who runs them owns it."""


def connection(settings: Settings, role: str | None = None) -> dict[str, Any]:
    """How the library reaches its tables, in a role if one is given."""
    taken = f" -c role={role}" if role else ""
    options = {"options": f"-c search_path={jobs.SCHEMA}{taken}", "application_name": engine.NAME}
    where = engine.url(settings, role=role)
    return {"conninfo": where, "kwargs": options, "min_size": 1, "max_size": 4}


def lock(id: int) -> str:
    """What keeps a job from waiting twice."""
    return f"{NAME}-{id}"


def defer(settings: Settings, ids: Iterable[int]) -> None:
    """Put jobs into the queue; those that wait in it already stay where they are."""
    from procrastinate import App, SyncPsycopgConnector  # noqa: PLC0415 - few commands need it

    app = App(connector=SyncPsycopgConnector(**connection(settings, SENDER)))
    with app.open():
        for id in ids:
            enqueue(app, id)


def enqueue(app: "App", id: int) -> None:
    """Put one job into an open queue, from a program that does not run it."""
    from procrastinate.exceptions import AlreadyEnqueued  # noqa: PLC0415 - few commands have jobs

    task = app.configure_task(TASK, queue=NAME, queueing_lock=lock(id))
    try:
        task.defer(id=id)
    except AlreadyEnqueued:
        return
