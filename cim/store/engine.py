"""The way to the database, for whoever composes a program: a command, or the API.

With `CIM_DATABASE_URL` that PostGIS is used, and never started, stopped or migrated unasked.
Without, the embedded one is: started when it is not up, migrated when it is behind.
"""

import asyncio
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import Connection, Engine, create_engine

from cim.errors import StoreError, StoreVersion
from cim.settings import Settings
from cim.store import faults, migrate
from cim.store.queries import serving
from cim.store.server import embedded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

    from cim.store.direct import Direct

TIMEOUT = 30.0
"""Seconds a statement of the API may take."""

PATIENCE = 10
"""Seconds a server may take to answer at all, where its URL does not say."""

NOTHING = logging.NullHandler()
"""Where pools and drivers write of connections that broke: who used one says so in a sentence."""

NAME = "cimtwin"
"""What our connections call themselves in pg_stat_activity."""


LOGINS = {
    "cim_reader": "cim_public",
    "cim_resident_reader": "cim_service",
    "cim_gate": "cim_gate",
    "cim_intake": "cim_intake",
    "cim_editor": "cim_editor",
    "cim_feeder": "cim_feeder",
    "cim_sensing": "cim_sensing",
}
"""Whom a part of the service logs in as for its role, where it can: nobody who owns a table, and
none who can become another. Reading what is public cannot lead to personal data, nor to sessions.
"""


def url(settings: Settings, *, role: str | None = None) -> str:
    """The database as a libpq URL; psql, psycopg and asyncpg all take it. Starts nothing.

    With `role` it is that of the login that answers callers in it: on a server that is not ours
    as `CIM_SERVICE_DATABASE_URL` says, with the login's name in the place of the one given there,
    else the owner's, who takes the role after logging in.
    """
    given = settings.database_url
    if role and settings.service_database_url:
        given = _named(settings.service_database_url, LOGINS[role])
    if given:
        return re.sub(r"^postgres(ql)?(\+\w+)?:", "postgresql:", given)
    found = embedded.cluster(settings)
    return embedded.url(found, user=LOGINS[role]) if role else embedded.url(found)


def replica_url(settings: Settings, role: str | None) -> str:
    """The read replica as a libpq URL, by the same login as the primary's."""
    given = settings.read_database_url or ""
    if role and (settings.service_database_url or not settings.database_url):
        given = _named(given, LOGINS[role])
    return re.sub(r"^postgres(ql)?(\+\w+)?:", "postgresql:", given)


def _named(given: str, login: str) -> str:
    """A URL with another user's name in it.

    >>> _named("postgresql://cim_service:word@host/city", "cim_gate")
    'postgresql://cim_gate:word@host/city'
    """
    parts = urlsplit(given)
    before, at, host = parts.netloc.rpartition("@")
    word = before.partition(":")[1:] if at else ("", "")
    return parts._replace(netloc=f"{login}{''.join(word)}@{host}").geturl()


def connect(settings: Settings) -> Engine:
    """An engine on the city's database, which is up, checked, and where this program's tables are.

    Raises StoreMissing, StoreVersion, StoreLocale or StoreFull, each with what to do about it.
    """
    _start(settings)
    engine = open_engine(settings)
    try:
        with engine.begin() as connection:
            _prepare(connection, settings)
    except BaseException:
        engine.dispose()
        raise
    return engine


def connect_async(
    settings: Settings,
    *,
    role: str | None = None,
    timeout: float = TIMEOUT,
    by_key: bool = False,
    replica: bool = False,
    size: int | None = None,
) -> "AsyncEngine":
    """An engine for the API: short statements, `role`'s rights where one is given.

    With `by_key` it keeps the plans of its statements, which is right for those that go by a key
    alone: planning a unit card takes longer than running it. With `replica` it is the read replica
    that is asked, which need not be there yet. `size` is the most connections.

    Starts and checks the database as `connect` does, at once; call it where the program is
    composed, not in an event loop.  A transaction may take another role with SET LOCAL ROLE.
    """
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - a tenth of a second
    from sqlalchemy.pool import AsyncAdaptedQueuePool  # noqa: PLC0415 - the same

    open_one = _opener(settings, role, timeout, by_key=by_key, replica=replica)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=open_one,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size or _crowd(),
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    engine.dialect.do_ping = _ping  # type: ignore[assignment]  # it has no setting
    faults.install(engine.sync_engine, None if replica else _folder(settings))
    return engine


def _ping(connection: Any) -> bool:
    """Whether a pooled connection still stands, asked without a transaction around the question:
    to begin and to end one would take two more rounds to the server."""
    connection.autocommit = True
    try:
        connection.ping()
    finally:
        connection.autocommit = False
    return True


def connect_direct(
    settings: Settings,
    *,
    role: str | None = None,
    timeout: float = TIMEOUT,
    replica: bool = False,
    size: int | None = None,
) -> "Direct":
    """The same without a toolkit between, for what is asked most; plans are kept. Open it first."""
    from cim.store.direct import KEEP, Direct  # noqa: PLC0415 - the driver takes a tenth of a second

    open_one = _opener(settings, role, timeout, by_key=True, replica=replica, more=KEEP)
    return Direct(open_one, size or _crowd(), None if replica else _folder(settings))


def opener(
    settings: Settings, role: str, timeout: float, more: dict[str, Any]
) -> "Callable[..., Awaitable[asyncpg.Connection]]":
    """A function that opens a connection of the driver's own, for who keeps it: plans are kept."""
    return _opener(settings, role, timeout, by_key=True, replica=False, more=more)


