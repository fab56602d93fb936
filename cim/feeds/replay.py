"""Messages brought again: those of a file at any speed, and those that could not come in."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from cim.errors import NotFound
from cim.feeds.alarms.judge import judge
from cim.feeds.book import Book
from cim.feeds.collecting import BATCH, now
from cim.feeds.ingest import Item, Ways, decode, ingest
from cim.feeds.reading import Decoded, Fault, Message
from cim.feeds.recorded import Line, lines
from cim.feeds.sources import Feed, read
from cim.settings import Settings
from cim.store import feeding
from cim.store.queries.feeds import letters as queries
from cim.store.queries.feeds import resolving

Progress = Callable[[int], None]

TICK: Final = 0.1
"""Seconds of a file that are brought together where it is replayed in its own time."""


@dataclass(frozen=True)
class How:
    """How a file is replayed."""

    speed: float = 0.0
    """Seconds of the file to a second; 0 is as fast as can be."""

    shift: bool = False
    """As if the first message came now."""

    correct: bool = False
    dry: bool = False
    """Nothing is kept: a thousand messages are taken in and given up, and so on."""


def replay(
    settings: Settings, name: str, path: Path, how: How, progress: Progress = lambda n: None
) -> Counter[str]:
    """Bring the messages of a file as a feed would; how many readings had which fate.

    What is older than raw readings are kept comes in too, and a line that is no message becomes a
    dead letter. `progress` is told how many messages were brought since it was told last. NotFound
    for a feed that there is not.
    """
    return asyncio.run(_replay(settings, name, path, how, progress))


async def _replay(
    settings: Settings, name: str, path: Path, how: How, progress: Progress
) -> Counter[str]:
    connection = await feeding.opener(settings)()
    fates: Counter[str] = Counter()
    ways = Ways(judge=judge, any_age=True, correct=how.correct)
    try:
        feed = await _feed(connection, name)
        began, first = time.monotonic(), None
        for batch in _batches(lines(path), how):
            first = batch[0].at if first is None else first
            if how.speed:
                due = began + (batch[-1].at - first) / 1_000_000 / how.speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            shift = now() - first if how.shift and not how.speed else 0
            if how.shift and how.speed:
                shift = int((time.time() - (time.monotonic() - began)) * 1_000_000) - first
            items = [_item(feed, line) for line in batch]
            await _shifted(items, ways, shift)
            async with _kept(connection, ways, how):
                outcome = await ingest(connection, items, ways, now())
            for (_, fate), number in outcome.fates.items():
                fates[fate] += number
            progress(len(batch))
    finally:
        if ways.codecs is not None:
            await ways.codecs.close()
        await feeding.close(connection)
    return fates


@asynccontextmanager
async def _kept(connection: Any, ways: Ways, how: How) -> AsyncIterator[None]:
    """What is taken in within is kept; or, dry, given up with what was learnt of it."""
    if not how.dry:
        yield
        return
    around = connection.transaction()
    await around.start()
    try:
        yield
    finally:
        await around.rollback()
        ways.book = Book()


async def _feed(connection: Any, name: str) -> Feed:
    found = read(await connection.fetch(resolving.FEEDS)).get(name)
    if found is None:
        raise NotFound(f"There is no feed {name}.", f"没有接入源 {name}。")
    return found


def _batches(found: Iterator[Line], how: How) -> Iterator[list[Line]]:
    """Messages that are brought together: at most a thousand, near in time where that counts."""
    batch: list[Line] = []
    span = TICK * 1_000_000 * max(how.speed, 0.0)
    for line in found:
        if batch and (len(batch) >= BATCH or (span and line.at - batch[0].at > span)):
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


def _item(feed: Feed, line: Line) -> Item:
    message = Message(line.topic, "", line.at or now(), feed.options)
    item = Item(feed, line.payload, message, feed.sender(line.topic) if line.topic else None)
    if line.fault:
        item.decoded = Decoded(faults=[Fault("not_decodable", line.fault)])
    return item


async def _shifted(items: Sequence[Item], ways: Ways, shift: int) -> None:
    """Decode, and move what was measured by so many microseconds."""
    await decode(items, ways)
    if not shift:
        return
    for item in items:
        assert item.decoded is not None
        came = item.message.received_at
        item.decoded.readings = [
            msgspec.structs.replace(one, at=(came if one.at is None else one.at) + shift)
            for one in item.decoded.readings
        ]


def again(
    settings: Settings, connection: Connection, chosen: dict[str, Any], *, correct: bool
) -> Counter[str]:
    """Bring dead letters again; those that come in are settled, the others say why not.

    `chosen` is feed, reason, ids as `queries.LETTERS` takes them. How many came in (`settled`), and
    how many of which reason did not.
    """
    with asyncio.Runner() as runner:
        return _Again(runner, settings, correct).run(connection, chosen)


class _Again:
    """One call of `again`: an asynchronous connection that writes readings, beside ours."""

    def __init__(self, runner: asyncio.Runner, settings: Settings, correct: bool) -> None:
        self._runner = runner
        self._open = feeding.opener(settings)
        self._ways = Ways(judge=judge, any_age=True, correct=correct, keeps_letters=False)

    async def _connect(self) -> Any:
        return await self._open()

    def run(self, connection: Connection, chosen: dict[str, Any]) -> Counter[str]:
        fates: Counter[str] = Counter()
        driver: Any = self._runner.run(self._connect())
        try:
            feeds = read(self._runner.run(driver.fetch(resolving.FEEDS)))
            after = 0
            while True:
                asked = {**chosen, "settled": False, "after": after, "limit": BATCH}
                rows = connection.execute(queries.LETTERS, asked).all()
                if not rows:
                    return fates
                after = rows[-1].id
                for feed in feeds.values():
                    mine = [row for row in rows if row.feed == feed.name and row.payload]
                    if mine:
                        fates += self._bring(driver, connection, feed, mine)
                connection.commit()
        finally:
            self._runner.run(feeding.close(driver))
            if self._ways.codecs is not None:
                self._runner.run(self._ways.codecs.close())

    def _bring(
        self, driver: Any, connection: Connection, feed: Feed, rows: Sequence[Any]
    ) -> Counter[str]:
        items = []
        for row in rows:
            came = int(row.received_at.timestamp() * 1_000_000)
            message = Message(row.topic, row.content_type or "", came, feed.options)
            sender = row.sender
            if sender is None and row.topic:
                sender = feed.sender(row.topic)
            items.append(Item(feed, bytes(row.payload), message, sender))
        outcome = self._runner.run(ingest(driver, items, self._ways, now()))
        settled = [row.id for place, row in enumerate(rows) if place not in outcome.faults]
        failed = [(rows[place].id, faults[0]) for place, faults in outcome.faults.items()]
        if settled:
            connection.execute(queries.SETTLE, {"ids": settled})
        if failed:
            connection.execute(
                queries.FAILED,
                {
                    "ids": [id for id, _ in failed],
                    "reasons": [fault.reason for _, fault in failed],
                    "details": [fault.detail[:1000] for _, fault in failed],
                },
            )
        return Counter(settled=len(settled)) + Counter(fault.reason for _, fault in failed)
