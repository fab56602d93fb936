"""Readings as server-sent events: what there is, what comes, and going on where one was cut off."""

import signal
import socket
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text

from api.live.frames import Frame
from cim.security import accounts
from cim.settings import Settings
from tests.accounts import PASSWORD, add_key, add_person, stand
from tests.http.live.conftest import Stream, listening, read, subscribed
from tests.served import serving

NOON = 1_793_000_000_000


def test_it_begins_with_what_there_is_and_goes_on_with_what_comes(
    served: str, engine: Engine
) -> None:
    read(engine, (1, NOON, 3))
    with subscribed(served, datastream="1") as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        about = stream.until("streams")
        assert about["id"] == [1] and about["device"] == ["电梯控制器"]
        assert about["class"] == ["lift"] and about["bind_type"] == ["facility"]
        assert stream.until("readings") == [[1, NOON, 3.0]]
        began = monotonic()
        read(engine, (1, NOON + 1000, 7.5))
        assert stream.until("readings") == [[1, NOON + 1000, 7.5]]
        assert monotonic() - began < 1.0
        read(engine, (1, NOON + 2000, "待机"))
        assert stream.until("readings") == [[1, NOON + 2000, "待机"]]


def test_of_each_stream_the_last_of_half_a_second_is_sent(served: str, engine: Engine) -> None:
    with subscribed(served, datastream="1,4") as stream:
        stream.until("readings")
        began, seen = monotonic(), []
        for step in range(60):
            read(engine, (1, NOON + 10_000 + step, float(step)), (4, NOON + 10_000 + step, 0.0))
            sleep(0.02)
        while not seen or seen[-1][0][2] != 59.0:
            seen.append([one for one in stream.until("readings") if one[0] == 1])
        took = monotonic() - began
        assert len(seen) <= 2 * took + 2
        assert all(len(each) == 1 for each in seen)


def test_an_older_reading_does_not_take_the_place_of_a_newer(served: str, engine: Engine) -> None:
    with subscribed(served, datastream="1") as stream:
        stream.until("readings")
        with engine.begin() as connection:
            lines = f"1,{NOON + 30_000},8\n1,{NOON + 20_000},7"
            connection.execute(text("SELECT pg_notify('cim_readings', :l)"), {"l": lines})
        assert stream.until("readings") == [[1, NOON + 30_000, 8]]


@pytest.mark.parametrize(
    ("ask", "ids"),
    [
        ({"unit": "201"}, [1]),  # the lift of its entrance; its meter is nobody's to know
        ({"unit": "301"}, [1, 4]),  # besides what hangs on its storey
        ({"building": "1"}, [1, 4]),
        ({"estate": "1"}, [1, 4]),
        ({"grid": "1"}, [1, 4]),
        ({"class": "lift"}, [1]),
        ({"building": "1", "class": "smoke"}, [4]),
        ({"bbox": "113.879,22.919,113.881,22.921"}, [1, 4]),
        ({"bbox": "113.1,22.1,113.2,22.2"}, []),
        ({"building": "1", "bbox": "113.1,22.1,113.2,22.2"}, []),
        ({"datastream": "1,4", "property": "停靠楼层"}, [1]),
        ({"datastream": "2,3"}, []),
    ],
)
def test_what_is_subscribed_to(served: str, ask: dict[str, str], ids: list[int]) -> None:
    with subscribed(served, **ask) as stream:
        assert stream.until("streams")["id"] == ids


def test_who_may_know_who_is_at_home_hears_it(served: str, engine: Engine, key: Any) -> None:
    with subscribed(served, key("statistics"), unit="201") as stream:
        assert stream.until("streams")["id"] == [1, 2]
        read(engine, (2, NOON, 13.25))
        assert stream.until("readings", lambda data: [2, NOON, 13.25] in data)
    with subscribed(served, datastream="2") as nobody:
        assert nobody.until("readings") == []


