"""Every reading has a fate, and each of them is decided (docs/reference/feeds.md)."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Engine, text

from cim.feeds import ingest as ingesting
from cim.feeds import writing
from cim.feeds.collecting import Collector, parted
from cim.feeds.ingest import decode
from cim.feeds.throttle import Throttle
from cim.settings import Settings
from tests.feeding import DAY, MINUTE, NOW, Ingester, furnish, reading


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    return engine


@pytest.fixture
def sender(city: Engine, settings: Settings) -> Iterator[Ingester]:
    found = Ingester(settings)
    yield found
    found.close()
    with city.begin() as connection:
        connection.execute(
            text("""
            TRUNCATE city.observation, platform.dead_letter;
            UPDATE city.datastream SET last_at = NULL, last_value = NULL, last_text = NULL,
                first_at = NULL, quality = NULL, received_at = NULL, ruled = false""")
        )


def rows(city: Engine, sql: str) -> list[tuple[Any, ...]]:
    with city.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def stored(city: Engine, stream: int = 7101) -> list[tuple[Any, ...]]:
    """µs before or after now, value, text, quality of what is kept of a stream."""
    return rows(
        city,
        f"""SELECT (extract(epoch FROM phenomenon_time) * 1000000)::bigint - {NOW}, result,
            result_text, quality FROM city.observation WHERE datastream_id = {stream} ORDER BY 1""",
    )


def latest(city: Engine, stream: int = 7101) -> tuple[Any, ...]:
    return rows(
        city,
        f"""SELECT (extract(epoch FROM last_at) * 1000000)::bigint - {NOW}, last_value, last_text,
            quality FROM city.datastream WHERE id = {stream}""",
    )[0]


def letters(city: Engine) -> list[tuple[Any, ...]]:
    return rows(city, "SELECT reason, detail, payload FROM platform.dead_letter ORDER BY id")


def test_a_reading_is_stored_and_is_the_latest(sender: Ingester, city: Engine) -> None:
    found = sender.send(reading(12.5))
    assert found.count("stored") == 1
    assert stored(city) == [(0, 12.5, None, 0)]
    assert latest(city) == (0, 12.5, None, 0)


def test_the_microsecond_of_a_reading_is_kept(sender: Ingester, city: Engine) -> None:
    for odd in (1, 333_333, 999_999):
        sender.send(reading(1.0, NOW - 10 * DAY + odd))
    assert [at for at, *_ in stored(city)] == [-10 * DAY + n for n in (1, 333_333, 999_999)]


def test_the_same_again_is_ignored(sender: Ingester, city: Engine) -> None:
    sender.send(reading(1.0))
    again = sender.send(reading(1.0), reading(1.0))
    assert (again.count("stored"), again.count("duplicate")) == (0, 2)
    assert stored(city) == [(0, 1.0, None, 0)]
    assert letters(city) == []


def test_of_two_values_at_one_time_the_first_holds(sender: Ingester, city: Engine) -> None:
    sender.send(reading(1.0))
    found = sender.send(reading(2.0))
    assert found.count("differs") == 1
    within = sender.send(reading(3.0, NOW + 1), reading(4.0, NOW + 1))
    assert (within.count("stored"), within.count("differs")) == (1, 1)
    assert [value for _, value, *_ in stored(city)] == [1.0, 3.0]
    assert [reason for reason, *_ in letters(city)] == ["differs", "differs"]
    assert json.loads(letters(city)[0][2])["value"] == 2.0


def test_a_correction_replaces_what_was_there(sender: Ingester, city: Engine) -> None:
    sender.send(reading(1.0))
    found = sender.send(reading(2.0, correct=True))
    assert found.count("corrected") == 1
    assert stored(city) == [(0, 2.0, None, 0)]
    assert latest(city)[1] == 2.0
    assert letters(city) == []


def test_a_late_reading_is_stored_and_is_not_the_latest(sender: Ingester, city: Engine) -> None:
    sender.send(reading(5.0))
    found = sender.send(reading(4.0, NOW - 60 * MINUTE))
    assert (found.count("stored"), found.count("late")) == (1, 1)
    assert [value for _, value, *_ in stored(city)] == [4.0, 5.0]
    assert latest(city)[:2] == (0, 5.0)
    first = rows(
        city,
        f"SELECT (extract(epoch FROM first_at) * 1000000)::bigint - {NOW} "
        "FROM city.datastream WHERE id = 7101",
    )
    assert first == [(-60 * MINUTE,)]


def test_a_clock_may_be_five_minutes_ahead_and_no_more(sender: Ingester, city: Engine) -> None:
    sender.send(reading(1.0, NOW + 4 * MINUTE), reading(2.0, NOW + 6 * MINUTE))
    assert stored(city) == [(4 * MINUTE, 1.0, None, 0)]
    assert [reason for reason, *_ in letters(city)] == ["ahead"]


def test_what_is_older_than_is_kept_is_a_dead_letter(sender: Ingester, city: Engine) -> None:
    sender.send(reading(1.0, NOW - 91 * DAY), reading(2.0, 1_000_000))
    assert stored(city) == []
    assert [reason for reason, *_ in letters(city)] == ["too_old", "too_old"]


def test_a_replay_brings_what_is_old(sender: Ingester, city: Engine) -> None:
    sender.ways.any_age = True
    sender.send(reading(1.0, NOW - 400 * DAY))
    assert stored(city) == [(-400 * DAY, 1.0, None, 0)]


def test_what_cannot_be_true_is_stored_and_says_so(sender: Ingester, city: Engine) -> None:
    found = sender.send(reading(-1.0))
    assert found.count("out_of_range") == 1
    assert stored(city) == [(0, -1.0, None, 4)]
    assert latest(city) == (0, -1.0, None, 4)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (reading("much"), "not_a_number"),
        (b'{"device": "meter-1", "stream": "energy", "value": NaN}', "not_decodable"),
        (reading([1]), "not_a_value"),
        (reading(1.0, quality=99999), "not_a_value"),
        (b"[" * 100_000, "too_deep"),
        (reading(1.0, unit="Cel"), "wrong_unit"),
        (reading(1.0, device="nobody"), "no_device"),
        (reading(1.0, stream="colour"), "no_stream"),
        (reading(1.0, stream="facePic"), "biometric"),
        (reading("查无此人", stream="personName"), "personal"),
        (reading(1.0, at="soon"), "not_a_time"),
        (b"\xff\xfe", "not_decodable"),
        (b"", "not_decodable"),
        (reading(1.0, device="a\x00b"), "no_device"),
    ],
)
def test_what_cannot_be_used_is_a_dead_letter_with_its_reason(
    sender: Ingester, city: Engine, payload: Any, reason: str
) -> None:
    found = sender.send(payload, reading(7.0))
    assert found.count(reason) == 1
    assert list(found.faults) == [0]
    assert [one for one, *_ in letters(city)] == [reason]
    assert stored(city) == [(0, 7.0, None, 0)], "what is good goes on"


def test_what_is_of_a_person_is_not_kept_at_all(sender: Ingester, city: Engine) -> None:
    sender.send(
        reading(1.0, stream="facePic"),
        {"device": "nobody", "values": {"plateNo": 1}},
        {"device": "nobody", "values": {"door": "open", "cardNo": "A-7"}},
    )
    assert {payload for *_, payload in letters(city)} == {None}


def test_a_text_that_is_a_number_is_the_number(sender: Ingester, city: Engine) -> None:
    sender.send(reading(" 12.5 "), reading("1e1", NOW + 1))
    assert [value for _, value, *_ in stored(city)] == [12.5, 10.0]


def test_a_unit_of_the_same_dimension_is_converted(sender: Ingester, city: Engine) -> None:
    sender.send(reading(3.6, unit="MJ"))
    [(_, value, *_)] = stored(city)
    assert value == pytest.approx(1.0)


def test_a_code_is_a_text_even_where_it_is_a_number(sender: Ingester, city: Engine) -> None:
    sender.send(reading(3, device="lift-1", stream="running"))
    assert stored(city, 7103) == [(0, None, "3", 0)]
    assert latest(city, 7103) == (0, None, "3", 0)


def test_the_map_of_a_feed_names_scales_and_translates(sender: Ingester, city: Engine) -> None:
    found = sender.send(
        {"device": "meter-1", "at": NOW, "values": {"P": 1500, "secret": 1}},
        {"device": "lift-1", "at": NOW, "values": {"st": 2}},
        feed="mapped",
    )
    assert found.count("left_out") == 1
    assert stored(city, 7102) == [(0, 1.5, None, 0)]
    assert stored(city, 7103) == [(0, None, "down", 0)]


def test_a_stream_that_its_class_has_is_made_when_it_speaks(sender: Ingester, city: Engine) -> None:
    sender.send(reading(230.5, stream="voltage"))
    made = rows(
        city,
        "SELECT unit_ucum, low, high, retention FROM city.datastream "
        "WHERE device_id = 7001 AND name = 'voltage'",
    )
    assert made == [("V", 0, 500, "normal")]


def test_a_feed_makes_what_it_may(sender: Ingester, city: Engine) -> None:
    odd = reading(1.0, device="odd-1", stream="colour")
    new = reading("up", device="new-1", stream="state")
    assert sender.send(odd, new).count("stored") == 0
    sender.ways.book.forget()
    some = sender.send(odd, new, feed="streams")
    assert (some.count("stored"), some.count("no_device")) == (1, 1)
    sender.ways.book.forget()
    assert sender.send(new, feed="devices").count("stored") == 1
    made = rows(
        city,
        "SELECT d.class_code, d.bind_id, t.name, t.result_type, t.last_text FROM city.device d "
        "JOIN city.datastream t ON t.device_id = d.id WHERE d.ext_id = 'new-1'",
    )
    assert made == [("other", None, "state", "text", "up")]


def test_a_device_writes_its_own_streams_and_a_gateway_those_behind_it(
    sender: Ingester, city: Engine
) -> None:
    with city.begin() as connection:
        connection.execute(
            text("""INSERT INTO platform.device_key
                (device_id, username, prefix, digest, broker_hash) VALUES
                (7001, 'meter-1', 'x', 'a', 'x'), (7003, 'gateway-1', 'x', 'b', 'x')""")
        )
    sender.ways.book.forget()
    own = sender.send(reading(1.0), feed="own", sender="meter-1")
    other = sender.send(reading(1.0, device="lift-1"), feed="own", sender="meter-1")
    smoke = reading(0.5, device="smoke-1", stream="density")
    behind = sender.send(smoke, feed="own", sender="gateway-1")
    nobody = sender.send(reading(1.0), feed="own", sender="nobody")
    assert (own.count("stored"), behind.count("stored")) == (1, 1)
    assert (other.count("not_yours"), nobody.count("wrong_key")) == (1, 1)


def test_a_row_that_the_database_refuses_is_set_aside_alone(
    sender: Ingester, city: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with city.begin() as connection:
        connection.execute(
            text("ALTER TABLE city.observation ADD CONSTRAINT odd CHECK (result <> 13)")
        )
    try:
        found = sender.send(*[reading(float(n), NOW + n) for n in range(20)])
    finally:
        with city.begin() as connection:
            connection.execute(text("ALTER TABLE city.observation DROP CONSTRAINT odd"))
    assert (found.count("stored"), found.count("refused")) == (19, 1)
    assert sorted(value for _, value, *_ in stored(city)) == [n for n in range(20) if n != 13]
    assert latest(city)[1] == 19
    reason, detail, payload = letters(city)[0]
    assert (reason, json.loads(payload)["value"]) == ("refused", 13.0)
    assert "23514" in detail


def test_a_device_that_floods_harms_no_other(sender: Ingester, city: Engine) -> None:
    sender.ways.throttle = Throttle(rate=1)
    many = [reading(float(n), NOW + n) for n in range(50)]
    found = sender.send(*many, reading("up", device="lift-1", stream="running"))
    assert (found.count("stored"), found.count("flood")) == (11, 40)
    assert stored(city, 7103) == [(0, None, "up", 0)]


def test_nobody_uses_up_what_another_may_send(sender: Ingester, city: Engine) -> None:
    sender.ways.throttle = Throttle(rate=1)
    forged = [reading(float(n), NOW + n, device="lift-1") for n in range(50)]
    sender.send(*forged, feed="own", sender="meter-1")
    own = reading("up", device="lift-1", stream="running")
    assert sender.send(own, feed="own", sender="lift-1").count("flood") == 0


def test_who_watches_is_told_what_was_before(sender: Ingester, city: Engine) -> None:
    heard: list[writing.Changed] = []

    async def judge(_: Any, changed: Any) -> None:
        heard.extend(changed)

    with city.begin() as connection:
        connection.execute(text("UPDATE city.datastream SET ruled = true WHERE id = 7101"))
    sender.ways.judge = judge
    sender.send(reading(1.0, NOW - MINUTE))
    sender.send(reading(3.0, NOW + 2), reading(2.0, NOW + 1), reading(9.0, NOW - 2 * MINUTE))
    sender.send(reading(7.0, NOW + 2, correct=True), reading(4.0, NOW + 3, correct=True))
    told = [(one.value, one.previous_value, one.previous_at) for one in heard]
    assert told == [
        (1.0, None, None),
        (2.0, 1.0, NOW - MINUTE),
        (3.0, 1.0, NOW - MINUTE),
        (4.0, 3.0, NOW + 2),
    ]


def test_what_fails_in_the_batch_leaves_nothing_of_it(sender: Ingester, city: Engine) -> None:
    async def judge(*_: Any) -> None:
        raise OSError("the machine is gone")

    with city.begin() as connection:
        connection.execute(text("UPDATE city.datastream SET ruled = true WHERE id = 7101"))
    sender.ways.judge = judge
    with pytest.raises(OSError, match="gone"):
        sender.send(reading(1.0))
    assert stored(city) == []
    assert latest(city)[0] is None
    sender.ways.judge = None
    sender.send(reading(1.0))
    assert stored(city) == [(0, 1.0, None, 0)]


def test_who_listens_is_told_in_lines(sender: Ingester, settings: Settings) -> None:
    heard: list[str] = []

    async def listen() -> asyncpg.Connection:
        connection = await sender.open()
        await connection.add_listener("cim_readings", lambda *told: heard.append(told[3]))
        return connection

    listening = sender.run(listen())
    sender.send(
        reading(1.5),
        reading(-1.0, NOW + 1000),
        reading('sa"id', device="lift-1", stream="running"),
    )
    sender.run(listening.fetchval("SELECT 1"))
    sender.run(listening.close())
    lines = "\n".join(heard).splitlines()
    assert lines == [f"7101,{NOW // 1000 + 1},-1.0,4", f'7103,{NOW // 1000},"sa\\"id"']


def test_a_new_limit_holds_for_the_next_reading(sender: Ingester, city: Engine) -> None:
    async def listen() -> Any:
        connection = await sender.open()
        await connection.add_listener("cim_streams", lambda *_: sender.ways.book.forget())
        return connection

    listening = sender.run(listen())
    sender.send(reading(50.0, stream="power"))
    with city.begin() as connection:
        connection.execute(text("UPDATE city.datastream SET high = 10 WHERE id = 7102"))
    sender.run(listening.fetchval("SELECT 1"))
    sender.send(reading(50.0, NOW + 1, stream="power"))
    sender.run(listening.close())
    assert [quality for *_, quality in stored(city, 7102)] == [0, 4]


def test_a_batch_is_no_more_readings_than_are_written_together(sender: Ingester) -> None:
    many = [{"device": "meter-1", "stream": "energy", "value": n, "at": NOW} for n in range(700)]
    items = [sender.item("plain", many), sender.item("plain", many), sender.item("plain", b"1")]
    sender.run(decode(items, sender.ways))
    assert [len(part) for part in parted(items)] == [1, 2]
    assert [len(part) for part in parted(items[:1])] == [1]


def test_what_no_letter_can_be_written_of_harms_no_other(
    sender: Ingester, city: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the program's own in one message: the others of its batch come in all the same."""
    usual = ingesting._Batch._row

    def odd(self: Any, number: int, item: Any, reading: Any, start: str) -> Any:
        if reading.value == 13:
            raise RuntimeError("a bug")
        return usual(self, number, item, reading, start)

    monkeypatch.setattr(ingesting._Batch, "_row", odd)
    done: list[Any] = []
    collector = Collector(sender.open, sender.ways, lambda items, _: done.extend(items), wait=0)
    for n in range(20):
        collector.put(sender.item("plain", reading(float(n), NOW + n)))
    collector.end()
    sender.run(collector.run())
    assert len(done) == 20
    assert [value for _, value, *_ in stored(city)] == [n for n in range(20) if n != 13]
    assert [(reason, detail) for reason, detail, _ in letters(city)] == [
        ("refused", "RuntimeError")
    ]
