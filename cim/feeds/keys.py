"""Whose key a message came with."""

from typing import Any

import msgspec

from cim.security import secrets
from cim.store.queries.feeds import keys as queries


class Found(msgspec.Struct, frozen=True):
    """A device or gateway that showed its key."""

    device_id: int
    username: str


async def find(connection: Any, key: str) -> Found | None:
    """Whose key that is, on a connection of the ingester; None where it is nobody's any more."""
    row = await connection.fetchrow(queries.SENDER, secrets.digest(key))
    if row is None:
        return None
    await connection.execute(queries.USED, row["id"])
    return Found(row["device_id"], row["username"])
