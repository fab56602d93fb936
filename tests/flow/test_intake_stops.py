"""Loads that are cancelled, killed, or whose worker or service is: the city is as it was."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text


def test_a_running_load_is_cancelled_in_the_midst_of_a_statement(
    service: Any, city: Any, footprints: Callable[..., bytes]
) -> None:
    with city.blocked():
        id = service.ask(service.hand_in("c.geojson", footprints(20)), source="cancelled")
        service.wait(id, lambda job: job["state"] == "running" and city.blocking())
        for _ in range(2):
            assert service.http.post(f"/imports/{id}/cancel").status_code == 200
        job = service.finish(id)
    assert job["state"] == "cancelled"
    assert city.buildings("cancelled") == 0
    assert not city.blocking()
    assert service.http.post(f"/imports/{id}/cancel").json()["state"] == "cancelled"
    after = service.finish(service.ask(service.hand_in("d.geojson", footprints(2)), source="d"))
    assert after["state"] == "done"


def test_a_load_whose_process_is_killed_fails_and_the_next_one_runs(
    service: Any, city: Any, footprints: Callable[..., bytes]
) -> None:
    with city.blocked():
        id = service.ask(service.hand_in("k.geojson", footprints(20)), source="killed")
        service.wait(id, lambda job: job["state"] == "running" and city.blocking())
        for child in service.worker().children():
            child.kill()
        job = service.finish(id)
    assert job["state"] == "failed"
    assert "内存" in job["error"]["zh"]
    assert city.buildings("killed") == 0
    after = service.finish(service.ask(service.hand_in("e.geojson", footprints(2)), source="e"))
    assert after["state"] == "done"


def test_a_load_whose_worker_is_killed_is_begun_again(
    service: Any, city: Any, footprints: Callable[..., bytes]
) -> None:
    with city.blocked():
        id = service.ask(service.hand_in("w.geojson", footprints(20)), source="again")
        service.wait(id, lambda job: job["state"] == "running" and city.blocking())
        before = service.worker()
        before.kill()
        service.wait(id, lambda job: job["state"] == "waiting")
        assert city.buildings("again") == 0
    job = service.finish(id)
    assert (job["state"], job["report"]["new"]) == ("done", 20)
    assert service.worker().pid != before.pid
    assert city.buildings("again") == 20


def test_a_load_goes_on_after_the_service_was_stopped(
    city: Any, start: Callable[..., Any], footprints: Callable[..., bytes]
) -> None:
    first = start()
    content = footprints(20)
    address = first.announce("half.geojson", len(content), "group-of-a-restart")
    first.send(address, content[:100])
    with city.blocked():
        id = first.ask(first.hand_in("s.geojson", content), source="stopped")
        first.wait(id, lambda job: job["state"] == "running" and city.blocking())
        first.stop()
    assert city.buildings("stopped") == 0
    second = start()
    assert second.offset(address) == 100
    second.send(address, content[100:], 100)
    job = second.finish(id)
    assert (job["state"], job["report"]["new"]) == ("done", 20)
    assert city.buildings("stopped") == 20
    second.stop()


def test_a_worker_that_is_told_to_stop_leaves_nothing_running(
    city: Any, start: Callable[..., Any]
) -> None:
    def signed_on() -> set[int]:
        with city.engine.connect() as connection:
            return set(
                connection.execute(text("SELECT id FROM jobs.procrastinate_workers")).scalars()
            )

    before = signed_on()
    service = start()
    worker = service.worker()
    for _ in range(100):
        if signed_on() - before:
            break
        time.sleep(0.1)
    assert signed_on() - before
    service.stop()
    assert not worker.is_running()
    assert not signed_on() - before
    assert service.process.returncode == 0


def test_a_load_that_takes_longer_than_any_may_is_ended(
    service: Any,
    city: Any,
    start: Callable[..., Any],
    footprints: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIM_LOAD_HOURS", "0.0008")
    other, service = service, start()
    with other.idle(), city.blocked():  # whose worker would give it more time
        id = service.ask(service.hand_in("l.geojson", footprints(20)), source="late")
        job = service.finish(id)
        assert job["state"] == "failed"
        assert "CIM_LOAD_HOURS, 0.0008 h" in job["error"]["en"]
    until = time.monotonic() + 10  # the server looks every two seconds whether its caller lives
    while city.blocking() and time.monotonic() < until:
        time.sleep(0.1)
    assert not city.blocking()
    assert city.buildings("late") == 0
    service.stop()


def test_a_load_whose_process_is_slow_to_start_has_its_whole_time(
    service: Any,
    city: Any,
    start: Callable[..., Any],
    footprints: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """As on a machine that has too much to do: it takes longer to start than any load may take."""
    slow = "import sys, time\nif 'cim.intake.runner' in sys.orig_argv:\n    time.sleep(8)\n"
    (tmp_path / "sitecustomize.py").write_text(slow)
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), before))))
    monkeypatch.setenv("CIM_LOAD_HOURS", "0.0008")
    other, service = service, start()
    with other.idle(), city.blocked():
        job = service.finish(
            service.ask(service.hand_in("n.geojson", footprints(2)), source="slow")
        )
    assert job["state"] == "failed"
    assert "CIM_LOAD_HOURS" in job["error"]["en"]
    service.stop()


def test_the_outcome_of_a_load_is_forgotten_after_its_days_and_what_it_brought_is_not(
    city: Any,
    start: Callable[..., Any],
    footprints: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIM_LOAD_DAYS", "0.000001")
    first = start()
    kept = first.finish(first.ask(first.hand_in("o.geojson", footprints(2)), source="old"))["id"]
    first.stop()
    again = start()  # whose worker cleans up at once, but keeps what an upload is there for
    time.sleep(2)
    assert again.http.get(f"/imports/{kept}").status_code == 200
    again.stop()
    monkeypatch.setenv("CIM_UPLOAD_DAYS", "0.000001")
    last = start()
    last.wait(kept, lambda job: job.get("status") == 404)
    assert city.buildings("old") == 2
    last.stop()
