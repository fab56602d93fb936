"""The names that addresses are made of, kept while they are loaded, with how they are said."""

from sqlalchemy import Connection

from cim.addresses import pinyin
from cim.store.queries import names as statements

TOGETHER = 5_000
"""Names whose readings are written together."""


def keep(connection: Connection, kind: str) -> None:
    """Keep the names that files of a kind have brought, and how they are said."""
    statement = statements.keep_of(kind)
    if statement is not None:
        connection.execute(statement)
        read(connection)


def read(connection: Connection) -> int:
    """Add how names are said where nobody has; how many there were."""
    unread = connection.execute(statements.UNREAD).all()
    for at in range(0, len(unread), TOGETHER):
        said = [(row.id, pinyin.readings(row.name)) for row in unread[at : at + TOGETHER]]
        first = [(id, each[0]) for id, each in said]
        others = [(id, one) for id, each in said for one in each[1:]]
        for statement, rows in ((statements.READ, first), (statements.READ_TOO, others)):
            if rows:
                values = {
                    "ids": [id for id, _ in rows],
                    "said": [one for _, one in rows],
                    "initials": [pinyin.initials(one) for _, one in rows],
                }
                connection.execute(statement, values)
    return len(unread)


def anew(connection: Connection) -> int:
    """Forget all names and keep those anew that the city's tables have; how many they are."""
    connection.execute(statements.FORGET)
    for kind in statements.KINDS:
        statement = statements.keep_of(kind)
        assert statement is not None  # it is one of them
        connection.execute(statement)
    return read(connection)
