"""A disk that fills up under the database: messages wait, none is lost, and all goes on after.

The disk is a real one: a file system in memory, in a space of its own, that PostgreSQL's whole
data folder is on. The test starts itself again within that space.
"""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cim.feeds.collecting import Collector
from cim.feeds.ingest import Item, Ways
from cim.feeds.reading import Message
from cim.feeds.sources import read
from cim.settings import Settings
from cim.store import feeding
from cim.store.engine import connect
from cim.store.patience import patiently
from cim.store.queries.feeds import resolving
from cim.store.server import embedded
from tests.feeding import furnish

SIZE = 400
"""Megabytes of the disk."""

LEFT = 1
"""Megabytes that are left when messages begin to come."""

MESSAGES = 60
READINGS = 500
"""Of each message: 30,000 rows, more than fits into what is left."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the disk is put, which PostgreSQL's user can enter."""
    found = Path("/tmp") / f"cim-full-{os.getpid()}"
    found.mkdir(mode=0o755)
    yield found
    found.rmdir()


def test_a_full_disk_delays_readings_and_loses_none(folder: Path) -> None:
    apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    script = f'mount -t tmpfs -o size={SIZE}m,mode=755 none "$0" && exec "$@"'
    here = Path(__file__)
    done = subprocess.run(
        [*apart, "sh", "-c", script, str(folder), sys.executable, str(here), str(folder)],
        env=os.environ | {"PYTHONPATH": str(here.parents[2])},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    if re.search(r"mount.*denied|unshare failed: Operation not permitted", done.stderr):
        pytest.skip("this machine lets nobody here mount a file system, so no disk can fill up")
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert 0 < told["acknowledged while it was full"] < MESSAGES, told
    assert told["away"] is True
    assert told["acknowledged in the end"] == MESSAGES
    assert told["whole messages"] == MESSAGES
    assert told["stored in the end"] == MESSAGES * READINGS
    assert told["letters"] == 0


# ── within the space of its own ──────────────────────────────────────────────────────────────────


class Filling:
    """A feed's way in, on a disk that is nearly full."""

    def __init__(self, folder: Path) -> None:
        self.ballast = folder / "ballast"
        self.settings = Settings(_env_file=None, data_dir=folder / "data")
        self.settings.data_dir.mkdir(mode=0o755)
        self.engine = connect(self.settings)
        furnish(self.engine)
        self.acknowledged: set[int] = set()

    def fill(self) -> None:
        """Leave so much and no more."""
        room = os.statvfs(self.ballast.parent)
        self.ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - (LEFT << 20)))

    def rows(self, sql: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(sql)).all()

    async def run(self) -> dict[str, Any]:
        """Send, see it wait, make room, see it go on."""
        opener = feeding.opener(self.settings)
        connection = await opener()
        feed = read(await connection.fetch(resolving.FEEDS))["plain"]
        await feeding.close(connection)
        ways = Ways(judge=None)
        collector = Collector(opener, ways, self._acknowledge, wait=0.01)
        task = asyncio.create_task(collector.run())
        self.fill()
        for number in range(MESSAGES):
            message = Message("", received_at=time.time_ns() // 1000)
            payload = json.dumps(self._readings(number)).encode()
            collector.put(Item(feed, payload, message, None, token=number))
            await asyncio.sleep(0.05)  # in many batches
        end = time.monotonic() + 60
        while not collector.away and time.monotonic() < end:
            await asyncio.sleep(0.1)
        told: dict[str, Any] = {"away": collector.away}
        told["acknowledged while it was full"] = len(self.acknowledged)
        self.ballast.unlink()
        # Without room for its log PostgreSQL ends; whoever has made room starts it: `cim db start`.
        await asyncio.to_thread(lambda: patiently(lambda: connect(self.settings)).dispose())
        while len(self.acknowledged) < MESSAGES and time.monotonic() < end:
            await asyncio.sleep(0.1)
        collector.end()
        await asyncio.wait_for(task, 20)
        told["acknowledged in the end"] = len(self.acknowledged)
        stored = Counter(row[0] for row in self.rows("SELECT result FROM city.observation"))
        told["stored in the end"] = stored.total()
        told["whole messages"] = sum(number == READINGS for number in stored.values())
        told["letters"] = len(self.rows("SELECT 1 FROM platform.dead_letter"))
        return told

    def _readings(self, number: int) -> list[dict[str, Any]]:
        begin = (time.time_ns() // 1_000_000 // 1000 - 7200) * 1000 + number * 2
        return [
            {"device": "meter-1", "stream": "energy", "value": number, "at": begin + one * 1000}
            for one in range(READINGS)
        ]

    def _acknowledge(self, items: Any, outcome: Any) -> None:
        assert not outcome.faults, outcome.faults
        self.acknowledged.update(item.token for item in items)

    def end(self) -> None:
        self.engine.dispose()
        with contextlib.suppress(OSError):
            self.ballast.unlink()
        embedded.cluster(self.settings).stop()


if __name__ == "__main__":
    filling = Filling(Path(sys.argv[1]))
    try:
        sys.stdout.write(json.dumps(asyncio.run(filling.run())) + "\n")
    finally:
        filling.end()
