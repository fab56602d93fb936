"""Several processes at one address: started, replaced, drained; metrics counted over them all."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psutil
import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.served import environment, serving


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def soon(holds: Callable[[], bool], seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if holds():
                return True
        except httpx2.HTTPError:
            pass  # a worker that was just ended had the connection
        time.sleep(0.1)
    return False


def workers(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return [each for each in psutil.Process(process.pid).children() if "spawn_main" in words(each)]


def words(process: psutil.Process) -> str:
    """How a process was called; nothing where it is dead."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def metrics() -> str:
    return f"127.0.0.1:{free()}"


def counted(metrics: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    lines = httpx2.get(f"http://{metrics}/metrics").text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if re.split(r"[{ ]", line)[0] == name
        and all(f'{key}="{value}"' in line for key, value in labels.items())
    )


def test_several_processes_answer_and_one_that_is_killed_is_replaced(
    city: Settings, metrics: str
) -> None:
    options = ("--workers", "2", "--no-worker")
    with serving(city, *options, CIM_METRICS=metrics) as (process, address):
        first = workers(process)
        assert len(first) == 2
        for _ in range(20):
            with httpx2.Client() as one:  # a connection each: the kernel spreads them
                assert one.get(f"{address}/units/201/card").status_code == 200
        card = {"route": "/units/{id}/card", "status": "200"}
        assert counted(metrics, "cim_requests_total", **card) == 20
        first[0].suspend()
        time.sleep(1)  # it is asked whether it lives, and dies before it answers
        os.kill(first[0].pid, signal.SIGKILL)
        assert soon(lambda: len(workers(process)) == 2 and first[0] not in workers(process))
        for _ in range(20):
            assert soon(lambda: httpx2.get(f"{address}/units/201/card").status_code == 200)
        assert counted(metrics, "cim_requests_total", **card) >= 40
        assert counted(metrics, "cim_database_up") == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
        assert not any(each.is_running() for each in first)


def test_who_is_answered_when_it_is_told_to_stop_is_answered(
    city: Settings, engine: Engine
) -> None:
    """A request that waits for a lock is finished; the listener takes no more meanwhile."""
    with serving(city, "--workers", "2", "--no-worker") as (process, address):
        with engine.connect() as other, ThreadPoolExecutor() as threads:
            other.execute(text("LOCK TABLE city.building IN ACCESS EXCLUSIVE MODE"))
            asked = threads.submit(httpx2.get, f"{address}/units/201/card", timeout=30)
            time.sleep(1)
            process.send_signal(signal.SIGTERM)
            time.sleep(1)
            other.rollback()
            assert asked.result().status_code == 200
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)


def test_workers_whose_parent_was_killed_end_too(city: Settings) -> None:
    with serving(city, "--workers", "2", "--no-worker") as (process, _):
        orphans = workers(process)
        process.kill()
        process.wait()
        assert soon(lambda: not any(each.is_running() for each in orphans), 20)


def test_more_processes_than_the_database_has_connections_for_are_refused(city: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cim", "serve", "--port", "0", "--workers", "64"],
        env=environment(city),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and "576 connections" in done.stderr and "请减少" in done.stderr
    assert "Traceback" not in done.stderr


def test_metrics_are_nowhere_among_the_routes(city: Settings, metrics: str) -> None:
    with serving(city, "--no-worker", CIM_METRICS=metrics) as (_, address):
        assert httpx2.get(f"{address}/metrics").status_code == 404
        httpx2.get(f"{address}/units/201/card?secret=x-secret-x")
        said = httpx2.get(f"http://{metrics}/metrics").text
        assert 'cim_requests_total{method="GET",route="/units/{id}/card",status="200"} 1.0' in said
        assert "x-secret-x" not in said and "/units/201" not in said
