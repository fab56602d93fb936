"""In whatever order readings come in, late or corrected: sums are as if made from scratch."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cim.feeds.history.rolling import DAY, GRACE, HOUR, UNHURRIED, roll
from cim.store import feeding
from cim.store.queries.feeds import rollups
from cim.store.queries.feeds.rollups import FINE

START = datetime(2026, 3, 8, 13, tzinfo=UTC)
"""Three hours before a day of China ends, and eleven before one of UTC."""

MINUTES = 30 * 60
"""How long the readings of an example go on."""

WIDTHS = {"5min": timedelta(minutes=5), "hour": timedelta(hours=1), "day": timedelta(days=1)}
CHINA = timedelta(hours=8)
GOOD = (None, 0, 2, 3)
KINDS = {1: "gauge", 2: "counter", 3: "gauge"}

Value = float | str
Key = tuple[int, datetime]
Kept = dict[Key, tuple[Value, int | None]]


@dataclass(frozen=True)
class Arrival:
    """Readings that come in together, and how long after the start."""

    after: timedelta
    rows: tuple[tuple[int, datetime, Value, int | None, bool], ...]


# ── from scratch ──────────────────────────────────────────────────────────────────────────────────


def bin_of(at: datetime, level: str) -> datetime:
    width = WIDTHS[level]
    shift = CHINA if level == "day" else timedelta()
    since = datetime(2000, 1, 1, tzinfo=UTC) - shift
    return since + (at - since) // width * width


def summed(kind: str, readings: list[tuple[datetime, Value]]) -> dict[str, Any]:
    """What a row of sums holds of these readings of one stream, in the order of their times."""
    numbers = [(at, value) for at, value in readings if isinstance(value, float)]
    texts = [value for _, value in readings if isinstance(value, str)]
    ends = numbers or [(at, 0.0) for at, _ in readings]
    row: dict[str, Any] = {
        "n": len(numbers), "texts": len(texts), "last_text": texts[-1] if texts else None,
        "first_at": ends[0][0], "last_at": ends[-1][0],
    }  # fmt: skip
    values = [value for _, value in numbers]
    pairs = list(pairwise(numbers))
    counts = kind == "counter" and bool(numbers)
    row |= {
        "sum": sum(values) if values else None,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "first": values[0] if values else None,
        "last": values[-1] if values else None,
        "min_at": next((at for at, value in numbers if value == min(values)), None),
        "max_at": next((at for at, value in numbers if value == max(values)), None),
        "area": sum(a * (u - t).total_seconds() for (t, a), (u, _) in pairs) if values else None,
        "increase": sum(b if b < a else b - a for (_, a), (_, b) in pairs) if counts else None,
        "resets": sum(b < a for (_, a), (_, b) in pairs) if counts else None,
    }
    return row


def from_scratch(kept: Kept, until: datetime, level: str) -> dict[Key, dict[str, Any]]:
    """Every row of a level whose time is over, of all the readings that are kept."""
    bins: dict[Key, list[tuple[datetime, Value]]] = defaultdict(list)
    hours: dict[Key, int] = defaultdict(int)
    for (stream, at), (value, quality) in sorted(kept.items()):
        if quality in GOOD and bin_of(at, "hour") + WIDTHS["hour"] <= until:
            bins[stream, bin_of(at, level)].append((at, value))
            hours[stream, bin_of(at, "hour")] += isinstance(value, float)
    found = {}
    for (stream, begins), readings in bins.items():
        row = summed(KINDS[stream], readings)
        if level == "5min" and hours[stream, bin_of(begins, "hour")] <= FINE:
            continue
        if level == "day":
            row["hours"] = len({bin_of(at, "hour") for at, _ in readings})
            if begins + WIDTHS["day"] > until:
                continue
        found[stream, begins] = row
    return found


# ── the database ──────────────────────────────────────────────────────────────────────────────────


async def begin(connection: Any) -> None:
    """No readings, three streams, and nothing summed up before the start."""
    await connection.execute("""
        RESET ROLE;
        TRUNCATE city.observation, city.rollup_5min, city.rollup_hour, city.rollup_day,
            city.rollup_mark;
        INSERT INTO city.device (id, class_code) VALUES (1, 'water_meter') ON CONFLICT DO NOTHING;
        UPDATE city.retention_class SET dropped_before = NULL""")
    for stream, kind in KINDS.items():
        await connection.execute(
            """INSERT INTO city.datastream (id, device_id, name, observed_property, kind)
               VALUES ($1::bigint, 1, 's' || $1::bigint, 'volume', $2) ON CONFLICT DO NOTHING""",
            stream,
            kind,
        )
    await connection.execute(
        """UPDATE city.rollup_level SET dropped_before = NULL, closed_until = $1, rolled_until =
           CASE WHEN level = 'day' THEN date_bin('1 day', $1, '2000-01-01 00:00+08') ELSE $1 END""",
        START,
    )
    days = [(START + timedelta(days=n)).date() for n in range(4)]
    await connection.fetchval("SELECT city.prepare_days($1)", days)


async def write(connection: Any, arrival: Arrival, kept: Kept) -> None:
    """As who ingests does: in one transaction, and marks for what was really written."""
    async with connection.transaction():
        written = []
        for stream, at, value, quality, correct in arrival.rows:
            if (stream, at) in kept and not correct:
                continue
            kept[stream, at] = (value, quality)
            number, text = (value, None) if isinstance(value, float) else (None, value)
            await connection.execute(
                """INSERT INTO city.observation VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE SET
                   result = excluded.result, result_text = excluded.result_text,
                   quality = excluded.quality""",
                stream, at, number, text, quality,
            )  # fmt: skip
            written.append((stream, at))
        await connection.execute(
            "SELECT city.mark_rollups($1::bigint[], $2::timestamptz[])",
            [stream for stream, _ in written],
            [at for _, at in written],
        )


async def rows(connection: Any, level: str) -> dict[Key, dict[str, Any]]:
    found = await connection.fetch(f"SELECT * FROM city.rollup_{level}")
    return {(row["datastream_id"], row["at"]): _rest(dict(row)) for row in found}


def _rest(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("datastream_id", "at")}


async def marks(connection: Any) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM city.rollup_mark"))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def feeder(loop: Any, database_url: str) -> Iterator[Any]:
    """A connection of the owner, on which `roll` runs as `cim_feeder`."""
    made = loop.run_until_complete(asyncpg.connect(database_url))
    yield made
    loop.run_until_complete(made.close())


# ── properties ────────────────────────────────────────────────────────────────────────────────────

moments = st.integers(0, MINUTES * 4).map(lambda n: START + timedelta(seconds=15 * n))
values = st.one_of(
    st.sampled_from([-0.5, 0.0, 1.0, 7.25]),
    st.integers(-40, 400).map(lambda n: n / 4),
    st.sampled_from(["open", "closed", ""]),
)
readings = st.tuples(
    st.sampled_from(sorted(KINDS)), moments, values, st.sampled_from([None, 0, 0, 2, 3, 4, 1]),
    st.booleans(),
)  # fmt: skip


@st.composite
def dense(draw: Any) -> tuple[Any, ...]:
    """A stretch of readings that are close to one another, so that five minutes are summed up."""
    stream, since = draw(st.sampled_from([1, 2])), draw(moments)
    found = draw(st.lists(st.integers(0, 40).map(lambda n: n / 4), min_size=20, max_size=60))
    return tuple(
        (stream, since + timedelta(seconds=30 * n), value, 0, False)
        for n, value in enumerate(found)
    )


batches = st.one_of(st.lists(readings, min_size=1, max_size=12).map(tuple), dense())
arrivals = st.lists(
    st.builds(
        Arrival, st.integers(0, 70 * 60).map(lambda minutes: timedelta(minutes=minutes)), batches
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals)
def test_sums_are_those_from_scratch_whatever_the_order_of_arrival(
    loop: Any, feeder: Any, found: list[Arrival]
) -> None:
    async def live() -> None:
        kept: Kept = {}
        await begin(feeder)
        for arrival in sorted(found, key=lambda each: each.after):
            await write(feeder, arrival, kept)
            now = START + arrival.after
            await feeder.execute("SET ROLE cim_feeder")
            assert await roll(feeder, now) is not None
            await feeder.execute("RESET ROLE")
            over = bin_of(max(now - GRACE, START), "hour")
            for level in WIDTHS:
                assert await rows(feeder, level) == from_scratch(kept, over, level), level
            assert await marks(feeder) == 0

    loop.run_until_complete(live())


# ── many at once, and what breaks ─────────────────────────────────────────────────────────────────


def some(n: int) -> Arrival:
    """Readings around the time n minutes after the start: some in time, some hours late."""
    rows = [
        (
            stream,
            START + timedelta(minutes=max(0, n - late), seconds=n % 7),
            float(n % 50),
            0,
            False,
        )
        for stream in KINDS
        for late in (0, 1, 61, 400)
    ]
    return Arrival(timedelta(minutes=n), tuple(rows))


def test_nothing_falls_between_while_writers_write_and_hours_close(
    loop: Any, feeder: Any, database_url: str
) -> None:
    kept: Kept = {}
    clock = [0]

    async def write_all(numbers: range) -> None:
        connection = await asyncpg.connect(database_url)
        for n in numbers:
            await write(connection, some(n), kept)
            clock[0] = max(clock[0], n)
        await connection.close()

    async def go() -> None:
        await begin(feeder)
        writers = [asyncio.ensure_future(write_all(range(k, MINUTES, 4 * 5))) for k in range(4)]
        while not all(writer.done() for writer in writers):
            assert await roll(feeder, START + timedelta(minutes=clock[0])) is not None
        await asyncio.gather(*writers)
        end = START + timedelta(minutes=MINUTES, hours=2)
        await roll(feeder, end)
        for level in WIDTHS:
            assert await rows(feeder, level) == from_scratch(kept, bin_of(end, "hour"), level)

    loop.run_until_complete(go())


def test_who_is_killed_while_summing_up_leaves_the_old_sums_or_the_new(
    loop: Any, feeder: Any, database_url: str
) -> None:
    async def go() -> None:
        kept: Kept = {}
        await begin(feeder)
        for n in range(0, MINUTES, 30):
            await write(feeder, some(n), kept)
        end = START + timedelta(minutes=MINUTES, hours=2)
        for patience in (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15):
            other = await asyncpg.connect(database_url)
            working = asyncio.ensure_future(roll(other, end))
            await asyncio.sleep(patience)
            killed = other.get_server_pid()
            await feeder.execute("SELECT pg_terminate_backend($1)", killed)
            with contextlib.suppress(*feeding.DRIVER):
                await working
            other.terminate()
            while await feeder.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", killed
            ):
                await asyncio.sleep(0.01)  # it may have been committing
            until = await feeder.fetchval(
                "SELECT rolled_until FROM city.rollup_level WHERE level = 'hour'"
            )
            if not await marks(feeder):
                for level in ("5min", "hour"):
                    assert await rows(feeder, level) == from_scratch(kept, until, level)
            await write(feeder, some(MINUTES - int(patience * 1000)), kept)
        while await roll(feeder, end) is None:
            await asyncio.sleep(0.05)
        for level in WIDTHS:
            assert await rows(feeder, level) == from_scratch(kept, bin_of(end, "hour"), level)

    loop.run_until_complete(go())


def test_one_sums_up_at_a_time(loop: Any, feeder: Any, database_url: str) -> None:
    async def go() -> None:
        other = await asyncpg.connect(database_url)
        await other.execute("SELECT pg_advisory_lock(1667853704)")
        assert await roll(feeder, START) is None
        await other.close()

    loop.run_until_complete(go())


def test_an_hour_is_not_closed_while_somebody_writes_who_does_not_know(
    loop: Any, feeder: Any, database_url: str
) -> None:
    async def go() -> None:
        await begin(feeder)
        other = await asyncpg.connect(database_url)
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT city.mark_rollups(ARRAY[1::bigint], ARRAY[now()])")
        done = await roll(feeder, START + timedelta(hours=3))
        assert done is not None and done.hours == 0
        await transaction.commit()
        done = await roll(feeder, START + timedelta(hours=3, minutes=1))
        assert done is not None and done.hours == 3
        await other.close()

    loop.run_until_complete(go())


@pytest.mark.parametrize(
    ("statement", "args"),
    [
        (rollups.HOUR, (START, START + HOUR)),
        (rollups.AGAIN, ([1], [START], [START + HOUR], START, START + DAY)),
    ],
    ids=["an hour", "again"],
)
def test_other_days_are_not_even_planned_for(
    loop: Any, feeder: Any, statement: str, args: tuple[Any, ...]
) -> None:
    """With a year of days, planning for all took thirty times as long as summing up one."""

    async def plan() -> str:
        await begin(feeder)
        async with feeder.transaction():
            await feeder.execute(UNHURRIED)
            lines = await feeder.fetch(f"EXPLAIN {statement}", *args)
        return "\n".join(line[0] for line in lines)

    assert "Subplans Removed" not in loop.run_until_complete(plan())
