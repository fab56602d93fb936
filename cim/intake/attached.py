"""A worker that lives as long as the service that started it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = 5.0
"""Seconds after which a worker that ended by itself is started again."""

LAST = 40.0
"""Seconds that a worker has to end when the service does."""


class Attached:
    """A worker in a process of its own, started again when it ends unasked."""

    def __init__(self) -> None:
        """Start it."""
        self.ending = threading.Event()
        self.process = self._start()
        self._thread = threading.Thread(target=self._attend, name="worker", daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        # Its standard input ends with us, however we end, and it with that.
        command = [sys.executable, "-m", "cim", "worker", "--attached"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def _attend(self) -> None:
        while True:
            self.process.wait()
            if self.ending.wait(AGAIN):
                return
            self.process = self._start()

    def end(self) -> None:
        """Stop it; what it was loading waits for the next."""
        self.ending.set()
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(LAST)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._thread.join()


@contextmanager
def attached() -> Iterator[None]:
    """A worker until the end of the block."""
    worker = Attached()
    try:
        yield
    finally:
        worker.end()
