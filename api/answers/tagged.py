"""Answers with an ETag: what a caller has already is not sent again."""

import hashlib

from fastapi import Request
from fastapi.responses import Response

VARY = "Accept, Accept-Encoding, Authorization, Cookie"


def answer(
    request: Request, body: bytes, media: str, *, version: str | None = None, **headers: str
) -> Response:
    """A body with its ETag, which is the version where one is given; 304 where it is known."""
    etag = version or f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers |= {"ETag": etag, "Vary": VARY, "Cache-Control": "no-cache"}
    if request.headers.get("authorization") or request.headers.get("cookie"):
        headers["Cache-Control"] = "private, no-cache"
    known = request.headers.get("if-none-match", "")
    if etag.removeprefix("W/") in [each.strip().removeprefix("W/") for each in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media, headers=headers)
