"""Pushes on their way in wait within bounds."""

import asyncio
from typing import Any

import pytest

from api.database.pushing import Pushing
from cim.errors import StoreBusy
from cim.feeds import collecting
from cim.feeds.reading import Message
from cim.feeds.sources import Feed
from cim.settings import Settings

LARGE = bytes(4 << 20)
FITTING = collecting.CROWD_BYTES // len(LARGE) + 1


def test_large_pushes_wait_as_far_as_there_is_room_and_others_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def slow() -> Any:
        await asyncio.Event().wait()

    async def go() -> int:
        pushing = Pushing(Settings(_env_file=None))
        monkeypatch.setattr(pushing, "open", slow)  # a database that does not answer in time
        feed = Feed(1, "pushed", "http", "cim", 1)

        def push(payload: bytes) -> asyncio.Task[Any]:
            return asyncio.create_task(pushing.take(feed, payload, Message(), None))

        first = push(b"1")
        await asyncio.sleep(0.1)  # it is being written
        tasks = [push(LARGE) for _ in range(FITTING + 5)]
        await asyncio.sleep(0.1)
        turned_away = [task for task in tasks if task.done()]
        assert all(isinstance(task.exception(), StoreBusy) for task in turned_away)
        others = [first, *(task for task in tasks if not task.done())]
        others += [way.task for way in pushing._ways.values()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return len(turned_away)

    assert asyncio.run(go()) == 5
