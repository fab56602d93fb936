"""The outermost step: each request gets a name and an origin, and is written down when it is over.

Written down are method, the route's pattern, status, time and who asked by number: never a path,
a query, a body or an address.
"""

import secrets
from time import perf_counter
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem
from api.serving.logs import Requests
from api.serving.metrics import Measures
from api.serving.proxies import Proxies
from cim.settings import Settings

NAMED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
"""Marks of a request's name."""

LONGEST_NAME = 64

LONGEST_ADDRESS = 65_500
"""Bytes of path and query together, as many as the server can read; more goes into a body."""

UPGRADED, REFUSED = 101, 403
"""What a socket that was opened is answered, and one that was not."""

LOST = 499
"""What is written down of a request whose asker left before the answer: no status of HTTP."""


class Edge:
    """Names a request, says where it came from, and notes how it went."""

    def __init__(self, app: ASGIApp, settings: Settings, measures: Measures | None = None) -> None:
        """Wrap the app."""
        self.app, self.proxies = app, Proxies(settings)
        self.requests = Requests() if settings.log != "faults" else None
        self.measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        begun, status, size = perf_counter(), LOST, 0
        state: dict[str, Any] = scope.setdefault("state", {})
        given = next((v for n, v in scope["headers"] if n == b"x-request-id"), b"")
        name = state["request_id"] = name_of(given)
        if self.proxies.networks and scope["client"]:
            address, scope["scheme"] = self.proxies.origin(scope)
            scope["client"] = (address, scope["client"][1])
        method = scope["method"]

        async def named(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", name.encode())]
            else:
                size += len(message.get("body", b""))
            await send(message)

        refusal = self.refusal(scope)
        measures, requests = self.measures, self.requests
        if measures:
            measures.begun()
        try:
            await (refusal or self.app)(scope, receive, named)
        finally:
            took = perf_counter() - begun
            if measures or requests:
                route = route_of(scope)
                if measures:
                    measures.ended((method, route, status), took)
                if requests:
                    requests.note(
                        {
                            "request": name,
                            "method": method,
                            "route": route,
                            "status": status,
                            "ms": round(took * 1000, 2),
                            "bytes": size,
                            "who": state.get("who"),
                        }
                    )

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A socket, which comes from where the proxies say, and to a host that is ours."""
        if scope["type"] == "websocket":
            scope.setdefault("state", {})["request_id"] = name_of(b"")
            if self.proxies.networks and scope["client"]:
                address, scope["scheme"] = self.proxies.origin(scope)
                scope["client"] = (address, scope["client"][1])
            await self._socket(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same, written down when it is over: refused, or how long it was open."""
        begun, status, state = perf_counter(), LOST, scope["state"]

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = UPGRADED
            elif message["type"] == "websocket.http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.close" and status == LOST:
                status = REFUSED
            await send(message)

        try:
            if self.proxies.answers_to(scope["headers"]):
                await self.app(scope, receive, seen)
            else:
                await seen({"type": "websocket.close", "code": 1008})
        finally:
            if self.requests:
                self.requests.note(
                    {
                        "request": state["request_id"],
                        "method": "GET",
                        "route": route_of(scope),
                        "status": status,
                        "ms": round((perf_counter() - begun) * 1000, 2),
                        "who": state.get("who"),
                    }
                )

    def refusal(self, scope: Scope) -> ASGIApp | None:
        """What is answered to a request that is none of ours, or too long."""
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_ADDRESS:
            return problem(
                Request({**scope, "path": "/", "query_string": b""}),
                414,
                f"The address is longer than {LONGEST_ADDRESS:,} bytes.",
                f"请求地址超过 {LONGEST_ADDRESS:,} 字节。",
            )
        if not self.proxies.answers_to(scope["headers"]):
            return problem(
                Request(scope),
                421,
                "This service does not go by that host.",
                "本服务不使用该主机名。",
            )
        return None


def name_of(given: bytes) -> str:
    """The name that a caller or proxy gave a request, where it is one; else a new one.

    >>> name_of(b"7f-a.1"), len(name_of(b"two words")), len(name_of(b"x" * 65))
    ('7f-a.1', 16, 16)
    """
    if given and len(given) <= LONGEST_NAME and NAMED.issuperset(given):
        return given.decode()
    return secrets.token_hex(8)


def route_of(scope: Scope) -> str:
    """The pattern of the address, such as /units/{id}/card; `-` where no route was asked."""
    found: str = getattr(scope.get("route"), "path", "-")
    return found
