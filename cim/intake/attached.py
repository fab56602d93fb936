"""Commands that live as long as the service that started them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = 5.0
"""Seconds after which a command that ended by itself is started again."""

LAST = 40.0
"""Seconds that a command has to end when the service does."""


class Attached:
    """A command of ours in a process of its own, started again when it ends unasked."""

    def __init__(self, *words: str) -> None:
        """Start `cim` with these words."""
        self.words = words
        self.ending = threading.Event()
        self.process = self._start()
        self._thread = threading.Thread(target=self._attend, name=self.words[0], daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        # Its standard input ends with us, however we end, and it with that.
        command = [sys.executable, "-m", "cim", *self.words, "--attached"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def _attend(self) -> None:
        while True:
            self.process.wait()
            if self.ending.wait(AGAIN):
                return
            self.process = self._start()

    def end(self) -> None:
        """Stop it; what it was at waits for the next."""
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
def attached(*words: str) -> Iterator[None]:
    """A command until the end of the block: one that ends with its standard input."""
    command = Attached(*words)
    try:
        yield
    finally:
        command.end()


def end_with_input() -> None:
    """Have this process told to stop when its standard input ends: who started it is gone."""
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1000):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
