"""Readings sent to others: each that was written, late, corrected or taken away, and to no more."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Engine, text

from cim.feeds import writing
from cim.feeds.webhooks import delivery, hooks
from cim.feeds.webhooks.signing import key_of, new_secret
from cim.privacy import open_vault
from cim.settings import Settings
from cim.store import engine as engines
from cim.store import feeding
from cim.store.direct import KEEP
from cim.store.queries.sensorthings.writing import END_READINGS
from tests.alarming import T0, Teller, forget, furnish
from tests.receiving import Receiver

LIFT1, PEOPLE, LIFT2, GAS, PRESSURE = 1011, 1012, 1021, 1061, 1091
SECRET = new_secret()
EVERY: dict[str, Any] = {"readings": "every", "classes": ["lift"]}


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    return engine


@pytest.fixture(scope="module")
def inside(settings: Settings) -> Settings:
    """Settings by which this machine may be sent to."""
    return settings.model_copy(update={"webhook_networks": "127.0.0.0/8, ::1"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver(key_of(SECRET))
    yield found
    found.close()


@pytest.fixture
def told(city: Engine, settings: Settings) -> Iterator[Teller]:
    teller = Teller(city, settings)
    yield teller
    teller.close()
    forget(city)
    with city.begin() as connection:
        connection.execute(text("DELETE FROM city.observation; DELETE FROM platform.reading_log"))
        connection.execute(text("DELETE FROM city.device_binding WHERE valid_to IS NOT NULL"))


def add(told: Teller, inside: Settings, url: str, name: str = "安检平台", **said: Any) -> int:
    with told.engine.begin() as connection:
        vault = open_vault(inside)
        return hooks.add(connection, vault, name, url, EVERY | said, "system", SECRET)[0]


def row(stream: int, seconds: float, value: float | str) -> writing.Row:
    moment = T0 + timedelta(seconds=seconds)
    at = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    said = (None, value) if isinstance(value, str) else (float(value), None)
    return (stream, at, *said, 0, at, 0)


async def _wrote(connection: Any, rows: list[writing.Row], again: list[writing.Row]) -> None:
    lot = writing.Lot(rows=rows, corrections=again)
    await writing.write(connection, lot, set(), lambda *_: None)


def write(told: Teller, *rows: writing.Row, corrected: tuple[writing.Row, ...] = ()) -> None:
    """Readings, as the ingester writes them."""
    told.run(_wrote(told.connection, list(rows), list(corrected)))


def send(
    told: Teller, inside: Settings, hook: int, *, patient: bool = False, tries: int = 12
) -> int:
    """What was written is sent; the time of what is gathered has come, but for who is `patient`."""

    async def work() -> int:
        sender = delivery.Sender(inside, told.engine, tries)
        try:
            await sender.spread()
            if not patient:
                await asyncio.to_thread(at_once, told)
            return await sender.deliver(hook, readings=True)
        finally:
            await sender.close()

    return int(told.run(work()))


def at_once(told: Teller) -> None:
    with told.engine.begin() as connection:
        connection.execute(text("UPDATE platform.webhook_delivery SET next_at = now()"))


def had(receiver: Receiver) -> list[tuple[int, int, float | str | None]]:
    """Datastream, seconds and value of every reading that came, in the order of messages."""
    return [
        (one["datastream"], round((datetime.fromisoformat(one["at"]) - T0).total_seconds()),
         one.get("value", one.get("text")))
        for message in receiver.got for one in message["data"]["readings"]
    ]  # fmt: skip


def test_readings_of_lifts_are_sent_signed_with_what_says_them_and_no_others(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    write(told, row(LIFT1, 0, "E07"), row(PEOPLE, 0, 3), row(GAS, 0, 1), row(PRESSURE, 0, 0.4))
    assert send(told, inside, hook) == 1
    assert receiver.types == ["readings"] and receiver.unproved == 0
    assert had(receiver) == [(LIFT1, 0, "E07"), (PEOPLE, 0, 3.0)]
    (fault, people) = receiver.got[0]["data"]["datastreams"]
    assert (fault["id"], fault["property"]) == (LIFT1, "fault") and people["id"] == PEOPLE
    assert fault["device"] == {
        "id": 101, "name": "lift-101", "class": "lift", "building_id": 1,
        "bound_to": {"type": "facility", "id": 1},
    }  # fmt: skip
    assert send(told, inside, hook) == 0 and len(receiver.got) == 1
    with told.engine.begin() as connection:
        (shown,) = hooks.listed(connection)
    assert (shown["readings_sent"], shown["waiting"], shown["dead"]) == (2, 0, 0)


def test_late_corrected_and_removed_readings_are_sent_too_and_what_was_there_is_not(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    write(told, row(PEOPLE, 0, 1), row(PEOPLE, 600, 2))
    hook = add(told, inside, receiver.url)
    write(told, row(PEOPLE, 300, 5))
    assert send(told, inside, hook) == 1
    write(told, corrected=(row(PEOPLE, 0, 9),))
    assert send(told, inside, hook) == 1
    assert had(receiver) == [(PEOPLE, 300, 5.0), (PEOPLE, 0, 9.0)]

    async def gone() -> None:
        connection = await engines.opener(inside, "cim_sensing", 10, KEEP)()
        async with connection.transaction():
            for statement in END_READINGS:
                await connection.execute(statement, [PEOPLE], [T0 + timedelta(seconds=300)])
        await connection.close()

    told.run(gone())
    assert send(told, inside, hook) == 1
    (removed,) = receiver.got[-1]["data"]["removed"]
    assert removed == {"datastream": PEOPLE, "at": "2026-11-20T08:05:00+00:00"}


def test_whoever_commits_last_is_sent_last_and_nothing_is_skipped(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)

    async def opened() -> asyncpg.Connection:
        return await feeding.opener(inside)()

    slow = told.run(opened())
    transaction = slow.transaction()
    told.run(transaction.start())
    told.run(_wrote(slow, [row(LIFT2, 0, "E01")], []))  # begun first, ends last
    write(told, row(LIFT1, 0, "E07"))
    write(told, row(LIFT1, 5, "0"))
    assert send(told, inside, hook) == 1
    assert had(receiver) == [(LIFT1, 0, "E07"), (LIFT1, 5, "0")]
    told.run(transaction.commit())
    undone = slow.transaction()
    told.run(undone.start())
    told.run(_wrote(slow, [row(LIFT2, 9, "E02")], []))
    told.run(undone.rollback())
    told.run(slow.close())
    assert send(told, inside, hook) == 1
    assert had(receiver)[2:] == [(LIFT2, 0, "E01")]


def test_who_is_down_has_everything_once_it_is_up_again_in_full_messages(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    receiver.answers = [503]
    for part in range(5):
        write(told, *(row(PEOPLE, 500 * part + n, n) for n in range(500)))
        assert send(told, inside, hook, patient=part > 0) == 0
    sizes = "SELECT cardinality(streams), tries FROM platform.webhook_delivery ORDER BY id"
    # The first had been tried, and is filled no more.
    assert told.rows(sizes) == [(500, 1), (1000, 0), (1000, 0)]
    (soon,) = told.rows(
        "SELECT extract(epoch FROM next_at - now()) FROM platform.webhook_delivery WHERE tries = 1"
    )[0]
    assert 2900 < soon <= 3000  # as the receiver asked
    receiver.answers = [204]
    receiver.got.clear()
    assert send(told, inside, hook) == 3
    assert [when for _, when, _ in had(receiver)] == [*range(2500)]


def test_what_is_not_full_is_gathered_until_its_time_comes(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url, every_s=60)
    for n in range(3):
        write(told, row(PEOPLE, n, n))
        assert send(told, inside, hook, patient=True) == 0
    assert send(told, inside, hook) == 1
    assert len(receiver.got) == 1 and len(had(receiver)) == 3


def test_what_was_given_up_is_listed_with_how_much_it_is_and_sent_again(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    receiver.answers = [400, 204]
    write(told, row(PEOPLE, 0, 1), row(PEOPLE, 1, 2))
    assert send(told, inside, hook, tries=1) == 0
    with told.engine.begin() as connection:
        (dead,) = hooks.dead(connection, None, 10)
        assert (dead["kind"], dead["readings"], dead["error"]) == ("readings", 2, "HTTP 400")
        assert dead["event_id"] is None and dead["at"] == T0
        assert hooks.again(connection, hook, dead["id"]) == 1
    assert send(told, inside, hook) == 1 and len(had(receiver)) == 4


def test_who_wants_changes_is_sent_what_says_something_else_than_before(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    write(told, row(PEOPLE, 0, 1))
    hook = add(told, inside, receiver.url, readings="changed")
    write(told, *(row(PEOPLE, n, value) for n, value in ((10, 1), (20, 2), (30, 2), (40, 1))))
    assert send(told, inside, hook) == 1
    assert had(receiver) == [(PEOPLE, 20, 2.0), (PEOPLE, 40, 1.0)]
    write(told, row(PEOPLE, 50, 1))
    assert send(told, inside, hook) == 0  # nothing to say, and nothing waits
    assert told.rows("SELECT count(*) FROM platform.webhook_delivery") == [(0,)]
    write(told, row(PEOPLE, 45, 7))  # late: what follows it is a change now
    assert send(told, inside, hook) == 1
    assert had(receiver)[2:] == [(PEOPLE, 45, 7.0), (PEOPLE, 50, 1.0)]


def test_who_wants_the_latest_is_sent_the_last_of_each_in_a_message(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url, readings="latest")
    write(told, *(row(PEOPLE, n, n) for n in range(5)), row(LIFT1, 2, "E07"))
    assert send(told, inside, hook) == 1
    assert had(receiver) == [(LIFT1, 2, "E07"), (PEOPLE, 4, 4.0)]


@pytest.mark.parametrize(
    ("said", "streams"),
    [
        ({}, {LIFT1, PEOPLE, LIFT2}),
        ({"classes": None}, {LIFT1, PEOPLE, LIFT2, PRESSURE}),
        ({"classes": None, "homes": True}, {LIFT1, PEOPLE, LIFT2, PRESSURE, GAS}),
        ({"properties": ["presence"]}, {PEOPLE}),
        ({"classes": None, "datastreams": [PRESSURE, GAS]}, {PRESSURE}),
        ({"area": 1}, {LIFT1, PEOPLE, LIFT2}),
        ({"estate": 1}, {LIFT1, PEOPLE, LIFT2}),
        ({"estate": 99}, set()),
    ],
)
def test_each_is_sent_what_is_for_it_and_homes_only_where_it_is_said(
    told: Teller, inside: Settings, receiver: Receiver, said: dict[str, Any], streams: set[int]
) -> None:
    hook = add(told, inside, receiver.url, **said)
    write(told, *(row(id, 0, 1) for id in (LIFT1, PEOPLE, LIFT2, GAS, PRESSURE)))
    send(told, inside, hook)
    assert {id for id, _, _ in had(receiver)} == streams


def test_what_is_secret_or_who_goes_in_and_out_is_sent_to_those_alone_who_were_allowed_it(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    plain = add(told, inside, receiver.url, "甲", classes=None)
    named = add(told, inside, receiver.url, "乙", classes=["access"])
    cleared = add(told, inside, receiver.url, "丙", classes=["lift"], secrecy=2)
    change = "UPDATE city.device SET {} WHERE id = :id"
    with told.engine.begin() as connection:
        connection.execute(text(change.format("secrecy = 2")), {"id": 101})
        connection.execute(text(change.format("class_code = 'access'")), {"id": 109})
    try:
        write(told, row(LIFT1, 0, "E07"), row(PRESSURE, 0, 1), row(LIFT2, 0, "0"))
        for hook, streams in ((plain, {LIFT2}), (named, {PRESSURE}), (cleared, {LIFT1, LIFT2})):
            receiver.got.clear()
            send(told, inside, hook)
            assert {id for id, _, _ in had(receiver)} == streams
    finally:
        with told.engine.begin() as connection:
            connection.execute(text(change.format("secrecy = 0")), {"id": 101})
            connection.execute(text(change.format("class_code = 'water_pressure'")), {"id": 109})


def test_what_a_device_said_in_a_home_stays_there_when_it_is_moved(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url, classes=["gas"])
    homes = add(told, inside, receiver.url, "燃气", classes=["gas"], homes=True)
    move = text("UPDATE city.device SET bind_type = :type, bind_id = :to WHERE id = 106")
    with told.engine.begin() as connection:
        connection.execute(move, {"type": "building", "to": 1})
    try:
        later = (datetime.now(UTC) - T0).total_seconds() + 60
        write(told, row(GAS, 0, 0), row(GAS, later, 1))  # before it was moved, and after
        assert send(told, inside, hook) == 1
        assert [value for _, _, value in had(receiver)] == [1.0]
        assert send(told, inside, homes) == 1
        assert [value for _, _, value in had(receiver)[1:]] == [0.0, 1.0]
    finally:
        with told.engine.begin() as connection:
            connection.execute(move, {"type": "unit", "to": 32})


def test_what_waits_is_held_against_a_filter_that_was_made_narrower(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    for n, less in enumerate((EVERY | {"properties": ["presence"]}, {"classes": ["lift"]})):
        write(told, row(LIFT1, n, "E07"), row(PEOPLE, n, 3))
        assert send(told, inside, hook, patient=True) == 0
        with told.engine.begin() as connection:
            hooks.change(connection, open_vault(inside), hook, {"filter": less})
        send(told, inside, hook)
    assert had(receiver) == [(PEOPLE, 0, 3.0)]


def test_of_too_many_that_wait_the_oldest_are_dropped_and_counted(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    write(told, *(row(PEOPLE, n, n) for n in range(10)))
    spread = text("SELECT platform.spread_readings(100, 2, 3)")
    with told.engine.begin() as connection:
        assert connection.execute(spread).scalar_one() == 1
    assert send(told, inside, hook) == 3
    assert [when for _, when, _ in had(receiver)] == [4, 5, 6, 7, 8, 9]
    assert {message["data"]["dropped"] for message in receiver.got} == {4}


def test_nothing_is_noted_while_nobody_is_sent_readings(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    count = "SELECT count(*) FROM platform.reading_log"
    write(told, row(PEOPLE, 0, 1))
    assert told.rows(count) == [(0,)]
    hook = add(told, inside, receiver.url)
    write(told, row(PEOPLE, 1, 1))
    assert told.rows(count) == [(1,)]
    with told.engine.begin() as connection:
        hooks.change(connection, open_vault(inside), hook, {"enabled": False})
    write(told, row(PEOPLE, 2, 1))
    assert told.rows(count) == [(1,)]


def test_what_nobody_took_for_a_day_is_let_go_and_counted(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    add(told, inside, receiver.url)
    write(told, row(PEOPLE, 0, 1), row(PEOPLE, 1, 1))
    with told.engine.begin() as connection:
        connection.execute(
            text("""UPDATE platform.reading_log SET made_at = now() - interval '25 hours';
            SELECT setval(pg_get_serial_sequence('platform.reading_log', 'id'), 4999)""")
        )
    write(told, row(PEOPLE, 2, 1))
    assert told.rows("SELECT cardinality(streams) FROM platform.reading_log") == [(1,)]
    assert told.rows("SELECT readings_dropped FROM platform.webhook") == [(2,)]


def test_the_process_that_sends_does_all_of_it_by_itself_and_a_slow_one_keeps_nobody_waiting(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hang = socket.create_server(("127.0.0.1", 0), backlog=16)
    slow = f"http://127.0.0.1:{hang.getsockname()[1]}/"
    for n in range(6):
        add(told, inside, slow, f"慢{n}", every_s=1)
    add(told, inside, receiver.url, every_s=1)
    write(told, row(LIFT1, 0, "E07"))

    async def work() -> None:
        stopping = asyncio.Event()
        running = asyncio.create_task(delivery.run(inside, stopping))
        for _ in range(60):
            if receiver.got:
                break
            await asyncio.sleep(0.1)
        hang.close()  # those who wait on it have their answer: there is none
        stopping.set()
        await asyncio.wait_for(running, 20)

    told.run(work())
    assert had(receiver) == [(LIFT1, 0, "E07")]
