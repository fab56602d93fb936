"""Sessions of the viewer: opened by signing in, ended by signing out, by disuse, or by the day."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from cim.security import accounts, secrets
from cim.security.signing import Signed
from cim.store.queries.security import callers as queries


@dataclass(frozen=True)
class Vouched:
    """Who signed in elsewhere, and what that place said of them."""

    subject: str
    """Issuer and subject: the same person at every sign-in."""

    name: str
    roles: tuple[str, ...]
    areas: tuple[int, ...] | None = None
    """Ids of the areas they are confined to; None, with no grids, for the whole city."""

    grids: tuple[int, ...] | None = None


def begin(connection: Connection, who: Signed | Vouched) -> str:
    """Open a session; what its cookie carries. What is long over is forgotten."""
    token = secrets.make_token()
    hours = accounts.rules(connection)["session_hours"]
    connection.execute(queries.forget_sessions())
    connection.execute(queries.forget_buckets())
    row: dict[str, Any] = {"digest": secrets.digest(token), "name": who.name}
    if isinstance(who, Signed):
        row |= {"account_id": who.account}
    else:
        row |= {"subject": who.subject, "roles": list(who.roles)}
        row |= {"areas": _listed(who.areas), "grids": _listed(who.grids)}
    connection.execute(queries.add_session(row, hours))
    return token


def _listed(ids: tuple[int, ...] | None) -> list[int] | None:
    return None if ids is None else list(ids)


def end(connection: Connection, token: str) -> None:
    """End a session; nothing for one that is over."""
    row = connection.execute(queries.end_session(secrets.digest(token))).first()
    if row is not None:
        connection.execute(
            queries.record(
                "sign_out", actor=row.name, object_type="account", object_id=row.account_id
            )
        )
