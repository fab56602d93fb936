"""How much a caller may ask in a time: an account, a key, or an address of nobody known.

Counted by the generic cell rate algorithm in memory that the workers of one machine share: one
number a caller, a microsecond a request, and no word to the database. Several machines count each
for itself.
"""

import mmap
import os
from collections import OrderedDict
from hashlib import blake2b
from ipaddress import ip_address
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import is_local, is_loopback
from api.errors import problem
from api.security.cookies import name as cookie_name
from api.serving.metrics import Measures
from cim.settings import Settings

SLOTS: Final = 1 << 17
"""Callers that are counted apart; two megabytes."""

TRIES: Final = 4
"""Slots that are looked at for one caller."""

BURST: Final = 20.0
"""Seconds' worth that may be asked at once."""

REMEMBERED: Final = 10_000
"""Credentials a worker remembers as good."""

FREE = ("/assets/", "/cesium/", "/docs-assets/", "/health", "/ready", "/favicon")
COSTS: Final[tuple[tuple[str, float], ...]] = (
    ("/tiles/", 0.2),
    ("/terrain/", 0.2),
    ("/counts", 10.0),
    ("/units/by-ids", 20.0),
    ("/features/", 5.0),
    ("/within", 10.0),
    ("/style", 10.0),
    ("/nearest", 2.0),
    ("/addresses", 2.0),
    ("/quality", 5.0),
    ("/city", 2.0),
    ("/changes", 2.0),
    ("/uploads", 0.5),
)
"""What a request below an address counts for; one where nothing is said."""

ITEMS: Final = 5.0
"""What a page of a collection counts for."""


class Buckets:
    """Who has asked how much, as a time for each: when all that was asked has been made good."""

    def __init__(self, file: Path | None = None) -> None:
        """Shared by all who name the same file; alone without one."""
        size = SLOTS * 16
        if file is None:
            self._memory = mmap.mmap(-1, size)
        else:
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.ftruncate(handle, size)
                self._memory = mmap.mmap(handle, size)
            finally:
                os.close(handle)
        self._marks = memoryview(self._memory).cast("Q")
        self._times = memoryview(self._memory).cast("d")

    def take(self, who: bytes, cost: float, rate: float, now: float) -> tuple[bool, float]:
        """Whether `who` may ask for `cost` now, at `rate` a second; and the seconds it owes then.

        Two workers may count at once and one be lost: that is little, and to the caller's good.
        """
        slot = self._slot(who, now)
        owed = max(self._times[slot] - now, 0.0)
        after = owed + cost / rate
        if after > BURST:
            return False, owed
        self._times[slot] = now + after
        return True, after

    def _slot(self, who: bytes, now: float) -> int:
        """Where the time of a caller stands; the last slot tried is shared where all are taken."""
        mark = int.from_bytes(who[:8], "little") | 1
        begin = int.from_bytes(who[8:12], "little")
        free = None
        for step in range(TRIES):
            slot = 2 * ((begin + step) % SLOTS)
            if self._marks[slot] == mark:
                return slot + 1
            if free is None and self._times[slot + 1] <= now:
                free = slot
        if free is not None:
            self._marks[free] = mark
            self._times[free + 1] = 0.0
            return free + 1
        return slot + 1


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
        self.cookie = f"{cookie_name(settings)}=".encode()
        self._good: OrderedDict[bytes, bytes] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limits."""
        cost = cost_of(scope) if scope["type"] == "http" else 0.0
        if not cost:
            await self.app(scope, receive, send)
            return
        credential = self._credential(scope)
        who = self._good.get(credential) if credential else None
        kind = "known" if who else "nobody"
        rate = self.rates[kind]
        if not rate or _at_home(scope):
            await self._passed(credential, scope, receive, send)
            return
        allowed, owed = self.buckets.take(who or _place(scope), cost, rate, monotonic())
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

        await self._passed(credential, scope, receive, told)

    async def _passed(
        self, credential: bytes | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on, and remember whose the credential turned out to be, or that it is nobody's."""
        await self.app(scope, receive, send)
        if credential is None:
            return
        who = scope["state"].get("who")
        if who is None:
            return
        if credential not in self._good and len(self._good) >= REMEMBERED:
            self._good.popitem(last=False)
        self._good[credential] = _digest(b"who", who.encode())

    def _credential(self, scope: Scope) -> bytes | None:
        """What a caller shows of who they are, as a digest; whether it is good is not asked here.

        One that has ended is refused behind us, and counted until then as whose it was.
        """
        for name, value in scope["headers"]:
            if name == b"authorization":
                return _digest(b"key", value)
            if name == b"cookie" and self.cookie in value:
                return _digest(b"cookie", value.partition(self.cookie)[2].partition(b";")[0])
        return None


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


def _digest(kind: bytes, value: bytes) -> bytes:
    return blake2b(value, digest_size=12, person=kind).digest()


def _at_home(scope: Scope) -> bool:
    """Whether a request began on this machine; the same rule as the demo's."""
    client = scope["client"][0] if scope["client"] else ""
    return is_loopback(client) and is_local(Headers(scope=scope), client)


def _place(scope: Scope) -> bytes:
    """Where a caller who is not known comes from: an address, or the network of a newer one."""
    client = scope["client"][0] if scope["client"] else ""
    try:
        address = ip_address(client)
    except ValueError:
        return _digest(b"place", client.encode())
    packed = address.packed
    return _digest(b"place", packed if len(packed) == 4 else packed[:8])
