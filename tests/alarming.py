"""A small tower with lifts and sensors, and readings told to what judges them.

Building 1 has two entrances with one lift each and one with two (3), five storeys with four units
each: unit ids are storey × 10 + slot, slots 1 and 2 behind entrance 1, 3 behind 2, 4 behind 3.
Building 2 stands 200 m off. Streams are `device × 10 + n`.
"""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import Engine, text

from cim.feeds.alarms import clock
from cim.feeds.alarms.judge import AlarmEvent, judge
from cim.feeds.alarms.states import micros
from cim.feeds.writing import Changed
from cim.settings import Settings
from cim.store import feeding

T0 = datetime(2026, 11, 20, 8, tzinfo=UTC)
WEST, SOUTH, EAST, NORTH = 113.88, 22.92, 113.8804, 22.9202

DEVICES: dict[int, tuple[str, str, int]] = {
    101: ("lift", "facility", 1),
    102: ("lift", "facility", 2),
    103: ("lift", "facility", 3),
    104: ("lift", "facility", 4),
    105: ("smoke", "unit", 32),
    106: ("gas", "unit", 32),
    107: ("throw_camera", "building", 1),
    108: ("parking_space", "facility", 9),
    109: ("water_pressure", "building", 1),
    110: ("smoke", "storey", 4),
    111: ("smoke", "building", 2),
    112: ("lift", "entrance", 2),
}
"""Class, and what it is bound to."""

STREAMS: dict[int, tuple[str, str, int | None]] = {
    1011: ("fault", "fault", 60),
    1012: ("people", "presence", 60),
    1013: ("ebike", "e-bike in a lift", None),
    1021: ("fault", "fault", 60),
    1031: ("fault", "fault", None),
    1041: ("fault", "fault", None),
    1051: ("alarm", "alarm", None),
    1061: ("alarm", "alarm", None),
    1062: ("concentration", "combustible gas, of its lower limit", None),
    1071: ("thrown", "thrown object", None),
    1072: ("height", "height", None),
    1073: ("storey", "storey", None),
    1074: ("bay", "bay", None),
    1081: ("occupied", "occupancy", None),
    1091: ("pressure", "pressure", 300),
    1101: ("alarm", "alarm", None),
    1111: ("alarm", "alarm", None),
    1121: ("ebike", "e-bike in a lift", None),
}
"""Name, what is measured, expected interval."""


def _box(west: float, south: float, east: float, north: float) -> str:
    ring = f"{west} {south},{east} {south},{east} {north},{west} {north},{west} {south}"
    return f"SRID=4490;MULTIPOLYGON((({ring})))"


def furnish(engine: Engine) -> None:
    """The tower, what stands in it, and its devices."""
    with engine.begin() as connection:

        def run(sql: str, **values: Any) -> None:
            connection.execute(text(sql), values)

        around = _box(113.8, 22.8, 114.0, 23.0)
        run(
            """INSERT INTO city.admin_area (id, code, level, name, parent_id, geom)
               VALUES (1, '4419', 2, '东莞市', NULL, :g), (2, '441900001', 4, '示范镇', 1, :g)""",
            g=around,
        )
        run(
            """INSERT INTO city.grid (id, code, name, admin_area_id, geom)
               VALUES (1, 'G01', '第一网格', 2, :g)""",
            g=around,
        )
        run(
            """INSERT INTO city.estate (id, name, admin_area_id, geom)
               VALUES (1, '示范小区', 2, :g)""",
            g=_box(113.879, 22.919, 113.883, 22.922),
        )
        house = """INSERT INTO city.building (id, name, estate_id, admin_area_id, grid_id,
            footprint, footprint_area, ground_elev, height, height_method, floors_above,
            floors_method) VALUES (:id, :name, 1, 2, 1, :g, 900, 10, 15, 'given', 5, 'given')"""
        run(house, id=1, name="3栋", g=_box(WEST, SOUTH, EAST, NORTH))
        run(house, id=2, name="5栋", g=_box(WEST + 0.002, SOUTH, EAST + 0.002, NORTH))
        run(
            """INSERT INTO city.entrance (id, building_id, no, name, lift_count, geom_status)
               VALUES (1, 1, 1, '1单元', 1, 'none'), (2, 1, 2, '2单元', 1, 'none'),
                      (3, 1, 3, '3单元', 2, 'none'), (4, 2, 1, '1单元', NULL, 'none')"""
        )
        run(
            """INSERT INTO city.floor_plan (id, building_id, kind, area, geom_status)
               VALUES (1, 1, 'typical', 900, 'generated')"""
        )
        width = (EAST - WEST) / 4
        for slot in range(1, 5):
            run(
                """INSERT INTO city.floor_slot (id, plan_id, no, area, outline)
                   VALUES (:n, 1, :n, 225, :g)""",
                n=slot,
                g=_box(WEST + (slot - 1) * width, SOUTH, WEST + slot * width, NORTH),
            )
        run(
            """INSERT INTO city.storey (id, building_id, plan_id, no, label, elev_bottom, elev_top,
                status) SELECT n, 1, 1, n, n, 3 * (n - 1), 3 * n, 'given'
                FROM generate_series(1, 5) n
               UNION ALL SELECT 20, 2, NULL, 1, '1', 0, 3, 'given'"""
        )
        run(
            """INSERT INTO city.unit (id, building_id, storey_id, slot_id, entrance_id, room_no,
                geom_status) SELECT s * 10 + n, 1, s, n, CASE WHEN n < 3 THEN 1 ELSE n - 1 END,
                s || '0' || n, 'generated' FROM generate_series(1, 5) s, generate_series(1, 4) n
               UNION ALL SELECT 201, 2, 20, NULL, 4, '101', 'none'"""
        )
        run(
            """INSERT INTO city.facility (id, class_code, name, building_id, estate_id, geom)
               VALUES (1, 'lift', '1号电梯', 1, 1, NULL), (2, 'lift', '2号电梯', 1, 1, NULL),
                      (3, 'lift', '3号电梯', 1, 1, NULL), (4, 'lift', '4号电梯', 1, 1, NULL),
                      (9, 'fire_lane', '东侧消防通道', NULL, 1,
                       'SRID=4490;POINT(113.8805 22.9201)')"""
        )
        run(
            """INSERT INTO city.facility_service (facility_id, object_type, object_id, kind)
               VALUES (1, 'entrance', 1, 'serves'), (2, 'entrance', 2, 'serves'),
                      (3, 'entrance', 3, 'serves'), (4, 'entrance', 3, 'serves')"""
        )
        for id, (kind, bound, to) in DEVICES.items():
            run(
                """INSERT INTO city.device (id, class_code, name, bind_type, bind_id, building_id)
                   VALUES (:id, :kind, :name, :bound, :to, :house)""",
                id=id,
                kind=kind,
                name=f"{kind}-{id}",
                bound=bound,
                to=to,
                house=None if id == 108 else 2 if id == 111 else 1,
            )
        # A camera south of the tower, in front of slot 2, that looks north and up.
        run(
            """UPDATE city.device SET geom = 'SRID=4490;POINT(113.88015 22.9197)', azimuth = 0,
                pitch = 20, fov_h = 4, elevation = 2 WHERE id = 107"""
        )
        for id, (name, observed, interval) in STREAMS.items():
            run(
                """INSERT INTO city.datastream (id, device_id, name, observed_property, interval_s)
                   VALUES (:id, :device, :name, :observed, :interval)""",
                id=id,
                device=id // 10,
                name=name,
                observed=observed,
                interval=interval,
            )