def test_a_key_that_is_taken_away_hears_nothing_more(
    served: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.callers.AGAIN", 0.1)
    monkeypatch.setattr("api.live.hub.BEATS", 0.3)
    add_key(engine, "listens-by-key", "key-listens", ["statistics"])
    with subscribed(served, {"Authorization": "Bearer key-listens"}, unit="201") as stream:
        assert stream.until("streams")["id"] == [1, 2]
        stream.until("beat")  # nothing comes, and all is well
        with engine.begin() as connection:
            stand(connection, "security")
            connection.execute(
                text("UPDATE security.api_key SET ended_at = now() WHERE name = 'listens-by-key'")
            )
        began = monotonic()
        with pytest.raises(EOFError):
            while monotonic() - began < 10:
                stream.next()


def test_who_loses_what_lets_nothing_be_heard_is_told_who_they_are_now(
    served: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.callers.AGAIN", 0.1)
    monkeypatch.setattr("api.live.hub.BEATS", 0.3)
    add_person(engine, "works", "devices")

    def ended(stream: Stream) -> None:
        began = monotonic()
        while monotonic() - began < 10:
            stream.next()

    with httpx.Client(base_url=served, headers={"Origin": served}) as page:
        session = page.post("/session", json={"name": "works", "password": PASSWORD}).json()
        assert "alarms.write" in session["scopes"]
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in page.cookies.items())}
        with subscribed(served, cookie, alarms="all") as stream:
            stream.until("alarms")
            assert stream.who == {"actor": "works", "scopes": session["scopes"]}
            with engine.begin() as connection:
                stand(connection, "security")
                accounts.take(connection, "devices", "works")
            with pytest.raises(EOFError):
                ended(stream)
        with subscribed(served, cookie, alarms="all") as stream:
            stream.until("alarms")
            assert stream.who == {"actor": "works", "scopes": []}
            page.delete("/session", headers={"X-CSRF-Token": session["csrf"]})
            with pytest.raises(EOFError):
                ended(stream)
        with subscribed(served, cookie, alarms="all") as stream:
            stream.until("alarms")
            assert stream.who == {"actor": None, "scopes": []}


def test_who_was_cut_off_goes_on_where_that_was(served: str, engine: Engine) -> None:
    read(engine, (1, NOON + 40_000, 1.0), (4, NOON + 40_000, 0.0))
    with subscribed(served, datastream="1,4") as stream:
        stream.until("readings")
        began = mark = stream.last
        for n in range(60):  # the mark moves on with time, and past what has ended everywhere
            if mark != began and n > 8:
                break
            sleep(0.5)
            read(engine, (1, NOON + 40_100 + n, 2.0))
            stream.until("readings")
            mark = stream.last
    read(engine, (1, NOON + 42_000, 3.0))
    with subscribed(served, {"Last-Event-ID": stream.last}, datastream="1,4") as again:
        assert again.until("readings") == [[1, NOON + 42_000, 3.0]]
    with subscribed(served, datastream="1,4", after=stream.last) as address:
        assert address.until("readings") == [[1, NOON + 42_000, 3.0]]
    for foolish in ("999999999999-1", "x", "-", "9" * 50, "-1--1"):
        with subscribed(served, {"Last-Event-ID": foolish}, datastream="1,4") as whole:
            assert len(whole.until("readings")) == 2


def test_who_is_cut_off_before_the_beginning_is_whole_begins_anew(served: str) -> None:
    with subscribed(served, datastream="1", alarms="all") as stream:
        for event in ("streams", "readings"):
            stream.until(event)
            assert stream.last == "", "to go on from here would leave out what was not sent yet"
        stream.until("alarms")
        assert stream.last


def test_a_lost_connection_of_the_service_loses_nothing(served: str, engine: Engine) -> None:
    with subscribed(served, datastream="1,4") as stream:
        stream.until("readings")
        with engine.begin() as connection:
            ended = connection.execute(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                    "datname = current_database() AND query ~ 'pg_snapshot_xmin|AS moved' "
                    "AND pid <> pg_backend_pid()"
                )
            ).scalar_one()
        assert ended >= 1
        read(engine, (1, NOON + 50_000, 9.0))
        assert [1, NOON + 50_000, 9.0] in stream.until(
            "readings", lambda data: [1, NOON + 50_000, 9.0] in data
        )
        sleep(1)
        read(engine, (1, NOON + 51_000, 10.0))
        assert stream.until("readings", lambda data: [1, NOON + 51_000, 10.0] in data)


