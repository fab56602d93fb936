"""Whether a request began on a page of this service."""

from urllib.parse import urlsplit

from fastapi import Request

from cim.errors import NotAllowed
from cim.settings import Settings


def check_origin(request: Request, settings: Settings) -> None:
    """NotAllowed for a request that a page elsewhere made.

    A browser says where: in `Origin`, and in `Sec-Fetch-Site`. What says neither is no browser.
    """
    headers = request.headers
    origin = headers.get("origin")
    expected = settings.public_url or f"{request.url.scheme}://{headers.get('host', '')}"
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise _elsewhere()
    if origin is not None and not same_origin(origin, expected):
        raise _elsewhere()


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common.

    >>> same_origin("https://city.example", "https://city.example:443")
    True
    >>> same_origin("http://city.example", "https://city.example"), same_origin("null", "http://a")
    (False, False)
    """
    return _parts(one) == _parts(other) is not None


def _parts(address: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _elsewhere() -> NotAllowed:
    return NotAllowed("This request came from another site's page.", "此请求来自其他网站的页面。")
