"""Tickets: what lets a page of another place, whose browser sends no key along, begin to listen.

A ticket is sealed, good for half a minute and once. It holds what its caller may hear, never a key.
"""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

import orjson

from api.access import Caller
from api.security.gate import Gate
from cim.errors import NotAllowed, PrivacyError, UnknownKey
from cim.security.rights import CITY_READ, LIVING_READ, Right, read
from cim.security.secrets import digest
from cim.store.queries.security import callers as queries

PURPOSE: Final = "live.ticket"
GOOD: Final = 30
"""Seconds for which a ticket may be used."""

LONGEST: Final = 8_000
"""Characters of a ticket: a role for thousands of single areas does not fit into an address."""

SWEPT: Final = 3600.0
"""Seconds between two sweepings of what is known of old ones."""

HEARD: Final = (CITY_READ, LIVING_READ)
"""The rights that go by a ticket: to hear, and nothing else."""


class Tickets:
    """Makes them, and takes each once, whichever process of the service made it."""

    def __init__(self, gate: Gate) -> None:
        """By the key that seals what only the service may read."""
        self.gate = gate
        self._swept = monotonic()

    async def make(self, caller: Caller) -> str:
        """A ticket for a caller; NotAllowed where it would be too long."""
        until = datetime.now(UTC) + timedelta(seconds=GOOD)
        rights = [_line(right) for right in caller.rights.only(HEARD).rights]
        told = {"nonce": secrets.token_urlsafe(18), "until": until.timestamp(), "rights": rights}
        (sealed,) = self.gate.vault.encrypt([orjson.dumps(told).decode()], PURPOSE)
        ticket = base64.urlsafe_b64encode(sealed or b"").decode().rstrip("=")
        if len(ticket) > LONGEST:
            raise NotAllowed(
                "This role is for too many areas to go by a ticket; send the key itself.",
                "该角色授权的区域过多，无法使用一次性票据，请直接发送密钥。",
            )
        if monotonic() - self._swept > SWEPT:
            self._swept = monotonic()
            await self.gate.note(queries.sweep())
        return ticket

    async def take(self, ticket: str) -> Caller:
        """Whose ticket it is, once; UnknownKey for any other."""
        told = self._opened(ticket)
        if told is None or told["until"] < datetime.now(UTC).timestamp():
            raise _bad()
        used = digest(f"{PURPOSE}:{told['nonce']}")
        if await self.gate.store.row(queries.take(used, 1, 30.0 * 24 * 3600)) is None:
            raise _bad()
        return Caller(rights=read(told["rights"]))

    def _opened(self, ticket: str) -> dict[str, Any] | None:
        if len(ticket) > LONGEST:
            return None
        try:
            sealed = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
            (text,) = self.gate.vault.decrypt([sealed], PURPOSE)
        except (ValueError, PrivacyError):
            return None
        found: dict[str, Any] = orjson.loads(text or "null")
        return found


def _line(right: Right) -> list[Any]:
    """A right as `cim.security.rights.read` takes it."""
    where = right.where
    fields = None if right.fields is None else sorted(right.fields)
    areas, grids = (None, None) if where is None else (list(where.areas), list(where.grids))
    return [right.role, right.scope, right.collection, fields, right.secrecy, areas, grids]


def _bad() -> UnknownKey:
    return UnknownKey(
        "This ticket was used, or is older than half a minute: ask for another.",
        "票据已被使用或已过期（30 秒），请重新获取。",
    )