def test_a_device_that_is_bound_later_is_heard(
    served: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.hub.FOUND", 1.0)
    with subscribed(served, building="2") as stream:
        assert stream.until("streams")["id"] == []
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO city.device (id, class_code, bind_type, bind_id, building_id) "
                    "VALUES (90, 'smoke', 'building', 2, 2)"
                )
            )
            connection.execute(
                text(
                    "INSERT INTO city.datastream (id, device_id, name, observed_property) "
                    "VALUES (90, 90, 'smoke', '烟雾浓度')"
                )
            )
        assert stream.until("streams")["id"] == [90]
        read(engine, (90, NOON, 0.5))
        assert stream.until("readings", bool) == [[90, NOON, 0.5]]


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        ({}, "alarms=all"),
        ({"alarms": "some"}, "alarms"),
        ({"unit": "x"}, "unit"),
        ({"unit": "0"}, "unit"),
        ({"unit": "9" * 20}, "unit"),
        ({"class": "\x00"}, "class"),
        ({"property": "烟雾浓度"}, "bbox or class"),
        ({"bbox": "1,2"}, "bbox"),
        ({"bbox": "nan,22,114,23"}, "finite"),
        ({"bbox": "114,22,113,23"}, "west beyond"),
        ({"bbox": "113,23,114,22"}, "south above"),
        ({"bbox": "-181,22,114,23"}, "within"),
        ({"datastream": ",".join(map(str, range(1, 5002)))}, "5,000"),
    ],
)
def test_what_is_malformed_is_named(served: str, ask: dict[str, str], named: str) -> None:
    answer = httpx.get(f"{served}/live", params=ask)
    assert answer.status_code == 422 and named in answer.json()["detail"], answer.text
    assert answer.json()["detail_zh"]


def test_too_many_streams_are_refused(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cim.store.queries.feeds.live.MOST", 1)
    answer = httpx.get(f"{served}/live", params={"building": "1"})
    assert answer.status_code == 422 and "smaller box" in answer.json()["detail"]


def test_a_reader_that_does_not_read_is_dropped_and_harms_nobody(
    smoke: Settings, engine: Engine
) -> None:
    with listening(smoke) as (address, app), socket.socket() as stuck:
        place = urlsplit(address)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect((place.hostname, place.port))
        stuck.sendall(b"GET /live?datastream=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with subscribed(address, datastream="1") as stream:
            stream.until("readings")
            hub, began = app.state.hub, monotonic()
            while hub.readers < 2 and monotonic() - began < 10:
                sleep(0.02)  # that one may come in later
            assert hub.readers == 2
            group = next(iter(hub.groups.values()))
            long = "x" * 60_000
            while hub.readers == 2 and monotonic() - began < 30:
                app_loop_send(hub, group, Frame("readings", f'[[1,1,"{long}"]]', hub.mark))
                stream.until("readings", lambda data: data[0][2] == long)
            assert hub.readers == 1
            read(engine, (1, NOON + 60_000, 4.0))
            assert stream.until("readings", lambda data: data[0][2] == 4.0)


def app_loop_send(hub: Any, group: Any, frame: Any) -> None:
    """Send from the loop that the service runs in."""
    hub._task.get_loop().call_soon_threadsafe(hub.send, group, frame)


def test_two_hundred_readers_hear_the_same_within_a_second(served: str, engine: Engine) -> None:
    place = urlsplit(served)
    readers = []
    for _ in range(200):
        one = socket.create_connection((place.hostname, place.port), timeout=20)
        one.sendall(b"GET /live?datastream=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        readers.append(one)
    heard = [b""] * 200
    for at, one in enumerate(readers):
        while b"event: readings" not in heard[at]:
            heard[at] += one.recv(65536)
    began = monotonic()
    read(engine, (1, NOON + 70_000, 5.0))
    wanted = f"[[1,{NOON + 70_000},5.0]]".encode()
    for at, one in enumerate(readers):
        while wanted not in heard[at]:
            heard[at] += one.recv(65536)
    assert monotonic() - began < 2.0
    for one in readers:
        one.close()


def test_a_service_that_stops_sends_its_readers_away(smoke: Settings) -> None:
    with serving(smoke) as (process, address), subscribed(address, datastream="1") as stream:
        stream.until("readings")
        began = monotonic()
        process.send_signal(signal.SIGINT)
        with pytest.raises((EOFError, httpx.RemoteProtocolError)):
            while True:
                stream.next()
        assert process.wait(timeout=20) == 0
        assert monotonic() - began < 4.5  # the grace of those that do not end is five seconds
