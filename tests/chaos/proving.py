"""Whether the store holds what was acknowledged, once each, and nothing that was not sent."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cim.feeds.history.rolling import roll
from cim.store import feeding
from tests.chaos.city import City
from tests.chaos.publishing import Plan, is_stranger, read, what

STORED = """
    SELECT d.ext_id, s.name, (extract(epoch FROM o.phenomenon_time) * 1000)::bigint, o.result
    FROM city.observation o JOIN city.datastream s ON s.id = o.datastream_id
    JOIN city.device d ON d.id = s.device_id WHERE d.gateway_id = :gateway"""

TWICE = """
    SELECT datastream_id, phenomenon_time FROM city.observation
    GROUP BY datastream_id, phenomenon_time HAVING count(*) > 1"""

NOT_LATEST = """
    SELECT s.id FROM city.datastream s LEFT JOIN LATERAL (
        SELECT o.phenomenon_time AS at, o.result FROM city.observation o
        WHERE o.datastream_id = s.id ORDER BY o.phenomenon_time DESC LIMIT 1) o ON true
    WHERE (s.last_at, s.last_value) IS DISTINCT FROM (o.at, o.result)"""

LETTERS = """
    SELECT payload FROM platform.dead_letter
    WHERE convert_from(payload, 'UTF8') LIKE :device"""

ALARMS = """
    SELECT d.ext_id, count(DISTINCT e.id) AS events,
        count(*) FILTER (WHERE n.kind = 'begin') AS beginnings
    FROM city.event e JOIN city.rule r ON r.id = e.rule_id AND r.code = 'smoke'
    JOIN city.device d ON d.id = e.device_id JOIN city.event_entry n ON n.event_id = e.id
    WHERE d.gateway_id = :gateway GROUP BY d.ext_id"""

WRONG_SUMS = """
    WITH level AS (SELECT rolled_until FROM city.rollup_level WHERE level = 'hour'),
    truth AS (
        SELECT o.datastream_id, date_trunc('hour', o.phenomenon_time) AS begins,
            count(*) AS n, sum(o.result) AS sum
        FROM city.observation o, level
        WHERE o.phenomenon_time < level.rolled_until GROUP BY 1, 2)
    SELECT t.datastream_id, t.begins, t.n, r.n, t.sum, r.sum FROM truth t
    FULL JOIN city.rollup_hour r ON r.datastream_id = t.datastream_id AND r.at = t.begins
    WHERE (t.n, t.sum) IS DISTINCT FROM (r.n::bigint, r.sum)"""


class Proof:
    """What was acknowledged, held against the store."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.said: list[str] = []

    def all(self, *kinds: str) -> None:
        """Prove everything; raises with what is wrong."""
        for kind in kinds:
            self.one(self.city.plans[kind])
        assert self.city.rows(TWICE) == []
        assert self.city.rows(NOT_LATEST) == []
        asyncio.run(self._sums())

    def one(self, plan: Plan) -> None:
        """What one gateway sent."""
        sent, acknowledged = read(Path(plan.record))
        gateway = 9000 + int(plan.name[-1])
        expected = {number: key(plan, number) for number in range(sent) if not is_stranger(number)}
        needed = {expected[number] for number in acknowledged if number in expected}
        stored = self._wait(gateway, needed)
        assert not (lost := needed - stored), f"{plan.kind}: lost {len(lost)}: {sorted(lost)[:5]}"
        strange = stored - set(expected.values())
        assert not strange, f"{plan.kind}: never sent {sorted(strange)[:5]}"
        name = f"stranger-{plan.name}"
        rows = self.city.rows(LETTERS, device=f'%"{name}"%')
        letters = {number for row in rows for number in _strangers(row[0], name)}
        want = {number for number in acknowledged if is_stranger(number)}
        assert want <= letters, f"{plan.kind}: no dead letter of {sorted(want - letters)[:5]}"
        assert letters <= {number for number in range(sent) if is_stranger(number)}
        alarms = self.city.rows(ALARMS, gateway=gateway)
        assert {tuple(row)[1:] for row in alarms} <= {(1, 1)}, alarms
        alarmed = {device for device, stream, _, _ in stored if stream == "alarm"}
        assert {row[0] for row in alarms} == alarmed
        self.said.append(
            f"{plan.kind}: sent {sent}, acknowledged {len(acknowledged)}, stored {len(stored)}, "
            f"dead letters {len(letters)}, alarms {len(alarms)}"
        )

    def _wait(self, gateway: int, needed: set[Any], patience: float = 60) -> set[Any]:
        """What is stored, once what was acknowledged is, or after a minute."""
        end = time.monotonic() + patience
        while True:
            stored = {tuple(row) for row in self.city.rows(STORED, gateway=gateway)}
            if needed <= stored or time.monotonic() > end:
                return stored
            time.sleep(0.5)

    async def _sums(self) -> None:
        """Sums of hours, after what was left to do is done."""
        connection = await feeding.opener(self.city.settings)()
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                await roll(connection, datetime.now(UTC))
                if not await connection.fetchval("SELECT count(*) FROM city.rollup_mark"):
                    break
                await asyncio.sleep(0.5)
        finally:
            await feeding.close(connection)
        assert self.city.rows("SELECT 1 FROM city.rollup_hour LIMIT 1"), "nothing is summed up"
        assert self.city.rows(WRONG_SUMS) == []


def _strangers(payload: bytes, name: str) -> list[int]:
    """Numbers of the messages in a dead letter that are of an unknown device."""
    found = json.loads(payload)
    each = found if isinstance(found, list) else [found]
    return [one["value"] for one in each if one["device"] == name]


def key(plan: Plan, number: int) -> tuple[str, str, int, float]:
    """What is stored of a message."""
    said = what(plan, number)
    return said["device"], said["stream"], said["at"], float(said["value"])
