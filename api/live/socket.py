"""A socket whose subscription may change as often as a camera moves."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import orjson
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.errors import public, status_of
from api.live import frames
from api.live.alarms import LOST
from api.live.asking import asked
from api.live.callers import Listener
from api.live.frames import WHO, Mark
from api.live.hub import Hub
from cim.errors import CimError, InvalidQuery, TooMany

OFTEN: Final = 5.0
"""Subscriptions of one socket in a second, over some seconds."""

AT_ONCE: Final = 30.0
"""Subscriptions that may come at once."""

IDLE: Final = 30.0
"""Seconds that a socket may be open without a subscription: it holds one of the places."""

OVER, LATER, MUCH = 1001, 1013, 1008
"""Codes with which a socket is closed: come again; come again later, it was not read or nothing
can be heard now; too many messages."""

FAULT: Final = 500
"""From which status on an error is none of who asked: the same question may be answered later."""


class Socket:
    """One socket: the last subscription that was asked for is the one that is sent."""

    def __init__(self, websocket: WebSocket, hub: Hub, listener: Listener) -> None:
        """Accepted already."""
        self.websocket, self.hub, self.listener = websocket, hub, listener
        self._sending: asyncio.Task[None] | None = None
        self._owed = monotonic()
        self._met = False

    async def run(self) -> None:
        """Until one of both sides ends it."""
        try:
            async with self.hub.seat(self.listener.who):
                while True:
                    await self._take(await self._next())
        except TooMany as error:
            await self._refuse(error)
            await self._close(MUCH)
        except (WebSocketDisconnect, KeyError):  # a message of bytes has no text
            await self._close(MUCH)
        except TimeoutError:
            await self._close(OVER)
        finally:
            await self._stop()

    async def _next(self) -> str:
        """The next message; TimeoutError where nothing is subscribed to for a while."""
        while True:
            idle = self._sending is None or self._sending.done()
            try:
                async with asyncio.timeout(IDLE):
                    return await self.websocket.receive_text()
            except TimeoutError:
                if idle:
                    raise

    async def _take(self, message: str) -> None:
        """Change the subscription; what is wrong with it is said, and the last goes on."""
        now = monotonic()
        self._owed = max(self._owed, now) + 1 / OFTEN
        if self._owed - now > AT_ONCE / OFTEN:
            raise TooMany("Subscriptions change too often.", "订阅变更过于频繁。", 5)
        try:
            given = _read(message)
            after = given.pop("after", None)
            ask = asked(given)
        except CimError as error:
            await self._refuse(error)
            return
        await self._stop()
        since = Mark.read(after) if isinstance(after, str) else None
        self._sending = asyncio.create_task(self._send(ask, since))

    async def _send(self, ask: Any, since: Mark | None) -> None:
        """What there is, then what comes; the socket is closed where that ends."""
        if not self._met:
            self._met = True
            await self._say(WHO, self.listener.known.told)
        try:
            async with self.hub.joined(ask, self.listener.known.audience, since) as (begin, reader):
                while begin:  # let go of as it is sent: a subscription lasts
                    await self.websocket.send_text(begin.pop(0).message)
                while (each := await reader.next()) is not None:
                    await self.websocket.send_text(each.message)
                    if not await self.listener.good():
                        await self._close(OVER)
                        return
                await self._close(OVER if self.hub.stopping else LATER)
        except CimError as error:
            await self._refuse(error)
            if status_of(error) >= FAULT:
                await self._close(LATER)
        except LOST:
            await self._close(LATER)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it was closed meanwhile

    async def _refuse(self, error: CimError) -> None:
        await self._say("refused", said(error))

    async def _say(self, event: str, data: dict[str, Any]) -> None:
        """What is for this one alone, and is no part of what there is to hear."""
        with suppress(WebSocketDisconnect, RuntimeError):
            await self.websocket.send_text(frames.of(event, data, None).message)

    async def _stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending
            self._sending = None

    async def _close(self, code: int) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self.websocket.close(code)


def said(error: CimError) -> dict[str, Any]:
    """An error as it is told over a socket."""
    told = public(error)
    return {"status": status_of(error), "detail": str(told), "detail_zh": told.zh}


async def deny(websocket: WebSocket, error: CimError) -> None:
    """Refuse a socket before it is one, as any request is."""
    await websocket.send_denial_response(JSONResponse(said(error), status_of(error)))


def _read(message: str) -> dict[str, Any]:
    try:
        found = orjson.loads(message)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, Mapping):
        raise InvalidQuery("A message must be a JSON object.", "消息必须为 JSON 对象。")
    return dict(found)
