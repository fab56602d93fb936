"""Readings that the book does not know yet: looked up together, made where their feed may."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from cim.feeds import fitting
from cim.feeds.book import Book
from cim.feeds.fitting import Shape
from cim.feeds.reading import Fault, Reading
from cim.feeds.sources import Feed, Place
from cim.store.queries.feeds import resolving as queries


class Wanted(msgspec.Struct, gc=False):
    """One key that is looked up, with a reading that asks for it."""

    key: str
    feed: Feed
    sender: str | None
    reading: Reading
    device_id: int = 0
    class_code: str = ""
    place: Place | None = None

    @property
    def stream(self) -> str:
        """The name of the stream."""
        return (self.place and self.place.stream) or self.reading.stream


async def resolve(connection: Any, book: Book, wanted: Iterable[Wanted]) -> None:
    """Put into the book what is found, and why for what is not.

    Each is looked up once, all of a feed together. Devices and streams that a feed makes are
    written at once: they stay whatever becomes of the batch.
    """
    feeds: dict[int, list[Wanted]] = defaultdict(list)
    for one in wanted:
        feeds[one.feed.id].append(one)
    for together in feeds.values():
        feed = together[0].feed
        sent = [one for one in together if one.sender is not None]
        trusted = [one for one in together if one.sender is None]
        known: list[Wanted] = []
        if trusted:
            known += await _trusted(connection, book, feed, trusted)
        if sent:
            known += await _sent(connection, book, feed, sent)
        if known:
            await _streams(connection, book, feed, known)


async def _trusted(
    connection: Any, book: Book, feed: Feed, wanted: Sequence[Wanted]
) -> list[Wanted]:
    """Devices of the feed's source, whoever says so."""
    left = await _devices(connection, feed, wanted)
    if left and feed.provision == "devices":
        names = [one.reading.device for one in left]
        made_as = str(feed.options.get("class", "other"))
        await connection.execute(queries.NEW_DEVICES, feed.source_id, made_as, names)
        left = await _devices(connection, feed, left)
    for one in left:
        book.miss(one.key, Fault("no_device", one.reading.device[:80]))
    return [one for one in wanted if one.device_id]


async def _devices(connection: Any, feed: Feed, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Find devices by their keys; those that were not found."""
    names = [one.reading.device for one in wanted]
    for row in await connection.fetch(queries.DEVICES, feed.source_id, names):
        one = wanted[row["n"] - 1]
        one.device_id, one.class_code = row["id"], row["class_code"]
    return [one for one in wanted if not one.device_id]


async def _sent(connection: Any, book: Book, feed: Feed, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Devices that the sender is, or that speak through it."""
    senders = [one.sender for one in wanted]
    names = [one.reading.device for one in wanted]
    found = []
    for row in await connection.fetch(queries.SENT, feed.source_id, senders, names):
        one = wanted[row["n"] - 1]
        if row["id"] is not None:
            one.device_id, one.class_code = row["id"], row["class_code"]
            found.append(one)
        elif row["sender"] is None:
            book.miss(one.key, Fault("wrong_key", f"sender {(one.sender or '')[:80]}"))
        else:
            reason = "not_yours" if row["known"] else "no_device"
            book.miss(one.key, Fault(reason, one.reading.device[:80]))
    return found


async def _streams(connection: Any, book: Book, feed: Feed, wanted: Sequence[Wanted]) -> None:
    """Streams by name, as the feed's map calls them; made where type or feed know them."""
    named = []
    for one in wanted:
        one.place = feed.place(one.class_code, one.reading.device, one.reading.stream)
        if one.place is not None and one.place.stream is None:
            book.leave_out(one.key)
        else:
            named.append(one)
    left = await _known(connection, book, named)
    if left:
        columns = [one.device_id for one in left], [one.stream for one in left]
        await connection.execute(queries.TYPED, *columns)
        left = await _known(connection, book, left)
    if left and feed.provision != "none":
        await _make(connection, left)
        left = await _known(connection, book, left)
    for one in left:
        what = f"{one.reading.device[:80]}, {one.stream[:80]}"
        book.miss(one.key, Fault("no_stream", what))


async def _make(connection: Any, wanted: Sequence[Wanted]) -> None:
    """Streams as their first reading has them."""
    kinds = ["text" if one.reading.value is None else "number" for one in wanted]
    units = [one.reading.unit or (one.place and one.place.unit) for one in wanted]
    columns = [one.device_id for one in wanted], [one.stream for one in wanted], kinds, units
    await connection.execute(queries.UNTYPED, *columns)


async def _known(connection: Any, book: Book, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Enter the streams that there are; those that there are not."""
    if not wanted:
        return []
    there = set()
    columns = [one.device_id for one in wanted], [one.stream for one in wanted]
    for row in await connection.fetch(queries.STREAMS, *columns):
        one = wanted[row["n"] - 1]
        book.add(one.key, row["id"], shape_of(row, one.place))
        there.add(one.key)
    return [one for one in wanted if one.key not in there]


def shape_of(row: Any, place: Place | None = None) -> Shape:
    """How readings are fitted; a row has result_type, unit_ucum, low, high, ruled, days."""
    texts = tuple((place.texts or {}).items()) if place is not None else ()
    return Shape(
        result_type=row["result_type"],
        unit=row["unit_ucum"],
        days=row["days"],
        ruled=row["ruled"],
        given=place.unit if place is not None else None,
        scale=place.scale if place is not None else 1.0,
        offset=place.offset if place is not None else 0.0,
        texts=tuple((given, _hashable(meant)) for given, meant in texts),
        **fitting.limits(row["low"], row["high"]),
    )


def _hashable(meant: Any) -> Any:
    return meant if isinstance(meant, str | int | float) else str(meant)
