"""Alarms told to others over HTTP: signed, in order, at least once, never into our own network."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.errors import InvalidQuery, NotAllowed
from cim.feeds import writing
from cim.feeds.webhooks import delivery, guard, hooks
from cim.feeds.webhooks.signing import key_of, new_secret
from cim.privacy import open_vault
from cim.settings import Settings
from tests.alarming import T0, Teller, forget, furnish
from tests.receiving import Receiver

LIFT1, PEOPLE, GAS, THROWN, SMOKE_STOREY = 1011, 1012, 1061, 1071, 1101
SECRET = new_secret()


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


def add(told: Teller, settings: Settings, url: str, name: str = "安检平台", **said: Any) -> int:
    with told.engine.begin() as connection:
        vault = open_vault(settings)
        return hooks.add(connection, vault, name, url, said, "system", SECRET)[0]


def deliver(told: Teller, settings: Settings, hook: int, tries: int = 12) -> int:
    async def work() -> int:
        sender = delivery.Sender(settings, told.engine, tries)
        try:
            return await sender.deliver(hook)
        finally:
            await sender.close()

    return int(told.run(work()))


def at_once(told: Teller) -> None:
    """The time of the next try has come."""
    with told.engine.begin() as connection:
        connection.execute(text("UPDATE platform.webhook_delivery SET next_at = now()"))


def test_a_broken_lift_is_told_of_signed_with_whom_it_affects(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    (begun,) = told.say((LIFT1, 0, "E07"))
    told.say((LIFT1, 60, "0"))
    assert deliver(told, inside, hook) == 2
    assert receiver.types == ["alarm.begin", "alarm.end"] and receiver.unproved == 0
    first = receiver.got[0]
    assert first["host"].startswith("localhost:")
    assert first["data"]["alarm"]["id"] == begun.event_id
    assert first["data"]["alarm"]["device"]["class"]["code"] == "lift"
    assert first["data"]["units"] == [31, 32, 41, 42, 51, 52]
    assert first["data"]["entry"]["text"] == "E07" and len(first["data"]["entry"]["digest"]) == 64
    assert first["timestamp"] == "2026-11-20T08:00:00+00:00"
    assert deliver(told, inside, hook) == 0


def test_what_is_rolled_back_with_its_alarm_is_told_to_nobody(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    add(told, inside, receiver.url)

    async def undone() -> None:
        transaction = told.connection.transaction()
        await transaction.start()
        await told.connection.execute(
            "SELECT city.begin_alarms(ARRAY[1], ARRAY[1011], ARRAY[now()], ARRAY[1.0], ARRAY['x'])"
        )
        waits = "SELECT count(*) FROM city.event"
        assert await told.connection.fetchval(waits) == 1
        await transaction.rollback()

    told.run(undone())
    assert told.rows("SELECT count(*) FROM platform.webhook_delivery") == [(0,)]


def test_what_fails_is_tried_again_later_with_the_same_id_and_keeps_its_order(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    told.say((LIFT1, 0, "E07"))
    told.say((LIFT1, 60, "0"))
    receiver.answers = [500, 204]
    assert deliver(told, inside, hook) == 0
    assert deliver(told, inside, hook) == 0  # its time has not come, nor that of what follows
    failed = told.rows(
        """SELECT tries, status, error, round(extract(epoch FROM next_at - now()))
           FROM platform.webhook_delivery ORDER BY id"""
    )
    assert failed[0][:3] == (1, 500, "HTTP 500") and 2 <= failed[0][3] <= 5
    assert failed[1][:2] == (0, None)
    at_once(told)
    assert deliver(told, inside, hook) == 2
    assert receiver.types == ["alarm.begin", "alarm.begin", "alarm.end"]
    keys = [one["key"] for one in receiver.got]
    assert keys[0] == keys[1] != keys[2]


def test_what_is_given_up_is_listed_and_can_be_sent_again(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    told.say((LIFT1, 0, "E07"))
    told.say((LIFT1, 60, "0"))
    receiver.answers = [503, 503, 204]
    assert deliver(told, inside, hook, tries=2) == 0
    at_once(told)
    # Given up the second time: those behind it have their turn.
    assert deliver(told, inside, hook, tries=2) == 1
    with told.engine.begin() as connection:
        (dead,) = hooks.dead(connection, None, 10)
        assert (dead["tries"], dead["error"], dead["kind"]) == (2, "HTTP 503", "begin")
        assert hooks.again(connection, hook, dead["id"]) == 1
    assert deliver(told, inside, hook) == 1
    assert receiver.types[-1] == "alarm.begin"


def test_a_redirect_is_followed_nowhere(told: Teller, inside: Settings, receiver: Receiver) -> None:
    hook = add(told, inside, receiver.url)
    told.say((LIFT1, 0, "E07"))
    receiver.answers = [307]
    assert deliver(told, inside, hook) == 0
    assert told.rows("SELECT error FROM platform.webhook_delivery") == [("HTTP 307",)]


def test_our_own_network_is_sent_nothing_unless_the_settings_say_so(
    told: Teller, settings: Settings, receiver: Receiver
) -> None:
    hook = add(told, settings, receiver.url)
    told.say((LIFT1, 0, "E07"))
    assert deliver(told, settings, hook) == 0
    assert receiver.got == []
    (why,) = told.rows("SELECT error FROM platform.webhook_delivery")[0]
    assert "CIM_WEBHOOK_NETWORKS" in why


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.7/", "https://[::ffff:10.0.0.7]/", "https://[64:ff9b::a00:7]/",
        "https://[2002:a00:7::]/", "https://0.0.0.0/", "https://2130706433/", "https://0x7f.1/",
        "https://localhost/", "https://[fe80::1]/", "https://224.0.0.1/",
    ],
)  # fmt: skip
def test_no_spelling_of_a_private_address_is_sent_to(url: str) -> None:
    with pytest.raises(NotAllowed):
        asyncio.run(guard.target(url, ()))


def test_the_world_is_sent_to_by_https_alone() -> None:
    with pytest.raises(NotAllowed, match="https"):
        asyncio.run(guard.target("http://9.9.9.9/", ()))
    found = asyncio.run(guard.target("https://9.9.9.9/a?b=c", ()))
    assert (found.urls, found.host) == (("https://9.9.9.9:443/a?b=c",), "9.9.9.9")


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "https://", "https://u:p@a.example/", "https://a.example:0/", "x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidQuery, match="url"):
        guard.check(url)


def test_each_is_told_of_what_is_for_it_and_of_homes_only_where_it_is_said(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    severe = add(told, inside, receiver.url, "应急", severity=4)
    lifts = add(told, inside, receiver.url, "电梯", classes=["lift"], entries=["begin"])
    homes = add(told, inside, receiver.url, "燃气", homes=True, classes=["gas"])
    town = add(told, inside, receiver.url, "别镇", area=1)
    nowhere = add(told, inside, receiver.url, "无", estate=99)
    told.say((LIFT1, 0, "E07"), (SMOKE_STOREY, 1, 1), (GAS, 2, 1))
    told.say((LIFT1, 60, "0"))
    kinds = dict(
        told.rows("""
            SELECT d.webhook_id, array_agg(r.code || '.' || n.kind ORDER BY n.id)
            FROM platform.webhook_delivery d JOIN city.event_entry n ON n.id = d.entry_id
            JOIN city.event e ON e.id = n.event_id JOIN city.rule r ON r.id = e.rule_id
            GROUP BY 1""")
    )
    assert kinds[severe] == ["smoke.begin"]
    assert kinds[lifts] == ["lift_fault.begin"]
    assert kinds[homes] == ["gas.begin"]
    assert kinds[town] == ["lift_fault.begin", "smoke.begin", "lift_fault.end"]
    assert nowhere not in kinds


def test_the_secret_is_nowhere_in_the_database_as_it_is(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url)
    (sealed,) = told.rows("SELECT secret_enc FROM platform.webhook")[0]
    assert SECRET.encode() not in bytes(sealed)
    with told.engine.begin() as connection:
        shown = hooks.listed(connection)
        assert SECRET not in str(shown) and shown[0]["id"] == hook
        fresh = hooks.change(connection, open_vault(inside), hook, {"secret": True})
    assert fresh and fresh != SECRET
    told.say((LIFT1, 0, "E07"))
    assert deliver(told, inside, hook) == 1
    assert (len(receiver.got), receiver.unproved) == (1, 0)  # it knows the old one, for a day
    with told.engine.begin() as connection:
        hooks.change(connection, open_vault(inside), hook, {"secret": True, "at_once": True})
    told.say((LIFT1, 60, "0"))
    assert deliver(told, inside, hook) == 1
    assert (len(receiver.got), receiver.unproved) == (1, 1)
    with told.engine.begin() as connection:
        hooks.end(connection, hook)
        assert hooks.listed(connection) == []


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"colour": "red"}, "colour"),
        ({"severity": "high"}, "severity"),
        ({"severity": True}, "severity"),
        ({"kinds": ["地震"]}, "地震"),
        ({"entries": []}, "entries"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(said: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidQuery, match=names):
        hooks.filter_of(said)


def test_what_waits_is_not_sent_to_whom_it_is_not_allowed_any_more(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    hook = add(told, inside, receiver.url, homes=True)
    told.say((GAS, 0, 1), (LIFT1, 1, "E07"))
    with told.engine.begin() as connection:
        hooks.change(connection, open_vault(inside), hook, {"filter": {}})
    assert deliver(told, inside, hook) == 1
    assert [one["data"]["alarm"]["device"]["id"] for one in receiver.got] == [101]
    assert told.rows("SELECT count(*) FROM platform.webhook_delivery WHERE sent_at IS NULL") == [
        (0,)
    ]


@pytest.mark.parametrize(
    "less",
    [{"classes": ["gas"]}, {"severity": 4}, {"entries": ["end"]}, {"estate": 99}, {"area": 99},
     {"kinds": ["困人"]}, {"alarms": False, "readings": "every"}],
)  # fmt: skip
def test_what_waits_is_held_against_a_filter_that_was_made_narrower(
    told: Teller, inside: Settings, receiver: Receiver, less: dict[str, Any]
) -> None:
    hook = add(told, inside, receiver.url)
    told.say((LIFT1, 0, "E07"))
    with told.engine.begin() as connection:
        hooks.change(connection, open_vault(inside), hook, {"filter": less})
    assert deliver(told, inside, hook) == 0 and receiver.got == []


def test_homes_from_which_something_may_have_been_thrown_are_named_to_few(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    plain = add(told, inside, receiver.url, "物业")
    allowed = add(told, inside, receiver.url, "公安", homes=True)
    told.say((THROWN, 0, 1))
    assert (deliver(told, inside, plain), deliver(told, inside, allowed)) == (1, 1)
    first, second = (one["data"]["units"] for one in receiver.got)
    assert first == [] and second != []


def test_the_process_that_sends_takes_it_from_the_queue_within_a_moment(
    told: Teller, inside: Settings, receiver: Receiver
) -> None:
    add(told, inside, receiver.url)
    told.say((LIFT1, 0, "E07"))
    told.say((LIFT1, 60, "0"))

    async def work() -> None:
        stopping = asyncio.Event()
        running = asyncio.create_task(delivery.run(inside, stopping))
        for _ in range(100):
            if len(receiver.got) == 2:
                break
            await asyncio.sleep(0.1)
        stopping.set()
        await asyncio.wait_for(running, 20)

    told.run(work())
    assert receiver.types == ["alarm.begin", "alarm.end"]
    assert told.rows("SELECT count(*) FROM platform.webhook_delivery WHERE sent_at IS NULL") == [
        (0,)
    ]


def test_who_sends_may_be_killed_in_the_middle_and_what_comes_twice_has_the_same_id(
    told: Teller, inside: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(told, inside, receiver.url, readings="every")
    told.say((LIFT1, 0, "E07"))
    told.say((LIFT1, 60, "0"))
    told.run(_read(told, inside))
    receiver.answering.clear()
    env = os.environ | {
        "CIM_DATABASE_URL": str(inside.database_url),
        "CIM_DATA_DIR": str(inside.data_dir),
        "CIM_WEBHOOK_NETWORKS": inside.webhook_networks,
    }
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-m", "cim", "worker"], env=env, **quiet) as worker:
        until(lambda: len(receiver.got) == 2)  # an alarm and readings, which are on their way
        worker.kill()
    waits = "SELECT count(*) FROM platform.webhook_delivery WHERE sent_at IS NULL"
    assert told.rows(waits) == [(3,)]  # the next alarm has not gone before the first was taken
    receiver.answering.set()

    async def another() -> None:
        stopping = asyncio.Event()
        running = asyncio.create_task(delivery.run(inside, stopping))
        await asyncio.to_thread(until, lambda: told.rows(waits) == [(0,)])
        stopping.set()
        await asyncio.wait_for(running, 20)

    for name, seconds in (("HEARTBEAT", 0.2), ("STALLED", 1.0), ("ROUND", 0.1)):
        monkeypatch.setattr(delivery, name, seconds)
    told.run(another())
    came = sorted((one["type"], one["key"]) for one in receiver.got)
    assert [kind for kind, _ in came] == ["alarm.begin"] * 2 + ["alarm.end"] + ["readings"] * 2
    assert came[0] == came[1] and came[3] == came[4] and len({key for _, key in came}) == 3
    twice = [one["data"] for one in receiver.got if one["type"] == "readings"]
    assert twice[0] == twice[1] and receiver.unproved == 0


async def _read(told: Teller, settings: Settings) -> None:
    """A reading that waits for who is sent readings."""
    at = int(T0.timestamp()) * 1_000_000
    lot = writing.Lot(rows=[(PEOPLE, at, 3.0, None, 0, at, 0)])
    await writing.write(told.connection, lot, set(), lambda *_: None)
    sender = delivery.Sender(settings, told.engine)
    await sender.spread()
    await sender.close()
    at_once(told)


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that comes within seconds."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")
