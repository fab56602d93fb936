"""Sending over real connections that break, go silent or come twice; and how long files stay."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from cim.settings import Settings


def test_what_arrived_stays_when_connection_or_service_breaks(start: Callable[..., Any]) -> None:
    first = start("--no-worker")
    address = first.announce("long.csv", 10_000_000, str(uuid4()))
    with first.dangling(address, 0, bytes(3_000_000)):
        pass
    offset = first.settled(address)
    assert offset == 3_000_000
    with first.dangling(address, offset, bytes(2_500_000)):
        first.process.kill()
        first.process.wait()
    first.http.close()

    second = start("--no-worker")
    offset = second.settled(address)
    assert 4_000_000 < offset <= 5_500_000
    second.send(address, bytes(10_000_000 - offset), offset)
    assert second.http.get(address).json()["complete"]


def test_a_connection_that_went_silent_does_not_hold_a_file(start: Callable[..., Any]) -> None:
    service = start("--no-worker")
    content = bytes(3_000_000)
    address = service.announce("silent.csv", len(content), str(uuid4()))
    with service.dangling(address, 0, content[:1_500_000]):
        offset = service.offset(address)
        assert offset == 1_500_000
        service.send(address, content[offset:], offset)
    assert service.http.get(address).json()["complete"]


def test_two_that_send_at_once_leave_one_whole_file(service: Any, keyed: Settings) -> None:
    content = bytes(range(256)) * 20_000
    group = str(uuid4())
    address = service.announce("twice.csv", len(content), group)
    for number in range(3):
        before = service.http.get(address).json()["offset"]
        piece = content[before : before + 700_000]
        first = piece[: 100_000 * number]
        with service.dangling(address, before, first), suppress(AssertionError):
            service.send(address, piece, before)  # refused where the other's bytes were first
        assert service.http.get(address).json()["offset"] > before
    offset = service.http.get(address).json()["offset"]
    service.send(address, content[offset:], offset)
    assert (keyed.uploads_dir / group / "twice.csv").read_bytes() == content


def test_uploads_are_taken_away_after_their_days(
    city: Any,
    keyed: Settings,
    start: Callable[..., Any],
    footprints: Callable[..., bytes],
) -> None:
    service = start("--no-worker")
    old, new = (service.hand_in(name, b"1,2\n") for name in ("old.csv", "new.csv"))
    needed = service.hand_in("needed.geojson", footprints(1))
    service.ask(needed)
    with city.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE platform.upload SET created_at = now() - interval '8 days' "
                "WHERE group_name IN (:old, :needed)"
            ),
            {"old": old, "needed": needed},
        )
    stray = keyed.uploads_dir / "stray"
    stray.mkdir()
    worker = subprocess.Popen(
        [sys.executable, "-m", "cim", "worker"],
        env=service.environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(150):
            if not (keyed.uploads_dir / old).exists() and not stray.exists():
                break
            time.sleep(0.1)
        assert not (keyed.uploads_dir / old).exists()
        assert not stray.exists()
        assert (keyed.uploads_dir / new).exists()
        assert (keyed.uploads_dir / needed).exists()
    finally:
        worker.terminate()
        assert worker.wait(60) == 0
