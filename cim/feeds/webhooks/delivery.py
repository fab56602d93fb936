"""What waits for webhooks is sent: in order for each, at least once, again where it failed.

What waits stands in platform.webhook_delivery: alarms, written with them, and readings, put there
from what was written once a second. The queue (procrastinate, schema jobs) says whose turn it is,
and that one process at a time sends alarms to a webhook, and one readings.
"""

import asyncio
import contextlib
import logging
import os
import time
from typing import Any, Final

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException
from procrastinate.jobs import DeleteJobCondition, Status
from sqlalchemy import Engine, Executable

from cim.errors import CimError
from cim.feeds.webhooks.guard import networks
from cim.feeds.webhooks.posting import PATIENCE, Answer, Poster
from cim.feeds.webhooks.signing import headers, keys_of
from cim.privacy import Vault, open_vault
from cim.security.secrets import WEBHOOK
from cim.settings import Settings
from cim.store import engine as engines
from cim.store import jobs
from cim.store.queries.feeds import forwarding
from cim.store.queries.feeds import webhooks as statements

QUEUE: Final = "webhooks"
ROUND: Final = 1.0
"""Seconds between two looks at what waits."""

FIRST, LONGEST = 5.0, 6 * 3600.0
"""Seconds before the second try, and at most between two; each time four times as long."""

TRIES: Final = 12
"""After so many, in a day and a half, a delivery is given up."""

TURN, LONG = 200, 10.0
"""Deliveries of one turn, and seconds after which none is begun: then others have theirs."""

AT_ONCE: Final = 16
"""Receivers that are sent to at the same time by one process."""

BATCHES, ROUNDS = 100, 20
"""Batches of readings that are put into what waits in one transaction, and how often in a round."""

KEPT, KEPT_READINGS = 90, 30
"""Days that alarms that were sent stay on the list, and readings that were given up."""

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

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        tries: int = TRIES,
        patience: float = PATIENCE,
    ) -> None:
        """`engine` is the owner's; after `tries` a delivery is given up."""
        self.engine, self.tries = engine, tries
        self.vault: Vault = open_vault(settings)
        self.poster = Poster(networks(settings.webhook_networks), patience)

    async def close(self) -> None:
        """Let go of its connections."""
        await self.poster.close()

    async def deliver(self, id: int, readings: bool = False) -> int:
        """Send the alarms, or the readings, that wait for a webhook; how many messages were sent.

        In order, until one fails or the turn is over.
        """
        sent, ends = 0, time.monotonic() + LONG
        for _ in range(TURN):
            hook = await self.one(statements.HOOK, id=id)
            if hook is None or time.monotonic() >= ends:
                break
            done = await (self._readings(hook) if readings else self._alarm(hook))
            if done is None:
                break
            sent += done
        return sent

    async def _alarm(self, hook: Any) -> int | None:
        """Send the first alarm that waits: 1; 0 where it was given up; None where it waits on."""
        row = await self.one(statements.NEXT, id=hook.id)
        if row is None or not row.due:
            return None
        if not row.allowed:
            await self.do(statements.WITHHELD, id=row.delivery)
            return 0
        answer = await self.send(hook, row.key, row.body)
        if answer.error is not None:
            return await self._failed(row, answer)
        await self.do(statements.SENT, id=row.delivery, status=answer.status)
        return 1

    async def _readings(self, hook: Any) -> int | None:
        """The same of the first message with readings."""
        row = await self.one(forwarding.CLAIM, id=hook.id)
        if row is None:
            return None
        span = {"since": row.since, "until": row.until}
        said = await self.one(forwarding.BODY, delivery=row.delivery, **span)
        count = 0 if said is None else said.readings
        if count:
            answer = await self.send(hook, row.key, said.body)
            if answer.error is not None:
                return await self._failed(row, answer)
        await self.do(forwarding.TAKEN, id=row.delivery, readings=count)
        return int(bool(count))

    async def _failed(self, row: Any, answer: Answer) -> int | None:
        """Note that a delivery failed; 0 where it is given up, None where it waits."""
        tries = row.tries + 1
        given_up = tries >= self.tries
        later = min(max(wait(tries), answer.after), LONGEST)
        values = {"status": answer.status, "error": answer.error, "wait": later, "dead": given_up}
        await self.do(statements.FAILED, id=row.delivery, **values)
        return 0 if given_up else None

    async def send(self, hook: Any, key: str, body: str) -> Answer:
        """Send one message, signed; what became of it."""
        content, now = body.encode(), time.time()
        try:
            kept = self.vault.decrypt([hook.secret_enc], WEBHOOK)[0] or ""
            said = headers(keys_of(kept, now), key, int(now), content)
        except CimError as error:
            return Answer(error=str(error))
        return await self.poster.post(hook.url, said, content)

    async def spread(self) -> int:
        """Put readings that were written into what waits for each; how many batches they were."""
        took = 0
        for _ in range(ROUNDS):
            row = await self.one(forwarding.SPREAD, most=BATCHES)
            took += row.took
            if row.took < BATCHES:
                break
        return took

    async def one(self, statement: Executable, **values: Any) -> Any:
        """The first row of a statement, committed, away from the loop."""

        def run() -> Any:
            with self.engine.begin() as connection:
                return connection.execute(statement, values).first()

        return await asyncio.to_thread(run)

    async def do(self, statement: Executable, **values: Any) -> None:
        """Run a statement, committed, away from the loop."""

        def run() -> None:
            with self.engine.begin() as connection:
                connection.execute(statement, values)

        await asyncio.to_thread(run)

    async def due(self) -> list[tuple[int, bool]]:
        """Webhooks for which something waits whose time has come, and whether it is readings."""

        def run() -> list[tuple[int, bool]]:
            with self.engine.connect() as connection:
                return [(row.id, row.readings) for row in connection.execute(statements.DUE)]

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
                log.warning("webhooks wait: %s · 推送暂停，稍后重试", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5 * ROUND):
                    await stopping.wait()
    finally:
        if sender is not None:
            await sender.close()
        engine.dispose()


def _any(engine: Engine) -> bool:
    """Whether there is a webhook in use; what is noted for one that is no more is let go."""
    with engine.begin() as connection:
        connection.execute(forwarding.CLEAR)
        return bool(connection.execute(statements.ANY).scalar_one())


async def _work(settings: Settings, sender: Sender, stopping: asyncio.Event) -> None:
    app = App(connector=connector(settings))

    @app.task(name="deliver", queue=QUEUE)
    async def deliver(id: int, readings: bool = False) -> None:
        await sender.deliver(id, readings)

    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE],
                name=f"webhooks-{os.getpid()}",
                concurrency=AT_ONCE,
                install_signal_handlers=False,
                shutdown_graceful_timeout=PATIENCE,
                fetch_job_polling_interval=ROUND,  # who waited for one that was killed is not told
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
        await sender.spread()
        for id, readings in await sender.due():
            turn = f"webhook-{id}-readings" if readings else f"webhook-{id}"
            task = app.configure_task("deliver", queue=QUEUE, lock=turn, queueing_lock=turn)
            with contextlib.suppress(AlreadyEnqueued):
                await task.defer_async(id=id, readings=readings)
        if time.monotonic() - cleaned > 3600:
            cleaned = time.monotonic()
            await sender.do(statements.FORGET, days=KEPT)
            await sender.do(forwarding.FORGET, days=KEPT_READINGS)
        await asyncio.sleep(ROUND)
