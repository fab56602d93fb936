"""Who has written is answered by the primary until the replica knows of it.

How far the log was is kept by what a caller shows (a key, a session), shared by the workers of one
machine; and told in `X-Written`, which a caller may send to another machine to be served so there.
"""

from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.database.replica import NEEDED, PRIMARY, Replica
from api.serving.guard import reads
from api.serving.shared import Numbers, shown
from cim.settings import Settings

HEADER = b"x-written"


class Fresh:
    """Notes who writes, and says of each request how new what it reads must be."""

    def __init__(self, app: ASGIApp, settings: Settings, file: Path | None = None) -> None:
        """Wrap the app; `file` is what the workers share."""
        self.app, self.settings, self.numbers = app, settings, Numbers(file)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        replica: Replica | None = None
        if scope["type"] == "http":
            replica = getattr(scope["app"].state, "replica", None)
        if replica is None:
            await self.app(scope, receive, send)
            return
        who = shown(scope, self.settings)
        if reads(scope):
            known = self.numbers.get(who)
            NEEDED.set(max(known, given(scope, replica.written)))
            await self.app(scope, receive, send)
            return
        NEEDED.set(PRIMARY)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                reached = await replica.reached()
                self.numbers.put(who, reached, replica.replayed)
                message["headers"] = [*message["headers"], (HEADER, b"%d" % reached)]
            await send(message)

        await self.app(scope, receive, noted)


def given(scope: Scope, most: float) -> float:
    """How far a caller says to have written; not beyond what there is, so that nobody can demand
    the primary for ever."""
    said = next((value for name, value in scope["headers"] if name == HEADER), b"")
    return min(float(said), most) if said.isdigit() and len(said) < 19 else 0.0
