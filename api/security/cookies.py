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


def forget(answer: Response, settings: Settings) -> None:
    """Have the browser forget the session."""
    answer.delete_cookie(
        name(settings), path="/", secure=secure(settings), httponly=True, samesite="strict"
    )