class Teller:
    """Tells readings to what judges them, as the ingester does; each call is a transaction."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine, self.loop = engine, asyncio.new_event_loop()
        self.connection: asyncpg.Connection = self.run(feeding.opener(settings)())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        self.run(self.connection.close())
        self.loop.close()

    def say(self, *said: tuple[int, float, float | str]) -> list[AlarmEvent]:
        """Readings: stream, seconds after T0, number or code."""
        return list(self.run(self._say(said)))

    async def _say(self, said: tuple[tuple[int, float, float | str], ...]) -> list[AlarmEvent]:
        async with self.connection.transaction():
            changed = []
            for stream, seconds, value in said:
                at = T0 + timedelta(seconds=seconds)
                number = None if isinstance(value, str) else float(value)
                code = value if isinstance(value, str) else None
                before = await self.connection.fetchrow(
                    "SELECT last_at, last_value, last_text FROM city.datastream WHERE id = $1",
                    stream,
                )
                if before["last_at"] is not None and before["last_at"] >= at:
                    continue
                await self.connection.execute(
                    """UPDATE city.datastream SET last_at = $2, last_value = $3, last_text = $4,
                        received_at = $2 WHERE id = $1""",
                    stream, at, number, code,
                )  # fmt: skip
                moment = micros(at)
                assert moment is not None
                changed.append(
                    Changed(stream, moment, number, code, 0, before["last_value"],
                            before["last_text"], micros(before["last_at"]))
                )  # fmt: skip
            return await judge(self.connection, changed)

    def tick(self, seconds: float) -> list[AlarmEvent]:
        """The clock, so long after T0."""
        at = T0 + timedelta(seconds=seconds)
        return list(self.run(clock.tick(self.connection, at)))

    def listen(self, seconds: float) -> list[AlarmEvent]:
        """The ear for silence, so long after T0."""
        at = T0 + timedelta(seconds=seconds)
        return list(self.run(clock.listen(self.connection, at)))

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def units(self, event: int) -> dict[str, list[int]]:
        """Units that are affected now, by how."""
        found: dict[str, list[int]] = {}
        for how, unit in self.rows(
            "SELECT how, unit_id FROM city.event_unit WHERE event_id = :e AND open ORDER BY 1, 2",
            e=event,
        ):
            found.setdefault(how, []).append(unit)
        return found

    def history(self, event: int) -> list[str]:
        return [
            kind
            for (kind,) in self.rows(
                "SELECT kind FROM city.event_entry WHERE event_id = :e ORDER BY id", e=event
            )
        ]

    def state(self, event: int) -> str:
        return str(self.rows("SELECT state FROM city.event WHERE id = :e", e=event)[0][0])


def forget(engine: Engine) -> None:
    """Forget every alarm, as the owner of the server can, who switches every trigger off."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("""
            DELETE FROM platform.webhook_delivery; DELETE FROM platform.webhook;
            DELETE FROM city.event_entry; DELETE FROM city.event_unit;
            DELETE FROM city.event_building; DELETE FROM city.event;
            UPDATE city.event_lane SET last = 0, digest = '';
            UPDATE city.rule_watch SET event_id = NULL, holding = false, since_at = NULL,
                judged_at = NULL, held_at = NULL, done_at = NULL, due_at = NULL;
            UPDATE city.datastream SET last_at = NULL, last_value = NULL, last_text = NULL,
                received_at = NULL""")
        )
