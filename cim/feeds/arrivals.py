"""When messages without a time arrived first, in case they come again.

A reading that says no time has the time of its arrival. Where an ingester dies after the commit and
before its acknowledgement, the broker sends the message again, by the same number of the same
session and marked as such: it has the time then that it had, and is stored once. Kept in the
transaction of its readings, for as many messages as can be under way, and a hash of each alone.
"""

import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from cim.feeds.reading import Message
from cim.store.queries.feeds import writing as queries

SIZE: Final = 8
"""Bytes of a hash."""

KEPT: Final = 5_000
"""Messages of a session that are remembered, at least: more than a broker sends ahead."""

EVERY: Final = 50
"""Batches after which those are forgotten that were before."""

_ENTRY: Final = struct.Struct(f"!H{SIZE}sq")


class Arrival(msgspec.Struct, gc=False):
    """By what a message is known where it comes again."""

    session: str
    """What we call ourselves to the broker."""

    number: int
    """Of the packet, in this session."""

    again: bool = False
    """The broker says that it has sent it before."""

    began: int = 0
    """When the session began, µs since 1970, where it began with this connection: numbers of the
    one before are no longer its own."""


Untimed = tuple[Arrival, Message, bytes]
"""A message of which a reading says no time, and its payload."""


async def recall(connection: Any, untimed: Sequence[Untimed]) -> list[Message]:
    """The messages, each with the time when it arrived first."""
    sessions = {arrival.session for arrival, _, _ in untimed if arrival.again}
    began = {arrival.session: arrival.began for arrival, _, _ in untimed}
    known: dict[tuple[str, int], tuple[bytes, int]] = {}
    for session in sessions:
        for row in await connection.fetch(queries.ARRIVED, session):
            for number, digest, at in _ENTRY.iter_unpack(row["entries"]):
                if at >= began[session]:
                    known[session, number] = digest, at
    found = []
    for arrival, message, payload in untimed:
        digest, at = known.get((arrival.session, arrival.number), (b"", 0))
        if arrival.again and digest == _hash(message, payload):
            found.append(msgspec.structs.replace(message, received_at=at))
        else:
            found.append(message)
    return found


async def forget(connection: Any, sessions: Mapping[str, int]) -> None:
    """Forget what came before each of these sessions began, µs since 1970."""
    for session, began in sorted(sessions.items()):
        await connection.execute(queries.BEGIN_ARRIVALS, session, began)


async def remember(connection: Any, untimed: Sequence[Untimed]) -> None:
    """Keep when they arrived, within a transaction."""
    sessions: dict[str, list[bytes]] = {}
    for arrival, message, payload in untimed:
        entry = _ENTRY.pack(arrival.number, _hash(message, payload), message.received_at)
        sessions.setdefault(arrival.session, []).append(entry)
    for session, entries in sorted(sessions.items()):
        id = await connection.fetchval(queries.ARRIVE, session, len(entries), b"".join(entries))
        if id % EVERY == 0:
            await connection.execute(queries.FORGET_ARRIVALS, session, KEPT)


def _hash(message: Message, payload: bytes) -> bytes:
    return blake2b(message.topic.encode() + b"\n" + payload, digest_size=SIZE).digest()
