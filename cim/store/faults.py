"""Drivers' errors become ours, here and nowhere else.

Only what a user can do something about is translated: a full disk, a server that is away, one
that is too old.  A statement the database refuses (a broken constraint, a missing column) is a
fault of this program and travels on as it is.

No sentence repeats the driver's: it may quote a row, and the row may be somebody's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from cim.errors import CimError, NotAllowed, StoreBusy, StoreError, StoreFull, StoreMissing

_SEGMENT = 32 * 1024**2
"""Bytes that the server needs to go on writing: two segments of its log."""

_FOLDER = "cim_data_folder"
"""The engine's execution option that holds the server's data folder."""


def full(where: str = "") -> StoreFull:
    """The error that says there is no room; `where` is the folder, if it is known."""
    at, in_ = (f" ({where})", f"({where})") if where else ("", "")
    return StoreFull(
        f"no room is left on the disk of the database{at}; nothing was kept of what was being "
        "written. Free some space and run the command again",
        f"数据库所在磁盘已满{in_},正在写入的内容未保存。请清理空间后重新运行",
    )


def meaning(error: BaseException) -> CimError | None:
    """What a driver's error means to a user, or None where it is not for users.

    >>> type(meaning(psycopg.errors.DiskFull())).__name__
    'StoreFull'
    >>> meaning(psycopg.errors.UniqueViolation()) is None
    True
    """
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
        return full(str(error.filename or ""))
    state = getattr(error, "sqlstate", None)
    if state in _MEANINGS:
        return _MEANINGS[state](state, error)
    return _away("", error) if state is None and _is_network(error) else None


def _refused(state: str, _: BaseException) -> StoreError:
    return StoreMissing(
        f"the database refused the connection (SQLSTATE {state}): check its user, password "
        "and name in CIM_DATABASE_URL",
        f"数据库拒绝连接(SQLSTATE {state}):请检查 CIM_DATABASE_URL 中的用户、密码和库名",
    )


def _busy(_: str, __: BaseException) -> StoreError:
    return StoreError(
        "the database takes no connections just now; try again in a moment",
        "数据库暂时不能接受连接,请稍后再试",
    )


def _slow(_: str, __: BaseException) -> StoreError:
    return StoreBusy(
        "the database took too long over this and was stopped; ask for less at a time",
        "查询超时已被终止,请缩小范围后重试",
    )


def _away(_: str, error: BaseException) -> StoreError:
    why = _last_words(error)
    return StoreMissing(
        f"no database answers, or the connection to it broke: {why}",
        f"没有数据库应答,或连接已中断:{why}",
    )


def _forbidden(_: str, error: BaseException) -> NotAllowed:
    """A rule of `rules/security.sql`, with its sentences; no driver keeps them in one place."""
    said: Any = getattr(error, "diag", None) or error.__cause__ or error
    en = getattr(said, "message_primary", None) or getattr(said, "message", "")
    zh = getattr(said, "message_detail", None) or getattr(said, "detail", "")
    return NotAllowed(en or "That is not allowed.", zh or "不允许此操作。")


_MEANINGS: dict[str, Callable[[str, BaseException], CimError]] = {
    "53100": lambda *_: full(),
    "57014": _slow,
    "CIM01": _forbidden,
    **dict.fromkeys(("28000", "28P01", "3D000"), _refused),
    **dict.fromkeys(("53300", "57P03"), _busy),
    **dict.fromkeys(("57P01", "57P02", "08000", "08001", "08003", "08004", "08006"), _away),
}
"""By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


def _last_words(error: BaseException) -> str:
    """What was said while connecting: names of hosts, users and databases, never a row.

    >>> _last_words(OSError("connection failed: FATAL:  too many clients"))
    'too many clients'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()[-1:] not in ("", "?")]
    return lines[-1].rpartition("FATAL:  ")[2] if lines else type(error).__name__


def _is_network(error: BaseException) -> bool:
    """Whether a driver failed before any server could say why."""
    return isinstance(error, psycopg.OperationalError | ConnectionError | TimeoutError)


def is_full(folder: Path | None) -> bool:
    """Whether the disk of a folder has no room for another segment of the database's log."""
    try:
        return folder is not None and psutil.disk_usage(str(folder)).free < _SEGMENT
    except OSError:
        return False


def explained(error: BaseException, folder: Path | None) -> CimError | None:
    """The meaning of an error; a server whose disk is full does not say so, it goes away."""
    found = meaning(error)
    return full(str(folder)) if isinstance(found, StoreMissing) and is_full(folder) else found


@contextmanager
def translated(folder: Path | None = None) -> Iterator[None]:
    """Run a block of driver calls; raise our error where the driver's has a meaning to users.

    `folder` is where the server keeps its data, if that is on this machine and known.
    """
    try:
        yield
    except (psycopg.Error, OSError) as error:
        if found := explained(error, folder):
            raise found from None
        raise
    except DBAPIError as error:
        if error.orig is not None and (found := explained(error.orig, folder)):
            raise found from None
        raise


def folder_of(connection: Connection) -> Path | None:
    """Where the server of a connection keeps its data, where `install` was told."""
    found: Path | None = connection.get_execution_options().get(_FOLDER)
    return found


def install(engine: Engine, folder: Path | None = None) -> None:
    """Make every connection of an engine raise our errors (an async one's `sync_engine` too)."""
    engine.update_execution_options(**{_FOLDER: folder})

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        if context.is_pre_ping:
            return  # the pool is finding out which connections are dead, and replaces them
        original = context.original_exception
        found = explained(original, folder) or explained(original.__cause__ or original, folder)
        if found is not None:
            raise found from None
