"""The ingester's own connection to the database, and what its errors mean to it.

An error is of a row (the others can be written without it), of the moment (the same again may
work) or of the database (it is away: wait).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg

from cim.errors import StoreError
from cim.settings import Settings
from cim.store import engine
from cim.store.direct import KEEP

ROLE: Final = "cim_feeder"
"""Who writes readings, and can do little else."""

TIMEOUT: Final = 60.0
"""Seconds a statement may take."""

DRIVER: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    ValueError,
    StoreError,
)
"""What comes out of the driver; it says ValueError of what it cannot send, and
InternalClientError of a server that ended in the middle of an answer."""

_OF_A_ROW: Final = ("22", "23")
"""Classes of SQLSTATE: data exception, integrity constraint violation."""

_OF_THE_MOMENT: Final = ("40001", "40P01", "55P03", "42P07")
"""Serialization failure, deadlock, lock not available; a partition that another has just made."""


def opener(settings: Settings) -> Callable[..., Awaitable[asyncpg.Connection]]:
    """A function that opens a connection of the ingester; the database is checked at once."""
    return engine.opener(settings, ROLE, TIMEOUT, KEEP)


def is_of_a_row(error: BaseException) -> bool:
    """Whether one row of many is at fault.

    >>> is_of_a_row(asyncpg.exceptions.NumericValueOutOfRangeError())
    True
    >>> is_of_a_row(asyncpg.exceptions.DiskFullError()), is_of_a_row(OSError())
    (False, False)
    """
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "")[:2] in _OF_A_ROW
    return isinstance(error, asyncpg.DataError | ValueError)


def lacks_partition(error: BaseException) -> bool:
    """Whether a day has no partition."""
    return isinstance(error, asyncpg.CheckViolationError) and "partition" in str(error)


def is_of_the_moment(error: BaseException) -> bool:
    """Whether the same may work at once.

    >>> is_of_the_moment(asyncpg.exceptions.DeadlockDetectedError())
    True
    """
    return getattr(error, "sqlstate", None) in _OF_THE_MOMENT


def kind_of(error: BaseException) -> str:
    """What an error may be called where people read it: never what it quotes.

    >>> kind_of(asyncpg.exceptions.NumericValueOutOfRangeError("secret"))
    'NumericValueOutOfRangeError, SQLSTATE 22003'
    """
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}, SQLSTATE {state}" if state else type(error).__name__


async def answers(connection: Any) -> bool:
    """Whether a connection is still there, with the locks it has."""
    try:
        await connection.fetchval("SELECT 1", timeout=5)
    except (*DRIVER, TimeoutError):
        return False
    return True


async def close(connection: Any) -> None:
    """Close a connection that may be broken already."""
    try:
        await connection.close(timeout=2)
    except (*DRIVER, TimeoutError):
        connection.terminate()