def _crowd() -> int:
    """How many connections a pool has."""
    return min(max(3 * (os.cpu_count() or 1), 4), 20)


POOLS = 9
"""Pools of a process that answers, each of as many connections as the others."""


def share(settings: Settings) -> int:
    """Connections of each pool of a process, so that all together leave a third of the server's.

    StoreError where there are too few for as many processes as are wished.
    """
    engine = open_engine(settings)
    try:
        with engine.connect() as connection:
            most = int(connection.execute(serving.limits()).scalar_one())
    finally:
        engine.dispose()
    return shared_out(most, settings.workers, _crowd())


def shared_out(most: int, workers: int, wished: int) -> int:
    """The same of a server that takes `most`.

    >>> shared_out(97, 1, 6), shared_out(97, 4, 6), shared_out(997, 4, 6)
    (6, 1, 6)
    """
    if workers * POOLS > most:
        raise StoreError(
            f"{workers} processes need {workers * POOLS} connections, and the database takes "
            f"{most}: take fewer, or raise its max_connections",
            f"{workers} 个进程需要 {workers * POOLS} 个连接，数据库最多允许 {most} 个："
            "请减少进程数，或调大 max_connections",
        )
    return max(1, min(wished, most * 2 // 3 // (workers * POOLS)))


def _opener(
    settings: Settings,
    role: str | None,
    timeout: float,
    *,
    by_key: bool,
    replica: bool,
    more: dict[str, Any] | None = None,
) -> "Callable[..., Awaitable[asyncpg.Connection]]":
    """A function that opens a connection of the API; the driver is told `more` besides."""
    import asyncpg  # noqa: PLC0415 - a tenth of a second that commands do without

    if not replica:
        connect(settings).dispose()
    where = replica_url(settings, role) if replica else url(settings, role=role)
    options = {
        "application_name": NAME,
        # A point in a polygon is estimated at thousands of rows and would start workers.
        "max_parallel_workers_per_gather": "0",
        # A generic plan computes geometry made from parameters for every row anew.
        "plan_cache_mode": "force_generic_plan" if by_key else "force_custom_plan",
        "jit": "off",
        "statement_timeout": str(int(timeout * 1000)),
        **({"role": role} if role else {}),
    }
    known = {"server_settings": options, **(more or {})}

    async def open_one(*_: Any, **__: Any) -> "asyncpg.Connection":
        with faults.translated(None if replica else _folder(settings)):
            try:
                return await asyncpg.connect(where, timeout=PATIENCE, **known)
            except (OSError, asyncpg.PostgresError):
                if replica or not await asyncio.to_thread(_revive, settings):
                    raise
                return await asyncpg.connect(where, **known)

    return open_one


def open_engine(
    settings: Settings,
    *,
    role: str | None = None,
    size: int | None = None,
    timeout: float | None = None,
) -> Engine:
    """An engine on a database that is up, without looking at what is in it; as `role` if given,
    with at most `size` connections, on which a statement may take `timeout` seconds."""
    for name in ("sqlalchemy", "psycopg"):
        logging.getLogger(name).addHandler(NOTHING)

    options: dict[str, Any] = {"application_name": NAME}
    where = url(settings, role=role)
    said = {"role": role, "statement_timeout": timeout and round(timeout * 1000)}
    if any(said.values()):
        options["options"] = " ".join(f"-c {name}={word}" for name, word in said.items() if word)
    if "connect_timeout" not in where:
        options["connect_timeout"] = PATIENCE

    def open_one() -> psycopg.Connection[Any]:
        with faults.translated(_folder(settings)):
            try:
                return psycopg.connect(where, **options)
            except psycopg.OperationalError:
                if not _revive(settings):
                    raise
                return psycopg.connect(where, **options)

    bounds = {"pool_size": size, "max_overflow": 0} if size else {}
    # No error repeats the parameters of its statement: they may be somebody's.
    bounds |= {"pool_pre_ping": True, "hide_parameters": True}
    engine = create_engine("postgresql+psycopg://", creator=open_one, **bounds)
    faults.install(engine, _folder(settings))
    return engine


def _folder(settings: Settings) -> Path | None:
    """Where the server keeps its data, where it is the embedded one."""
    return None if settings.database_url else embedded.cluster(settings).data


def _start(settings: Settings) -> None:
    if not settings.database_url:
        embedded.start(settings)


def _revive(settings: Settings) -> bool:
    """Start the embedded server again if it crashed under us; one that was stopped stays so."""
    if settings.database_url or not embedded.cluster(settings).crashed:
        return False
    embedded.start(settings)
    return True


def _prepare(connection: Connection, settings: Settings) -> None:
    """Check the database, and migrate it where it is ours to migrate."""
    revision = migrate.current(connection)
    if migrate.check_revision(revision):
        migrate.check_locale(connection)
    elif not settings.database_url:
        migrate.migrate(connection)
    elif revision is None:
        raise StoreError(
            "the database has no tables yet; make them with: cim db migrate",
            "数据库尚未建表,请运行:cim db migrate",
        )
    else:
        raise StoreVersion(
            f"the database is at revision {revision}, behind this program ({migrate.head()}); "
            "bring it up with: cim db migrate",
            f"数据库版本 {revision} 低于本程序({migrate.head()}),请运行:cim db migrate",
        )
