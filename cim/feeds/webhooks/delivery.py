"""What waits for webhooks is sent: in order for each, at least once, again where it failed.

What waits stands in platform.webhook_delivery, written with the alarm; the queue (procrastinate,
schema jobs) says whose turn it is and that one process at a time sends to a webhook.
"""

import asyncio
import contextlib
import logging
import os
import ssl
import time
from typing import Any, Final

import httpx2
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException
from procrastinate.jobs import DeleteJobCondition, Status
from sqlalchemy import Engine, Executable

from cim.errors import CimError
from cim.feeds.webhooks.guard import networks, target
from cim.feeds.webhooks.signing import headers, key_of
from cim.privacy import Vault, open_vault
from cim.security.secrets import WEBHOOK
from cim.settings import Settings
from cim.store import engine as engines
from cim.store import jobs
from cim.store.queries.feeds import webhooks as statements

QUEUE: Final = "webhooks"
ROUND: Final = 1.0
"""Seconds between two looks at what waits."""

PATIENCE: Final = 10.0
"""Seconds that a receiver has to answer."""

FIRST, LONGEST = 5.0, 6 * 3600.0
"""Seconds before the second try, and at most between two; each time four times as long."""

TRIES: Final = 12
"""After so many, in a day and a half, a delivery is given up."""

TURN: Final = 200
"""Deliveries of one turn: then others have theirs."""

KEPT: Final = 90
"""Days that what was sent stays on the list."""

HEARTBEAT, STALLED = 5.0, 20.0
"""Seconds between a worker's signs of life, and after which it is held for dead."""


log = logging.getLogger("cim.feeds")


def wait(tries: int) -> float:
    """Seconds until the next try after so many failed.

    >>> [wait(n) for n in (1, 2, 3, 12)]
    [5.0, 20.0, 80.0, 21600.0]
    """
    return min(FIRST * 4.0 ** (tries - 1), LONGEST)


class Sender:
    """Sends to webhooks what waits for them."""

    def __init__(self, settings: Settings, engine: Engine, tries: int = TRIES) -> None:
        """`engine` is the owner's; after `tries` a delivery is given up."""
        self.engine, self.tries = engine, tries
        self.allowed = networks(settings.webhook_networks)
        self.vault: Vault = open_vault(settings)
        # The environment's proxies would be asked in our place, and they look names up again.
        self.http = httpx2.AsyncClient(
            timeout=PATIENCE,
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    async def close(self) -> None:
        """Let go of its connections."""
        await self.http.aclose()

    async def deliver(self, id: int) -> int:
        """Send what waits for a webhook, in order, until something fails; how many were sent."""
        sent = 0
        for _ in range(TURN):
            hook = await self.one(statements.HOOK, id=id)
            row = None if hook is None else await self.one(statements.NEXT, id=id)
            if hook is None or row is None or not row.due:
                break
            status, error = await self.send(hook, row)
            if error is None:
                await self.do(statements.SENT, id=row.delivery, status=status)
                sent += 1
                continue
            tries = row.tries + 1
            given_up = tries >= self.tries
            values = {"status": status, "error": error, "wait": wait(tries), "dead": given_up}
            await self.do(statements.FAILED, id=row.delivery, **values)
            if not given_up:
                break
        return sent

    async def send(self, hook: Any, row: Any) -> tuple[int | None, str | None]:
        """Send one; the status of the answer, and why it failed, None where it did not."""
        body = row.body.encode()
        try:
            secret = self.vault.decrypt([hook.secret_enc], WEBHOOK)[0] or ""
            to = await target(hook.url, self.allowed)
            said = headers(key_of(secret), row.key, int(time.time()), body)
            async with self.http.stream(
                "POST",
                to.url,
                content=body,
                headers=said | {"host": to.host},
                extensions={"sni_hostname": to.name},
            ) as answer:
                status = answer.status_code
        except CimError as error:
            return None, str(error)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return None, type(error).__name__
        return status, None if 200 <= status < 300 else f"HTTP {status}"

    async def one(self, statement: Executable, **values: Any) -> Any:
        """The first row of a statement, away from the loop."""

        def run() -> Any:
            with self.engine.connect() as connection:
                return connection.execute(statement, values).first()

        return await asyncio.to_thread(run)

    async def do(self, statement: Executable, **values: Any) -> None:
        """Run a statement, committed, away from the loop."""

        def run() -> None:
            with self.engine.begin() as connection:
                connection.execute(statement, values)

        await asyncio.to_thread(run)

    async def due(self) -> list[int]:
        """Webhooks for which something waits whose time has come."""

        def run() -> list[int]:
            with self.engine.connect() as connection:
                return list(connection.execute(statements.DUE).scalars())

        return await asyncio.to_thread(run)


def connector(settings: Settings) -> PsycopgConnector:
    """How the library reaches its tables, as their owner."""
    options = {"options": f"-c search_path={jobs.SCHEMA}", "application_name": engines.NAME}
    where = engines.url(settings)
    return PsycopgConnector(conninfo=where, kwargs=options, min_size=1, max_size=3)


async def run(settings: Settings, stopping: asyncio.Event) -> None:
    """Send until told to stop; begun anew where the database goes away for a time.

    Nothing is held open while there is no webhook.
    """
    engine = engines.open_engine(settings, size=4)
    sender: Sender | None = None
    try:
        while not stopping.is_set():
            try:
                if await asyncio.to_thread(_any, engine):
                    sender = sender or Sender(settings, engine)
                    await _work(settings, sender, stopping)
            except (CimError, ProcrastinateException, OSError) as error:
                log.warning("webhooks wait: %s", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 5 * ROUND)
    finally:
        if sender is not None:
            await sender.close()
        engine.dispose()


def _any(engine: Engine) -> bool:
    """Whether there is a webhook in use."""
    with engine.connect() as connection:
        return bool(connection.execute(statements.ANY).scalar_one())


async def _work(settings: Settings, sender: Sender, stopping: asyncio.Event) -> None:
    app = App(connector=connector(settings))

    @app.task(name="deliver", queue=QUEUE)
    async def deliver(id: int) -> None:
        await sender.deliver(id)

    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE],
                name=f"webhooks-{os.getpid()}",
                concurrency=4,
                install_signal_handlers=False,
                shutdown_graceful_timeout=PATIENCE,
                delete_jobs=DeleteJobCondition.ALWAYS,
                update_heartbeat_interval=HEARTBEAT,
                stalled_worker_timeout=STALLED,
            )
        )
        rounds = asyncio.create_task(_rounds(app, sender))
        told = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({working, rounds, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (rounds, told, working):
                task.cancel()
            ended = await asyncio.gather(working, rounds, told, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def _rounds(app: App, sender: Sender) -> None:
    """See to it that every webhook for which something waits has its turn."""
    cleaned = 0.0
    while True:
        for stalled in await app.job_manager.get_stalled_jobs(
            queue=QUEUE, seconds_since_heartbeat=STALLED
        ):
            with contextlib.suppress(ProcrastinateException):  # another worker was as quick
                await app.job_manager.finish_job(stalled, status=Status.ABORTED, delete_job=True)
        for id in await sender.due():
            task = app.configure_task(
                "deliver", queue=QUEUE, lock=f"webhook-{id}", queueing_lock=f"webhook-{id}"
            )
            with contextlib.suppress(AlreadyEnqueued):
                await task.defer_async(id=id)
        if time.monotonic() - cleaned > 3600:
            cleaned = time.monotonic()
            await sender.do(statements.FORGET, days=KEPT)
        await asyncio.sleep(ROUND)
