"""The worker: takes jobs from the queue and runs each in a process of its own.

What a dead worker left is taken up again: its runner ends with it and lets the job wait; where that
failed too, the lack of any sign of life tells.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException
from procrastinate.jobs import DeleteJobCondition, Status
from sqlalchemy import Engine, Executable

from cim.errors import CimError
from cim.intake import queue, uploads
from cim.intake.children import environment, took_too_long
from cim.settings import Settings
from cim.store import changes
from cim.store import engine as engines
from cim.store import jobs as jobs_store
from cim.store.queries import intake as statements
from cim.store.retention import retain

ROUND = 5.0
"""Seconds between two looks for jobs that are in no queue."""

LOST = 60.0
"""Seconds without a sign of life after which a running job is held for lost."""

HEARTBEAT, STALLED = 5.0, 20.0
"""Seconds between a worker's signs of life, and after which it is held for dead."""

GRACE = 5.0
"""Seconds that a load has to come to its end when the worker is told to stop."""

PATIENCE = 15.0
"""Seconds that a load has to stop when it is told to, before its process is ended."""

STARTING = 120.0
"""Seconds that a load's process has, besides the load's own time, until it begins with it."""

LAST = 30.0
"""Seconds after which the worker ends however things stand."""

CLEANING = 3600.0
"""Seconds between two looks for uploads and outcomes that nobody needs any more."""

Say = Callable[[str, str], None]


