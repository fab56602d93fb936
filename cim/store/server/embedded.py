"""The embedded PostGIS: one private cluster in the project's data folder.

Used by every command that finds no `CIM_DATABASE_URL`.
"""

import hashlib
import os
import pwd
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier

from cim.errors import StoreMissing
from cim.settings import Settings
from cim.store.faults import translated
from cim.store.server.cluster import USER, Account, Cluster

DATABASE = "cim"
"""The city's database within the cluster."""

ELSEWHERE = Path("/var/lib/cimtwin")
"""Where root keeps clusters whose data folder the user `postgres` cannot enter."""

_LONGEST = 107 - len("/.s.PGSQL.5432")
"""Bytes of a socket folder's path: the system takes no more for an address."""


def cluster(settings: Settings, extra: tuple[str, ...] = ()) -> Cluster:
    """The cluster of these settings, made or not; `extra` are further server settings."""
    home = Path(os.path.realpath(settings.data_dir))
    data = _data(home)
    account = _account(data)
    return Cluster(data, _sockets(data, account), account, home / "postgres.lock", extra)


def start(settings: Settings, extra: tuple[str, ...] = ()) -> Cluster:
    """The cluster, up, with the city's database in it (without its tables, perhaps)."""
    found = cluster(settings, extra)
    found.ensure()
    with translated(), psycopg.connect(url(found, "postgres"), autocommit=True) as server:
        known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if known.fetchone() is None:
            as_quick = (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
            with suppress(*as_quick):  # another command was
                server.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
    return found


def url(found: Cluster, database: str = DATABASE, user: str = USER) -> str:
    """How libpq, psycopg and asyncpg reach a database of the cluster."""
    return f"postgresql://{user}@/{database}?host={quote(str(found.sockets))}"


def _data(home: Path) -> Path:
    """The cluster's folder: in the data folder, or elsewhere where root's is closed to postgres."""
    usual = home / "postgres"
    if os.geteuid() != 0 or usual.exists():
        return usual
    other = ELSEWHERE / _digest(home) / "postgres"
    if other.exists():
        return other
    home.mkdir(parents=True, exist_ok=True)
    account = _account(usual)
    entering = subprocess.run(["test", "-x", home], cwd="/", check=False, **account.options())
    return usual if entering.returncode == 0 else other


def _account(data: Path) -> Account:
    """Whom the server runs as: us; for root, who owns the data or their folder, or `postgres`."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for place in (data, data.parent):
        with suppress(OSError, KeyError):
            owner = place.stat()
            if owner.st_uid != 0 and pwd.getpwuid(owner.st_uid):
                return Account(owner.st_uid, owner.st_gid)
    return _postgres()


def _postgres() -> Account:
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        package = "sudo apt-get install postgresql-15-postgis-3"
        raise StoreMissing(
            "no PostgreSQL server on this machine, nor the user `postgres` that root runs it as. "
            f"Install it with: {package} (or set CIM_DATABASE_URL to a PostGIS you have)",
            f"本机没有 PostgreSQL 服务器,也没有 postgres 用户。请安装:{package}"
            "(或用 CIM_DATABASE_URL 指定已有的 PostGIS)",
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def _sockets(data: Path, account: Account) -> Path:
    """The folder of the socket: the data's own, which nobody else enters, unless it is too long."""
    if len(os.fsencode(data)) <= _LONGEST and not set(str(data)) & set("',\""):
        return data
    return Path(f"/tmp/cimtwin-{account.uid}-{_digest(data)}")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
