"""A service that really listens, and readings as the ingester tells them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from sqlalchemy import Engine, text

from api.app import create_app
from api.command import configured
from cim.settings import Settings

Event = tuple[str, str, Any]
"""Name, id and data."""


@contextmanager
def listening(settings: Settings) -> Iterator[tuple[str, Any]]:
    """The address of a service that listens, and its app."""
    app = create_app(settings)
    config = configured(app, host="127.0.0.1", port=0)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    until = monotonic() + 30
    while not server.started and monotonic() < until:
        sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", app
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture(scope="module")
def smoke(city: Settings, engine: Engine) -> Settings:
    """The small city, whose smoke detector (device 4) has a stream, 4."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.datastream (id, device_id, name, observed_property) "
                "VALUES (4, 4, 'smoke', '烟雾浓度')"
            )
        )
    return city


@pytest.fixture(scope="module")
def served(smoke: Settings) -> Iterator[str]:
    with listening(smoke) as (address, _):
        yield address


def read(engine: Engine, *readings: tuple[int, int, float | str]) -> None:
    """Write readings (datastream, ms, value) and tell them, as the ingester does in one batch."""
    lines = "\n".join(f"{id},{ms},{json.dumps(value)}" for id, ms, value in readings)
    with engine.begin() as connection:
        for id, ms, value in readings:
            is_text = isinstance(value, str)
            connection.execute(
                text(
                    "UPDATE city.datastream SET last_value = :v, last_text = :t, quality = 0, "
                    "received_at = now(), last_at = to_timestamp(:ms / 1000.0) WHERE id = :id"
                ),
                {"v": None if is_text else value, "t": value if is_text else None}
                | {"ms": ms, "id": id},
            )
        connection.execute(text("SELECT pg_notify('cim_readings', :l)"), {"l": lines})


class Stream:
    """One subscription by server-sent events, read on until something has come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = answer.iter_lines()
        self.last = ""
        self.who: Any = None

    def next(self) -> Event:
        """The next event, beats included."""
        here: dict[str, str] = {}
        for line in self.lines:
            if not line:
                self.last = here.get("id", self.last)
                data = json.loads(here["data"]) if "data" in here else None
                event = here.get("event", "beat")
                if event == "who":
                    self.who = data
                elif "id" in here or data is not None:
                    return event, here.get("id", ""), data
                here = {}
            name, _, value = line.partition(": ")
            here[name] = value
        raise EOFError

    def until(self, name: str, true: Callable[[Any], bool] = lambda data: True) -> Any:
        """The data of the next event of that name for which something is true."""
        end = monotonic() + 25
        while monotonic() < end:
            event, _, data = self.next()
            if event == name and true(data):
                return data
        raise TimeoutError(name)


@contextmanager
def subscribed(address: str, headers: dict[str, str] | None = None, **ask: Any) -> Iterator[Stream]:
    with (
        httpx.Client(base_url=address, timeout=30) as client,
        client.stream("GET", "/live", params=ask, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        yield Stream(answer)
