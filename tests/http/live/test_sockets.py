"""The same over a socket, whose subscription changes; and tickets, which open both."""

import asyncio
import json
import logging
import socket
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.live.asking import asked
from api.live.frames import Frame
from api.live.hub import Hub
from cim.errors import StoreError
from cim.settings import Settings
from cim.store.queries.feeds.live import Audience
from tests.accounts import PASSWORD, add_person
from tests.http.live.conftest import listening, read, subscribed

NOON = 1_794_000_000_000


def opened(served: str, **more: Any) -> ClientConnection:
    query = f"?ticket={more.pop('ticket')}" if "ticket" in more else ""
    return connect(f"ws{served.removeprefix('http')}/live/socket{query}", **more)


def until(one: ClientConnection, event: str) -> Any:
    while True:
        told = json.loads(one.recv(timeout=20))
        if told["event"] == event:
            return told["data"]


def ask(one: ClientConnection, **wanted: Any) -> None:
    one.send(json.dumps(wanted))


def test_the_last_subscription_takes_the_place_of_the_one_before(
    served: str, engine: Engine
) -> None:
    with opened(served) as one:
        ask(one, datastream=[1])
        assert until(one, "streams")["id"] == [1]
        ask(one, bbox=[113.879, 22.919, 113.881, 22.921], **{"class": ["smoke"]})
        assert until(one, "streams")["id"] == [4]
        until(one, "readings")
        read(engine, (1, NOON, 1.0), (4, NOON, 0.25))
        assert until(one, "readings") == [[4, NOON, 0.25]]


def test_what_is_wrong_with_a_message_is_said_and_the_socket_goes_on(served: str) -> None:
    with opened(served) as one:
        for wrong in ("[", "[]", '{"unit": "x"}', '{"camera": 1}', '{"unit": {"a": 1}}', "{}"):
            one.send(wrong)
            told = until(one, "refused")
            assert told["status"] == 422 and told["detail"] and told["detail_zh"]
        ask(one, datastream=[1])
        assert until(one, "streams")["id"] == [1]


