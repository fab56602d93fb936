"""A database of its own for every test module, cloned from one migrated template.

The server is an embedded cluster in a temporary folder, one a checkout, started by the first
session that needs it and stopped by the last; or the one CIM_TEST_DATABASE_URL names.  No server
is an error, never a skip: a green run means these tests ran.  Where tests run on several processes
(`tests/spread.py`), each has a cluster of its own.

Properties are tried on the same examples everywhere, so that a run says the same on every machine;
HYPOTHESIS_PROFILE=wide looks for new ones, as `make trial` does.
"""

import hashlib
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import hypothesis
import psutil
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, Engine

from cim.settings import Settings
from cim.store.engine import open_engine
from cim.store.migrate import migrate
from cim.store.server import embedded
from tests import leaks, spread

hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.register_profile("wide", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

SESSION = "cimtwin-tests"
"""What a session's own connection calls itself, by which the others know it is there."""

CARELESS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")
"""How a server may be run whose databases nobody will miss."""


def pytest_configure() -> None:
    """Search the whole run for people: `tests/leaks.py`."""
    leaks.watch_calls()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Say how tests are handed out to several processes."""
    return spread.scheduler(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest, where there are several processes."""
    if spread.is_one_of_many(config):
        spread.arrange(items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Search what a test printed and logged; another process has searched what it ran."""
    if not hasattr(report, "node"):
        leaks.search_report(report.nodeid, report.sections)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what another process found, and has to say."""
    leaks.FOUND.found.update((where, kind) for where, kind in spread.told(node, "leaks", ()))
    spread.LINES.extend(spread.told(node, "lines", ()))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Search what the run wrote; a run in which anything got out has failed."""
    if not spread.spreads(session.config):
        made = getattr(session.config, "_tmp_path_factory", None)
        if made is not None and made._basetemp is not None:
            leaks.search_files(made.getbasetemp())
        leaks.search_files(_folder())
        spread.tell(session.config, "leaks", sorted(leaks.FOUND.found))
        spread.tell(session.config, "lines", spread.LINES)
    if leaks.FOUND.found and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have to say, and where something of a person got out."""
    for line in spread.LINES:
        terminalreporter.write_line(line)
    for where, kind in sorted(leaks.FOUND.found):
        terminalreporter.write_line(f"LEAKED {kind} in {where}", red=True)


def _folder() -> Path:
    checkout = hashlib.sha256(os.fsencode(Path(__file__).resolve().parents[1])).hexdigest()[:8]
    process = os.environ.get("PYTEST_XDIST_WORKER", "")
    folder = Path(tempfile.gettempdir()) / f"{SESSION}-{os.geteuid()}-{checkout}{process}"
    folder.mkdir(mode=0o755, exist_ok=True)
    assert folder.lstat().st_uid == os.geteuid(), f"{folder} is somebody else's"
    return folder


def _named(server: str, database: str, user: str | None = None) -> str:
    """The server's URL with another database's name in it, and perhaps another user's."""
    parts = urlsplit(server)._replace(path=f"/{database}")
    if user:
        parts = parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}")
    return urlunsplit(parts)


def _administer(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL(statement).format(*map(Identifier, names)))


def _settings(url: str, folder: Path) -> Settings:
    return Settings(_env_file=None, database_url=url, data_dir=folder)


def _sweep(connection: psycopg.Connection[tuple[str]]) -> None:
    """Drop what sessions left behind that were killed."""
    for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall():
        owner = re.fullmatch(r"cim_test_(\d+)_\w+", name)
        if owner and not psutil.pid_exists(int(owner[1])):
            connection.execute(
                SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
            )


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the tests, and what they start, however they themselves were started.

    A shell starts what runs in the background with interrupts ignored, and a program hands that
    on; a command that was stopped in a test ignores them too.
    """
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server's database `postgres`, up for the length of the session."""
    given = os.environ.get("CIM_TEST_DATABASE_URL")
    found = (
        None if given else embedded.start(Settings(_env_file=None, data_dir=_folder()), CARELESS)
    )
    url = embedded.url(found, "postgres") if found else str(given)
    with psycopg.connect(url, autocommit=True, application_name=SESSION) as present:
        _sweep(present)
        yield url
        others = present.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid()"
        ).fetchone()
    if found and others == (0,):
        found.stop()


@pytest.fixture(scope="session")
def url_of(server: str) -> Callable[..., str]:
    """A function from a database's name, and perhaps a user's, to its URL."""
    return partial(_named, server)


@pytest.fixture(scope="session")
def template(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a migrated, empty database that nobody is connected to."""
    name = f"cim_test_{os.getpid()}_template"
    _administer(
        server, "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'", name
    )
    migrated = open_engine(_settings(_named(server, name), tmp_path_factory.mktemp("template")))
    with migrated.begin() as connection:
        migrate(connection)
    migrated.dispose()
    yield name
    _administer(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="module")
def database_url(server: str, template: str) -> Iterator[str]:
    """The URL of a database of the module's own, with every table and no data."""
    name = f"cim_test_{os.getpid()}_{uuid4().hex[:8]}"
    _administer(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield _named(server, name)
    leaks.search_tables(_named(server, name))
    _administer(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="module")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that lead to the module's database and to a data folder of its own."""
    return _settings(database_url, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Engine]:
    """An engine on the module's database; what a test commits stays until the module ends."""
    engine = open_engine(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """One transaction per test, rolled back at its end."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()
