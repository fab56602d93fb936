"""How much a caller may ask in a time: an account, a key, or an address of nobody known.

Counted by the generic cell rate algorithm in memory that the workers of one machine share: one
number a caller, a microsecond a request, and no word to the database. Several machines count each
for itself.
"""

from collections import OrderedDict
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import is_local, is_loopback
from api.errors import problem
from api.serving.metrics import Measures
from api.serving.shared import Numbers, credential, digest, place
from cim.settings import Settings

BURST: Final = 20.0
"""Seconds' worth that may be asked at once."""

REMEMBERED: Final = 10_000
"""Credentials a worker remembers as good."""

FREE = ("/assets/", "/cesium/", "/docs-assets/", "/health", "/favicon")
COSTS: Final[tuple[tuple[str, float], ...]] = (
    ("/tiles/", 0.2),
    ("/terrain/", 0.2),
    ("/counts", 10.0),
    ("/units/by-ids", 20.0),
    ("/buildings/by-ids", 20.0),
    ("/features/", 5.0),
    ("/within", 10.0),
    ("/style", 10.0),
    ("/nearest", 2.0),
    ("/addresses", 2.0),
    ("/quality", 5.0),
    ("/city", 2.0),
    ("/changes", 2.0),
    ("/uploads", 0.5),
    ("/live", 5.0),
    ("/feeds/", 0.05),
    ("/sta/v1.1/$batch", 20.0),
    ("/sta/", 2.0),
    ("/devices/health", 20.0),
    ("/devices/inspection", 20.0),
)
"""What a request below an address counts for; one where nothing is said."""

ITEMS: Final = 5.0
"""What a page of a collection counts for."""


class Buckets:
    """Who has asked how much, as a time for each: when all that was asked has been made good."""

    def __init__(self, file: Path | None = None) -> None:
        """Shared by all who name the same file; alone without one."""
        self._times = Numbers(file)

    def take(self, who: bytes, cost: float, rate: float, now: float) -> tuple[bool, float]:
        """Whether `who` may ask for `cost` now, at `rate` a second; and the seconds it owes then.

        A count that is lost between two workers is little, and to the caller's good.
        """
        owed = max(self._times.get(who) - now, 0.0)
        after = owed + cost / rate
        if after > BURST:
            return False, owed
        self._times.put(who, now + after, now)
        return True, after


class Rates:
    """Refuses what is too much, and tells everybody counted how much is left."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        buckets: Buckets,
        measures: Measures | None = None,
    ) -> None:
        """Wrap the app."""
        self.app, self.buckets, self.measures = app, buckets, measures
        self.rates = {"known": settings.rate_known, "nobody": settings.rate_nobody}
        self.policies = {
            kind: f'"{kind}";q={round(rate * BURST)};w={round(BURST)}'.encode()
            for kind, rate in self.rates.items()
        }
        self.settings = settings
        self._good: OrderedDict[bytes, bytes] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limits."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        cost = cost_of(scope) if scope["type"] == "http" else 0.0
        if not cost:
            await self.app(scope, receive, send)
            return
        shown = credential(scope, self.settings)
        who = self._good.get(shown) if shown else None
        kind = "known" if who else "nobody"
        rate = self.rates[kind]
        if not rate or begun_here(scope):
            await self._passed(shown, scope, receive, send)
            return
        allowed, owed = self.buckets.take(who or place(scope), cost, rate, monotonic())
        headers = [
            (b"ratelimit-policy", self.policies[kind]),
            (b"ratelimit", f'"{kind}";r={int((BURST - owed) * rate)};t={ceil(owed)}'.encode()),
        ]
        if not allowed:
            if self.measures:
                self.measures.limited.labels(kind).inc()
            wait = max(1, ceil(owed + cost / rate - BURST))
            answer = problem(
                Request(scope),
                429,
                f"Too many requests; wait {wait} seconds.",
                f"请求过于频繁，请等待 {wait} 秒。",
            )
            answer.headers["Retry-After"] = str(wait)
            answer.raw_headers.extend(headers)
            await answer(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._passed(shown, scope, receive, told)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sockets are counted by where they come from; what is said over them counts for itself."""
        rate = self.rates["nobody"]
        if rate and not begun_here(scope):
            allowed, _ = self.buckets.take(place(scope), cost_of(scope), rate, monotonic())
            if not allowed:
                await send({"type": "websocket.close", "code": 1013})
                return
        await self.app(scope, receive, send)

    async def _passed(
        self, shown: bytes | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on, and remember whose turned out to be what was shown.

        What has ended since is refused behind us, and counted as whose it was.
        """
        await self.app(scope, receive, send)
        who = scope["state"].get("who") if shown else None
        if shown is None or who is None:
            return
        if shown not in self._good and len(self._good) >= REMEMBERED:
            self._good.popitem(last=False)
        self._good[shown] = digest(b"who", who.encode())


def cost_of(scope: Any) -> float:
    """What a request counts for; 0 for what anybody may have as often as they like.

    >>> [cost_of({"path": path}) for path in ("/assets/x.js", "/units/1/card", "/tiles/3d/a/b")]
    [0.0, 1.0, 0.2]
    >>> cost_of({"path": "/ogc/collections/units/items"})
    5.0
    """
    path: str = scope["path"]
    if path.startswith(FREE):
        return 0.0
    if path.startswith("/ogc/"):
        return ITEMS if path.endswith("/items") else 1.0
    for prefix, cost in COSTS:
        if path.startswith(prefix):
            return cost
    return 1.0


def begun_here(scope: Scope) -> bool:
    """Whether a request began on this machine; the same rule as the demo's."""
    client = scope["client"][0] if scope["client"] else ""
    return is_loopback(client) and is_local(Headers(scope=scope), client)
