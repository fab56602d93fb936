"""The server's protocol with patience that ends: for a request's head, and for who does not read.

The server itself waits for ever for the first byte, for the rest of a head, and for a reader.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_SECONDS = 15.0
"""Seconds in which the head of a request must have come, from its connection on."""

HEAD_BYTES = 100_000
"""Bytes that a head may have, the address included."""

READ_SECONDS = 60.0
"""Seconds in which somebody must take what waits to be sent: 64 KB at most."""


class Patient(HttpToolsProtocol):
    """Ends connections that are held open without being used."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent
        """Somebody connected, who should say what they want."""
        super().connection_made(transport)
        self._bytes = 0
        self._stuck: asyncio.TimerHandle | None = None
        self._waiting: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_waiting()
        self._stop_stuck()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins, on a connection that was kept perhaps."""
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._end)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._stop_waiting()
        self._bytes = 0
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """More of a request; a head that goes on for too long ends the connection."""
        super().data_received(data)
        if self._waiting is not None:  # what came was all of it head
            self._bytes += len(data)
            if self._bytes > HEAD_BYTES:
                self._refuse()

    def pause_writing(self) -> None:
        """Whoever asked takes nothing more for now."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(READ_SECONDS, self._abort)

    def resume_writing(self) -> None:
        """They do again."""
        self._stop_stuck()
        super().resume_writing()

    def shutdown(self) -> None:
        """The server stops: an answer that goes on for as long as it is read ends now."""
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete:
            ending = self.cycle.scope.get("state", {}).get("ending")
            if ending is not None:
                ending()

    def _refuse(self) -> None:
        said = b"The head of the request is too large.\n"
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said)
        )
        self._end()

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _stop_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None


class PatientSocket(WebSocketsSansIOProtocol):
    """The same patience with who opened a socket and does not read it."""

    _stuck: asyncio.TimerHandle | None = None

    async def send(self, message: Any) -> None:
        """Say something; a refusal that was said whole is no fault of ours to be written down."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def pause_writing(self) -> None:
        """Whoever listens takes nothing more for now."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """They do again."""
        self._stop_stuck()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_stuck()
        super().connection_lost(exc)

    def _stop_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
