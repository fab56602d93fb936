"""Several processes that answer at one address, and their parent, who replaces what dies.

What they share lies in a folder of the parent's: the counts of callers (`rates`), of requests
(`metrics`) and of who has written (`written`). It ends with the parent.
"""

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from api.app import create_app
from api.serving.logs import configure
from api.serving.stack import SHARED
from cim import settings as configuration

METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where the metrics' library looks for the folder of its files, when it is first imported."""

FACTORY = "api.workers:worker"

PREFIX = "cimtwin-workers-"
"""How such folders are called, with the number of the process whose they are."""

LAST = 15.0
"""Seconds after which a worker that was told to stop is ended."""

ORPHANED = 1.0
"""Seconds between two looks whether the parent is still there."""


def worker() -> FastAPI:
    """The app in one of several processes: from the environment, as its parent left it."""
    settings = configuration.load()
    configure(settings.log)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    return create_app(settings)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHANED)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def shared() -> Iterator[Path]:
    """A folder for what the workers share, named in the environment that they inherit.

    Those of parents that were killed are taken away.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    (folder / "metrics").mkdir()
    os.environ[SHARED], os.environ[METRICS] = str(folder), str(folder / "metrics")
    try:
        yield folder
    finally:
        del os.environ[SHARED], os.environ[METRICS]
        shutil.rmtree(folder, ignore_errors=True)


class Workers(Multiprocess):
    """Starts the workers, replaces those that die, and ends them all within a bound."""

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        ready: Callable[[], None],
        died: Callable[[int], None],
    ) -> None:
        """`ready` is called once when all answer; `died` with the number of each that ended."""
        super().__init__(config, sockets)
        self.ready, self.died = ready, died
        self.started = False

    def init_processes(self) -> None:
        """Start them; once all answer, say so."""
        super().init_processes()
        self._let_go()
        threading.Thread(target=self._announce, daemon=True).start()

    def _announce(self) -> None:
        patience = self.config.timeout_worker_healthcheck
        if all(each.wait_until_ready(patience, self.should_exit) for each in list(self.processes)):
            self.started = True
            self.ready()

    def keep_subprocess_alive(self) -> None:
        """Replace those that died or hang, once they have all been up."""
        if not self.started and all(each.process.is_alive() for each in self.processes):
            return  # they are starting: the same line is asked whether they are ready
        before = {each.pid for each in self.processes}
        super().keep_subprocess_alive()
        self._let_go()
        for pid in before - {each.pid for each in self.processes}:
            if pid is not None:
                self.died(pid)

    def _let_go(self) -> None:
        """Leave their ends of the lines to the workers: the line of one that dies while it is asked
        ends then, and it is replaced at once, not when nobody would have waited for it any more."""
        for each in self.processes:
            each.child_conn.close()

    def join_all(self) -> None:
        """Wait for those that were told to stop, and end those that do not."""
        until = time.monotonic() + LAST
        for each in self.processes:
            self._join(each, until)

    def _join(self, each: Process, until: float) -> None:
        each.process.join(max(0.1, until - time.monotonic()))
        if each.process.exitcode is None:
            each.process.kill()
            each.process.join()
