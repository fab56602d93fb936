"""Answers with an ETag: what a caller has already is not sent again."""

from hashlib import blake2b

from fastapi import Request
from fastapi.responses import Response

VARY = "Accept, Accept-Encoding, Authorization, Cookie"


def digest_of(content: bytes) -> str:
    """What content goes by in an ETag."""
    return blake2b(content, digest_size=12).hexdigest()


def matches(header: str, digest: str) -> bool:
    """Whether an If-None-Match names this content, weakly or not, packed or not.

    >>> matches('"abc-gz", W/"x"', "abc"), matches("*", "abc"), matches('"ab"', "abc")
    (True, True, False)
    """
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
    return bool(tags & {"*", digest, f"{digest}-gz"})


def answer(
    request: Request, body: bytes, media: str, *, version: str | None = None, **headers: str
) -> Response:
    """A body with its ETag, which is the version where one is given; 304 where it is known."""
    etag = version or f'W/"{digest_of(body)}"'
    headers |= {"ETag": etag, "Vary": VARY, "Cache-Control": "no-cache"}
    if request.headers.get("authorization") or request.headers.get("cookie"):
        headers["Cache-Control"] = "private, no-cache"
    known = request.headers.get("if-none-match", "")
    if matches(known, etag.removeprefix("W/").strip('"')):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media, headers=headers)