def test_a_page_of_another_place_is_refused(served: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(served, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403
    assert "another site" in json.loads(refused.value.response.body)["detail"]
    with opened(served, origin=served):
        pass


def test_a_key_that_is_none_opens_no_socket(served: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(served, additional_headers={"Authorization": "Bearer nobody's"})
    assert refused.value.response.status_code == 401


def test_a_socket_that_asks_for_nothing_gives_its_place_back(
    smoke: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.socket.IDLE", 0.2)
    with listening(smoke) as (address, _):
        with opened(address) as one, pytest.raises(ConnectionClosed) as closed:
            one.recv(timeout=10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
        with opened(address) as two, pytest.raises(ConnectionClosed):
            ask(two, unit="x")  # refused, and nothing else is asked for
            until(two, "refused")
            two.recv(timeout=10)
        with opened(address) as three:
            ask(three, datastream=[1])
            until(three, "readings")
            sleep(0.5)
            ask(three, datastream=[4])
            assert until(three, "streams")["id"] == [4]
            monkeypatch.setattr("api.live.hub.Hub._listening", away)
            ask(three, datastream=[1])
            assert until(three, "refused")["status"] == 503
            with pytest.raises(ConnectionClosed) as later:  # to come again is of use then
                three.recv(timeout=10)
            assert later.value.rcvd is not None and later.value.rcvd.code == 1013


async def away(hub: object) -> None:
    raise StoreError("nothing can be heard from the database now", "暂时无法接收数据库的实时消息")


def test_sockets_are_written_down_in_a_line_each_and_refused_ones_are_no_faults(
    smoke: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    no_key = {"additional_headers": {"Authorization": "Bearer nobody's"}}
    with listening(smoke.model_copy(update={"log": "text"})) as (address, _):
        for path, more in (("socket", no_key), ("nowhere", {})):
            with pytest.raises(InvalidStatus):
                connect(f"ws{address.removeprefix('http')}/live/{path}", **more)
        with opened(address) as one:
            ask(one, datastream=[1])
            until(one, "streams")
    lines = [fields for fields in map(said, caplog.records) if fields]
    assert sorted(line["status"] for line in lines) == [101, 401, 403]
    assert {line["route"] for line in lines} <= {"/live/socket", "-"}
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert "nobody's" not in caplog.text


def said(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields if fields.get("route") in ("/live/socket", "-") else {}


def test_a_flood_of_messages_ends_the_socket(served: str) -> None:
    with opened(served) as one, pytest.raises(ConnectionClosed) as closed:
        for _ in range(60):
            ask(one, datastream=[1])
        while True:
            one.recv(timeout=20)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


def test_a_subscription_that_is_given_up_at_any_moment_ends(smoke: Settings) -> None:
    """Else the socket whose it was would wait for it, and never hear the next."""

    async def ends(hub: Hub, steps: int) -> bool:
        async def hear() -> None:
            async with hub.joined(asked({"datastream": [1]}), Audience()) as (_, reader):
                while await reader.next() is not None:
                    pass

        task = asyncio.create_task(hear())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=2)
        return task.cancelled()

    with listening(smoke) as (served, app):
        with opened(served) as one:
            ask(one, datastream=[1])
            until(one, "streams")
        hub: Hub = app.state.hub
        assert hub._task is not None
        for steps in range(12):
            ended = asyncio.run_coroutine_threadsafe(ends(hub, steps), hub._task.get_loop())
            assert ended.result(10), f"given up after {steps} steps"


def test_a_ticket_lets_its_holder_hear_once_what_its_maker_may(
    served: str, engine: Engine, key: Any
) -> None:
    assert httpx.post(f"{served}/live/ticket").status_code == 401
    made = httpx.post(f"{served}/live/ticket", headers=key("statistics"))
    assert made.status_code == 200 and made.headers["cache-control"] == "no-store"
    ticket = made.json()["ticket"]
    assert "key-plain" not in ticket and made.json()["seconds"] == 30
    with subscribed(served, datastream="2", ticket=ticket) as stream:
        assert stream.until("streams")["id"] == [2]
        read(engine, (2, NOON, 14.0))
        assert stream.until("readings", lambda data: data and data[0][2] == 14.0)
    again = httpx.get(f"{served}/live", params={"datastream": "2", "ticket": ticket})
    assert again.status_code == 401 and "half a minute" in again.json()["detail"]
    for foolish in ("x", "", ticket[:-2] + "AA"):
        answer = httpx.get(f"{served}/live", params={"datastream": "2", "ticket": foolish})
        assert answer.status_code == 401
    second = httpx.post(f"{served}/live/ticket", headers=key("statistics")).json()["ticket"]
    with opened(served, ticket=second, origin="https://elsewhere.example") as one:
        ask(one, datastream=[2])
        assert until(one, "streams")["id"] == [2]


def test_a_ticket_that_is_old_is_refused(
    served: str, key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.tickets.GOOD", -1)
    ticket = httpx.post(f"{served}/live/ticket", headers=key("statistics")).json()["ticket"]
    answer = httpx.get(f"{served}/live", params={"datastream": "2", "ticket": ticket})
    assert answer.status_code == 401


def test_who_signed_out_hears_nothing_more(
    served: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.callers.AGAIN", 0.5)
    add_person(engine, "listens", "statistics")
    with httpx.Client(base_url=served, headers={"Origin": served}) as page:
        session = page.post("/session", json={"name": "listens", "password": PASSWORD}).json()
        cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
        with opened(served, origin=served, additional_headers={"Cookie": cookies}) as one:
            ask(one, datastream=[2])
            assert until(one, "who") == {"actor": "listens", "scopes": session["scopes"]}
            assert until(one, "streams")["id"] == [2]
            with engine.begin() as connection:
                seen = connection.execute(
                    text(
                        "UPDATE security.session SET seen_at = now() - interval '5 minutes' "
                        "WHERE ended_at IS NULL RETURNING seen_at"
                    )
                ).scalar_one()
            sleep(0.6)
            read(engine, (2, NOON + 1000, 15.0))
            until(one, "readings")
            with engine.begin() as connection:  # to listen is no use of a session
                assert (
                    seen
                    == connection.execute(
                        text("SELECT max(seen_at) FROM security.session WHERE ended_at IS NULL")
                    ).scalar_one()
                )
            page.delete("/session", headers={"X-CSRF-Token": session["csrf"]})
            sleep(0.6)
            with pytest.raises(ConnectionClosed) as closed:
                for step in range(20):
                    read(engine, (2, NOON + 2000 + step, 16.0 + step))
                    one.recv(timeout=5)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001


def test_one_address_takes_not_every_place(
    smoke: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.hub.MOST", 2)
    with (
        listening(smoke) as (address, _),
        subscribed(address, datastream="1") as one,
        opened(address) as two,
    ):
        one.until("readings")
        ask(two, datastream=[1])
        until(two, "readings")
        refused = httpx.get(f"{address}/live", params={"datastream": "1"})
        assert refused.status_code == 429 and refused.headers["retry-after"] == "10"
        with pytest.raises(InvalidStatus) as denied:
            opened(address)
        assert denied.value.response.status_code == 429


def test_a_socket_that_is_not_read_is_ended_and_harms_nobody(
    smoke: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.serving.protocol.READ_SECONDS", 1.0)
    with listening(smoke) as (address, app), subscribed(address, datastream="1") as other:
        other.until("readings")
        place = urlsplit(address)
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect((place.hostname, place.port))
        patience = {"max_queue": 1, "ping_interval": None, "close_timeout": 1}
        with opened(address, sock=stuck, **patience) as one:
            ask(one, datastream=[1])
            hub = app.state.hub
            while hub.readers < 2:
                sleep(0.05)
            group, began = next(iter(hub.groups.values())), monotonic()
            send = hub._task.get_loop().call_soon_threadsafe
            while hub.readers > 1 and monotonic() - began < 30:
                long = f'[[1,1,"{"x" * 60_000}"]]'
                send(hub.send, group, Frame("readings", long, hub.mark))
                other.until("readings")
            assert hub.readers == 1