class Worker:
    """Runs jobs until it is told to stop."""

    def __init__(self, settings: Settings, engine: Engine, say: Say) -> None:
        """`say` takes a sentence in English and one in Chinese."""
        self.settings, self.engine, self.say = settings, engine, say
        self.stopping = asyncio.Event()
        self.starting: set[int] = set()  # jobs with a process, which may not have begun them yet

    async def run(self, jobs: int) -> None:
        """Work on that many jobs at a time; begun anew where the database goes away for a time."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        while not self.stopping.is_set():
            try:
                await self._work(jobs)
            except (CimError, ProcrastinateException, OSError) as error:
                why = " ".join(str(error.__cause__ or error).split())
                self.say(f"the queue cannot be reached: {why}", f"无法访问任务队列：{why}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND):
                    await self.stopping.wait()

    def stop(self) -> None:
        """Stop in good order, but in any case before long: the database may be gone."""
        self.stopping.set()
        last = threading.Timer(LAST, os._exit, [1])
        last.daemon = True
        last.start()

    async def _work(self, jobs: int) -> None:
        app = App(connector=PsycopgConnector(**queue.connection(self.settings)))

        @app.task(name=queue.TASK, queue=queue.NAME)
        async def load(id: int) -> None:
            await self.load(id)

        async with app.open_async():
            working = asyncio.create_task(
                app.run_worker_async(
                    queues=[queue.NAME],
                    name="intake",
                    concurrency=jobs,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=GRACE,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    update_heartbeat_interval=HEARTBEAT,
                    stalled_worker_timeout=STALLED,
                )
            )
            others = [asyncio.create_task(step(app)) for step in (self._rounds, self._clean)]
            told = asyncio.create_task(self.stopping.wait())
            try:
                await asyncio.wait({working, told, *others}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (*others, told, working):
                    task.cancel()
                ended = await asyncio.gather(working, *others, told, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _do(self, statement: Executable) -> Any:
        """Run a statement, committed, away from the loop; its rows where it has any."""

        def run() -> Any:
            with self.engine.begin() as connection:
                result = connection.execute(statement)
                return result.all() if result.returns_rows else []

        return await asyncio.to_thread(run)

    async def _rounds(self, app: App) -> None:
        """See to it that every job that waits is in the queue, and that none is lost."""
        while True:
            for stalled in await app.job_manager.get_stalled_jobs(
                queue=queue.NAME, seconds_since_heartbeat=STALLED
            ):
                with contextlib.suppress(ProcrastinateException):  # another worker was as quick
                    await app.job_manager.finish_job(
                        stalled, status=Status.ABORTED, delete_job=True
                    )
            await self._do(statements.lost(LOST))
            there = await app.job_manager.list_jobs_async(
                queue=queue.NAME, status=Status.TODO.value
            )
            queued = {job.task_kwargs.get("id") for job in there}
            for row in await self._do(statements.waiting()):
                if row.id not in queued | self.starting:
                    await _enqueue(app, row.id)
            await asyncio.sleep(ROUND)

    async def _clean(self, app: App) -> None:
        """Take away what nobody needs any more."""
        while True:
            await asyncio.to_thread(self.clean)
            await asyncio.sleep(CLEANING)

    def clean(self) -> None:
        """Take away uploads that are past their days, old outcomes, changes, readings and sums."""
        retain(self.engine, datetime.now(UTC))
        with self.engine.begin() as connection:
            connection.execute(statements.lock_uploads())
            days = self.settings.upload_days
            for group in list(connection.execute(statements.groups_past(days)).scalars()):
                connection.execute(statements.drop_group(group))
                uploads.delete_group(self.settings, group)
            known = set(connection.execute(statements.groups()).scalars())
            uploads.delete_strays(self.settings, known)
            connection.execute(statements.forget(self.settings.load_days))
            changes.trim(connection, datetime.now(UTC) - timedelta(days=self.settings.change_days))

    async def load(self, id: int) -> None:
        """Run one job in a process of its own, to its end or until it must be ended."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cim.intake.runner", str(id)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=None if os.environ.get("CIM_TRACEBACK") else asyncio.subprocess.DEVNULL,
            env=environment(self.settings),
            start_new_session=True,
        )
        assert process.stdin is not None
        self.starting.add(id)
        late = False
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(self.settings.model_dump_json().encode() + b"\n")
                await process.stdin.drain()
            late = await self._wait(id, process)
        except asyncio.CancelledError:
            process.stdin.close()  # by which it knows
            await self._end(process)
            raise
        finally:
            self.starting.discard(id)
            process.stdin.close()
        await self._tell(id, process.returncode or 0, late=late)

    async def _wait(self, id: int, process: asyncio.subprocess.Process) -> bool:
        """Wait for its end, or bring it about; whether that was because the load was late.

        A load's time runs from when it began, not from when its process did, which takes long where
        a machine has too much to do: ended before it began, a load would be begun again for ever.
        """
        loop = asyncio.get_running_loop()
        longest = self.settings.load_hours * 3600 + PATIENCE
        started, late = loop.time(), False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await asyncio.shield(process.wait())
                return late
            found = await self._do(statements.overdue(id))
            gone, running = found[0] if found else (None, None)
            alive = loop.time() - started
            late = min(alive, running or 0) > longest  # the process before it may have begun it
            if late or alive > longest + STARTING or (gone or 0) > PATIENCE:
                _kill(process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()

    async def _tell(self, id: int, code: int, *, late: bool) -> None:
        """Write down what the process itself could not, and say how it went."""
        row = (await self._do(statements.job(id)))[0]
        if row.state == "running":
            said = took_too_long(row.file, self.settings) if late else None
            await self._do(_died(id, row, code, said))
            row = (await self._do(statements.job(id)))[0]
        en, zh = OUTCOMES.get(row.state, (row.state, row.state))
        self.say(f"{row.file} → {row.kind}: {en}", f"{row.file} → {row.kind}：{zh}")


OUTCOMES = {
    "done": ("done", "完成"),
    "failed": ("failed", "失败"),
    "cancelled": ("cancelled", "已取消"),
    "waiting": ("waits again", "重新等待"),
}
"""How a job ended, in words."""


def _died(id: int, row: Any, code: int, said: tuple[str, str] | None) -> Executable:
    """What is written of a job whose process ended without a word; `said` where we know why."""
    if row.cancelled_at is not None:
        return statements.stopped(id)
    if said is not None:
        return statements.failed(id, *said)
    if code == -signal.SIGKILL:
        return statements.failed(
            id,
            f"{row.file} took more than this machine gives, memory most likely: the system ended "
            "the load; nothing was loaded",
            f"{row.file} 超出本机资源（多为内存不足），载入被系统终止；未载入任何数据",
        )
    return statements.failed(
        id,
        f"the program that loaded {row.file} ended with code {code}; nothing was loaded",
        f"载入 {row.file} 的程序异常结束（代码 {code}）；未载入任何数据",
    )


def _kill(process: asyncio.subprocess.Process) -> None:
    """End a process with all that it began: they are a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _enqueue(app: App, id: int) -> None:
    task = app.configure_task(queue.TASK, queue=queue.NAME, queueing_lock=queue.lock(id))
    with contextlib.suppress(AlreadyEnqueued):
        await task.defer_async(id=id)


Beside = Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]
"""What goes on beside the loads, until the event says stop."""


def work(settings: Settings, jobs: int, say: Say, beside: Sequence[Beside] = ()) -> None:
    """Work until the process is told to stop."""
    engine = engines.connect(settings)
    try:
        with engine.begin() as connection:
            jobs_store.bring_up(connection)
        asyncio.run(_run(Worker(settings, engine, say), jobs, beside))
    finally:
        engine.dispose()


async def _run(worker: Worker, jobs: int, beside: Sequence[Beside]) -> None:
    others = [asyncio.create_task(run(worker.settings, worker.stopping)) for run in beside]
    try:
        await worker.run(jobs)
    finally:
        await asyncio.gather(*others, return_exceptions=True)
