"""A Dask cluster on this machine: a scheduler, and workers that are processes of their own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil


def free() -> int:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def scheduling() -> Iterator[str]:
    """A scheduler; its address."""
    port = free()
    with _program("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"):
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def working(scheduler: str, count: int = 2) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Workers that are there."""
    words = ("worker", scheduler, "--no-nanny", "--nthreads", "1", "--no-dashboard")
    with ExitStack() as stack:
        started = [stack.enter_context(_program(*words)) for _ in range(count)]
        port = int(scheduler.rpartition(":")[2])
        end = time.monotonic() + 60
        while not all(_connected(one.pid, port) for one in started):
            assert time.monotonic() < end, "the workers never came"
            time.sleep(0.1)
        time.sleep(0.5)  # connected is not yet registered
        yield started


@contextmanager
def _program(*words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A program of Dask's while the block lasts."""
    started = subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def _connected(pid: int, port: int) -> bool:
    found = psutil.Process(pid).net_connections("tcp")
    return any(one.raddr and one.raddr.port == port for one in found)
