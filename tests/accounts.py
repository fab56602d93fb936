"""Accounts and keys as tests need them: made as administrators would, with known passwords."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Engine

from cim.security import accounts, keys, secrets
from cim.security.identity import stand_for
from cim.security.signing import redeem

PASSWORD = "Lamp-post-River-41"
HOLDERS = {"system": "0417", "security": "0533", "audit": "0618"}


def administrators(engine: Engine) -> None:
    """The three, each with the password above; nothing where they are there already."""
    with engine.begin() as connection:
        links = accounts.first(connection, HOLDERS)
    for link in links:
        with engine.begin() as connection:
            redeem(connection, link.token, PASSWORD)


def stand(connection: Connection, name: str) -> None:
    """Act as this account until the transaction ends."""
    found = accounts.find(connection, name)
    connection.execute(stand_for(actor=found.name, account=found.id))


def add_person(engine: Engine, name: str, *roles: str, at: str | None = None) -> None:
    """An account with the password above and these roles, in the area or grid of a code."""
    with engine.begin() as connection:
        stand(connection, "system")
        accounts.add(connection, name)
        link = accounts.make_link(connection, name)
        stand(connection, "security")
        for role in roles:
            accounts.give(connection, role, to=name, at=at)
    with engine.begin() as connection:
        redeem(connection, link.token, PASSWORD)


def add_key(
    engine: Engine,
    name: str,
    secret: str,
    roles: Iterable[str] = (),
    *,
    at: str | None = None,
    scopes: tuple[str, ...] = (),
    expires: datetime | None = None,
) -> None:
    """A key that is known here."""
    with engine.begin() as connection:
        stand(connection, "security")
        wanted = keys.Wanted(name, "system", tuple(roles), scopes, at, expires)
        keys.keep(connection, wanted, secrets.digest(secret), secret[:4])


def end_key(engine: Engine, name: str) -> None:
    """End a key."""
    with engine.begin() as connection:
        stand(connection, "security")
        keys.end(connection, name)
