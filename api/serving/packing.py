"""Answers made smaller: not sent where the caller has them already, and compressed where that pays.

What is compressed already, small, a stream of events or a part of a file goes as it is.
"""

import zstandard
from starlette.middleware.gzip import (
    DEFAULT_EXCLUDED_CONTENT_TYPES,
    GZipResponder,
    IdentityResponder,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers.tagged import digest_of, matches

SMALLEST = 1000
"""Bytes from which compressing pays."""

GZIP, ZSTD = 5, 3
"""Levels: a little slower than the fastest, and most of what the slowest gain."""

PACKED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/flatgeobuf+zip", "image/webp")
"""Kinds of content that do not get smaller."""

TAGGED = 400
"""Bytes from which an answer gets a tag of its content, for its caller to ask whether it is new."""


AT_ONCE = zstandard.ZstdCompressor(level=ZSTD)
"""Compresses what comes whole; made once, for that takes longer than most answers do."""


class ZstdResponder(IdentityResponder):
    """Compresses one answer with zstd."""

    content_encoding = "zstd"

    def __init__(self, app: ASGIApp) -> None:
        """For one request."""
        super().__init__(app, SMALLEST, exclude_content_types=PACKED)
        self.stream: zstandard.ZstdCompressionObj | None = None

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        """The next part, compressed."""
        if self.stream is None:
            if not more_body:
                return AT_ONCE.compress(body)
            self.stream = zstandard.ZstdCompressor(level=ZSTD).compressobj()
        flush = self.stream.flush
        if more_body:
            return self.stream.compress(body) + flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return self.stream.compress(body) + flush()


class Packing:
    """Compresses what the caller takes compressed: zstd, else gzip."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with an answer that is compressed where that pays."""
        responder = self.app
        if scope["type"] == "http":
            accepted = next((v for n, v in scope["headers"] if n == b"accept-encoding"), b"")
            if takes(accepted, b"zstd"):
                responder = ZstdResponder(self.app)
            elif takes(accepted, b"gzip"):
                responder = GZipResponder(self.app, SMALLEST, GZIP, exclude_content_types=PACKED)
            else:
                responder = IdentityResponder(self.app, SMALLEST, exclude_content_types=PACKED)
        await responder(scope, receive, send)


def takes(accepted: bytes, coding: bytes) -> bool:
    """Whether a coding is among those a caller accepts.

    >>> takes(b"gzip, zstd;q=0.5", b"zstd"), takes(b"gzip, zstd;q=0", b"zstd"), takes(b"*", b"gzip")
    (True, False, False)
    """
    if coding not in accepted:
        return False
    for part in accepted.lower().split(b","):
        name, _, quality = part.partition(b";")
        if name.strip() == coding:
            return quality.strip().replace(b" ", b"") not in (
                b"q=0",
                b"q=0.0",
                b"q=0.00",
                b"q=0.000",
            )
    return False


class Tags:
    """Gives answers a tag of their content, and sends none that the caller has already."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; an answer that comes whole, and that may be kept, is tagged."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: Message | None = None

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _taggable(message):
                start = message
                return
            if start is not None:
                begun, start = start, None
                body = message.get("body", b"")
                whole = message["type"] == "http.response.body" and not message.get("more_body")
                if whole and len(body) >= TAGGED and _same(scope, begun, body):
                    message = {"type": "http.response.body", "body": b""}
                await send(begun)
            await send(message)

        await self.app(scope, receive, tagged)


def _taggable(start: Message) -> bool:
    """Whether an answer comes whole, may be kept and has no tag; a stream begins at once."""
    if start["status"] != 200:
        return False
    whole = False
    for name, value in start["headers"]:
        if name == b"etag" or (name == b"cache-control" and b"no-store" in value):
            return False
        whole = whole or name == b"content-length"
    return whole


def _same(scope: Scope, start: Message, body: bytes) -> bool:
    """Tag an answer; whether the caller has it, and the answer became a 304 that says so."""
    digest = digest_of(body)
    headers = [*start["headers"], (b"etag", f'W/"{digest}"'.encode())]
    known = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
    same = matches(known.decode("latin-1"), digest)
    if same:
        start["status"] = 304
        headers = [each for each in headers if each[0] not in (b"content-length", b"content-type")]
    start["headers"] = headers
    return same
