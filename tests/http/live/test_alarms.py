"""Alarms as they come: raised and ended by readings as the ingester judges them."""

import asyncio
from collections.abc import Callable
from time import time
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.feeds.alarms.judge import judge
from cim.feeds.writing import Changed
from cim.settings import Settings
from cim.store import feeding
from tests.http.live.conftest import subscribed

Say = Callable[..., None]


@pytest.fixture(scope="module")
def lift(smoke: Settings, engine: Engine) -> Settings:
    """The lift of the first entrance has a stream of faults, 5, and the meter of 201 one, 6."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.datastream (id, device_id, name, observed_property, result_type) "
                "VALUES (5, 1, 'fault', 'fault', 'code')"
            )
        )
    return smoke


@pytest.fixture
def say(lift: Settings) -> Say:
    """Has the ingester judge what a stream says, in a transaction of its own."""
    last: dict[int, tuple[str, int]] = {}

    def said(value: str, stream: int = 5) -> None:
        async def work() -> None:
            connection = await feeding.opener(lift)()
            try:
                async with connection.transaction():
                    at = int(time() * 1e6)
                    before, when = last.get(stream, (None, None))
                    changed = Changed(
                        datastream_id=stream, at=at, value=None, text=value, quality=0,
                        previous_value=None, previous_text=before, previous_at=when,
                    )  # fmt: skip
                    last[stream] = (value, at)
                    await connection.execute(
                        "UPDATE city.datastream SET last_text = $2, last_at = now() WHERE id = $1",
                        stream,
                        value,
                    )
                    await judge(connection, [changed])
            finally:
                await feeding.close(connection)

        asyncio.run(work())

    return said


def test_an_alarm_is_heard_when_it_begins_and_when_it_ends(
    lift: Settings, served: str, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live.hub.BEATS", 1.0)
    with (
        subscribed(served, alarms="all") as city,
        subscribed(served, unit="301") as above,
        subscribed(served, unit="303") as elsewhere,
        subscribed(served, building="1", alarms="none") as quiet,
    ):
        for each in (city, above, elsewhere):
            assert each.until("alarms") == []
        quiet.until("readings")
        say("E32")
        (begun,) = city.until("alarm")
        assert begun["what"] == "begin" and begun["alarm"]["device"]["id"] == 1
        assert begun["alarm"]["affected"]["buildings"] == [1]
        assert above.until("alarm")[0]["entry"] == begun["entry"]
        with subscribed(served, alarms="all") as late:
            assert [one["id"] for one in late.until("alarms")] == [begun["alarm"]["id"]]
        say("0")
        (ended,) = city.until("alarm")
        assert ended["what"] == "end" and ended["alarm"]["ended"] is not None
        assert above.until("alarm")[0]["what"] == "end"
        for each in (elsewhere, quiet):  # the lift is none of the other entrance's
            while (event := each.next()[0]) in ("streams", "readings"):
                pass
            assert event == "beat"


def test_what_happened_while_one_was_cut_off_is_told_each_once(
    lift: Settings, served: str, say: Say
) -> None:
    with subscribed(served, alarms="all") as stream:
        stream.until("alarms")
    say("E32")
    say("0")
    with subscribed(served, {"Last-Event-ID": stream.last}, alarms="all") as again:
        assert again.until("alarms") == []
        told: list[Any] = again.until("alarm")
        kinds = [one["what"] for one in told]
        assert kinds[-2:] == ["begin", "end"] and len({one["entry"] for one in told}) == len(told)


def test_one_who_was_away_for_too_long_is_told_so_and_hears_what_is_open(
    lift: Settings, served: str, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subscribed(served, alarms="all") as stream:
        stream.until("alarms")
    away = {"Last-Event-ID": stream.last}
    for value in ("E32", "0", "E32"):
        say(value)
    monkeypatch.setattr("api.live.alarms.AGAIN", 2)
    with subscribed(served, away, alarms="all") as stream:
        assert len(stream.until("alarms")) == 1
        assert "GET /alarms" in stream.until("missed")["detail"]
    monkeypatch.setattr("api.live.alarms.BEHIND", -1)
    with subscribed(served, away, alarms="all") as stream:
        assert len(stream.until("alarms")) == 1 and stream.until("missed")["detail_zh"]
    say("0")


def test_open_alarms_are_those_of_now_after_nobody_listened(
    lift: Settings, served: str, say: Say
) -> None:
    with subscribed(served, alarms="all") as stream:
        assert stream.until("alarms") == []
    say("E32")
    with subscribed(served, alarms="all") as later:
        assert len(later.until("alarms")) == 1
    say("0")
    with subscribed(served, alarms="all") as later:
        assert later.until("alarms") == []
