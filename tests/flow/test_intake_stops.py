"""Loads that are cancelled, killed, or whose worker or service is: the city is as it was."""

import time
from collections.abc import Callable
from typing import Any

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
