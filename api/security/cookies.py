"""The cookie of a session: nobody's script reads it, no other site sends it."""

from fastapi import Request
from starlette.responses import Response

from cim.settings import Settings


def name(settings: Settings, of: str = "session") -> str:
    """What the cookie is called: over TLS so that no other host can have set it."""
    return f"__Host-cimtwin-{of}" if secure(settings) else f"cimtwin-{of}"


def secure(settings: Settings) -> bool:
    """Whether people come over TLS."""
    return settings.public_url.startswith("https://")


def session_of(request: Request, settings: Settings) -> str | None:
    """The token of the session, as the browser sent it."""
    return request.cookies.get(name(settings)) or None


def keep(answer: Response, settings: Settings, token: str) -> None:
    """Have the browser keep a session until it is closed, or the session is over."""
    answer.set_cookie(
        name(settings), token, path="/", secure=secure(settings), httponly=True, samesite="strict"
    )


def forget(answer: Response, settings: Settings, of: str = "session") -> None:
    """Have the browser forget the session, or what else it kept."""
    answer.delete_cookie(
        name(settings, of), path="/", secure=secure(settings), httponly=True, samesite="lax"
    )


BEGUN = "begun"
"""The cookie of a sign-in that was begun elsewhere."""

MINUTES = 10
"""How long such a sign-in may take."""


def remember(answer: Response, settings: Settings, begun: str) -> None:
    """Have the browser keep what a sign-in elsewhere must bring back; it comes by a link."""
    answer.set_cookie(
        name(settings, BEGUN),
        begun,
        max_age=MINUTES * 60,
        path="/",
        secure=secure(settings),
        httponly=True,
        samesite="lax",
    )


def remembered(request: Request, settings: Settings) -> str:
    """What was kept of a sign-in elsewhere."""
    return request.cookies.get(name(settings, BEGUN)) or ""
