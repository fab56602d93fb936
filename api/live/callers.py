"""Who listens: by a key, a session, a ticket, or as nobody; looked at again while they do."""

from dataclasses import dataclass, field
from random import uniform
from time import monotonic
from typing import Any, Final

from fastapi import Request
from starlette.requests import HTTPConnection

from api.access import Caller, is_loopback
from api.answers.cards import at_home
from api.deps import sight
from api.live.tickets import Tickets
from api.security.gate import Gate
from cim.errors import CimError
from cim.store.queries.feeds.live import Audience

AGAIN: Final = 60.0
"""Seconds between two looks whether somebody may still hear what they hear."""

LONGEST: Final = 900.0
"""Seconds after which it is over, give or take a tenth: clients come again where it ended."""

BY_TICKET: Final = 300.0
"""The same for who came by a ticket, whose rights are not looked at again."""


@dataclass(frozen=True)
class Known:
    """Who listens, and what they may: where any of it is another, what they hear ends."""

    audience: Audience = field(default_factory=Audience)
    actor: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def told(self) -> dict[str, Any]:
        """As who listens is told, by the same names as `GET /session`."""
        return {"actor": self.actor, "scopes": self.scopes}


def as_request(connection: HTTPConnection) -> Request:
    """What came with a socket, as with any request."""
    if isinstance(connection, Request):
        return connection
    scope = dict(connection.scope) | {"type": "http", "method": "GET"}
    scope["scheme"] = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    return Request(scope)


class Listener:
    """Somebody who listens, and may for some time."""

    def __init__(self, connection: HTTPConnection, gate: Gate, tickets: Tickets) -> None:
        """`enter` comes next."""
        self.request, self.gate, self.tickets = as_request(connection), gate, tickets
        self.known = Known()
        self._ticket = False
        self._until = self._again = 0.0

    async def enter(self, ticket: str | None) -> "Listener":
        """Find out who it is; UnknownKey where key or ticket are none.

        To listen is no use of a session: it would never be over for a page that is left open.
        """
        self._ticket = ticket is not None
        caller = await (self._caller() if ticket is None else self.tickets.take(ticket))
        self.known = await _known(caller)
        now = monotonic()
        self._again = now + AGAIN
        self._until = now + (BY_TICKET if self._ticket else LONGEST) * uniform(0.9, 1.1)
        return self

    @property
    def who(self) -> str | None:
        """By what the places of who listens are counted; None for this machine itself."""
        known: str | None = getattr(self.request.state, "who", None)
        client = self.request.client.host if self.request.client else ""
        return known or (None if is_loopback(client) else client)

    async def good(self) -> bool:
        """Whether it may go on: time is not over, and the rights are what they were."""
        now = monotonic()
        if now > self._until:
            return False
        if now < self._again or self._ticket:
            return True
        self._again = now + AGAIN
        try:
            return await _known(await self._caller()) == self.known
        except CimError:
            return False

    async def _caller(self) -> Caller:
        return await self.gate.caller(self.request, used=False)


async def _known(caller: Caller) -> Known:
    audience = Audience.of(at_home(caller), await sight(caller))
    return Known(audience, caller.actor, tuple(sorted(caller.rights.scopes)))
