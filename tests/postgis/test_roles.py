"""Who may read what: personal data has a role of its own, and that role may do nothing else."""

import asyncio
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from cim.errors import StoreError
from cim.settings import Settings
from cim.store.engine import connect_async, open_engine
from cim.store.migrate import migrate

READABLE = ["city.building", "city.unit", "city.observation", "platform.tileset"]


def may(connection: Connection, role: str, statement: str) -> bool:
    """Whether the role may run the statement; nothing it does stays."""
    with connection.begin_nested() as attempt:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        try:
            connection.execute(text(statement))
        except ProgrammingError as error:
            assert isinstance(error.orig, InsufficientPrivilege)
            return False
        finally:
            attempt.rollback()
        return True


@pytest.mark.parametrize("table", READABLE)
def test_both_roles_read_what_is_not_personal(connection: Connection, table: str) -> None:
    for role in ("cim_reader", "cim_resident_reader"):
        assert may(connection, role, f"SELECT * FROM {table}")


@pytest.mark.parametrize("table", ["person", "residency", "household", "tenure"])
def test_the_reader_reads_nothing_personal(connection: Connection, table: str) -> None:
    assert not may(connection, "cim_reader", f"SELECT * FROM pii.{table}")


def test_the_resident_reader_reads_neither_numbers_nor_what_they_are_found_by(
    connection: Connection,
) -> None:
    assert may(connection, "cim_resident_reader", "SELECT name_mask, id_no_mask FROM pii.person")
    for column in ("name_enc", "id_no_enc", "id_no_hash", "phone_enc", "phone_hash", "*"):
        assert not may(connection, "cim_resident_reader", f"SELECT {column} FROM pii.person")


@pytest.mark.parametrize(
    "login",
    [
        "cim_public",
        "cim_gate",
        "cim_intake",
        "cim_service",
        "cim_editor",
        "cim_feeder",
        "cim_sensing",
    ],
)
def test_no_login_by_itself_reads_people_or_how_many_they_are(
    connection: Connection, login: str
) -> None:
    for statement in ("SELECT id FROM pii.person", "SELECT residents FROM city.building_pop"):
        assert not may(connection, login, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM security.audit_log",
        "DELETE FROM security.audit_log",
        "SELECT * FROM security.seal",
        "UPDATE pii.person SET is_minor14 = false",
        "DELETE FROM pii.person",
        "UPDATE city.building SET name = 'x'",
        "CREATE TABLE city.mine (id int)",
    ],
)
def test_neither_role_changes_anything(connection: Connection, statement: str) -> None:
    for role in ("cim_reader", "cim_resident_reader"):
        assert not may(connection, role, statement)


def test_tables_made_later_are_read_and_those_of_people_by_nobody(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE city.later (id int); CREATE TABLE pii.later (id int)"))
    assert may(connection, "cim_reader", "SELECT * FROM city.later")
    assert not may(connection, "cim_reader", "SELECT * FROM pii.later")
    assert not may(connection, "cim_resident_reader", "SELECT * FROM pii.later")


def test_the_reader_counts_people_only_as_they_may_be_told(connection: Connection) -> None:
    assert may(connection, "cim_reader", "SELECT people FROM city.building_people")
    assert not may(connection, "cim_reader", "SELECT residents FROM city.building_pop")
    gone = "SELECT FROM pg_proc WHERE proname = 'resident_count'"
    assert connection.execute(text(gone)).first() is None


def test_an_api_connection_is_the_reader_and_takes_the_other_role_for_one_transaction(
    settings: Settings,
) -> None:
    engine = connect_async(settings, role="cim_reader", timeout=0.2)
    facts = text(
        "SELECT current_user::text, current_setting('jit'), "
        "current_setting('plan_cache_mode'), "
        "current_setting('max_parallel_workers_per_gather')"
    )

    async def ask() -> None:
        async with engine.connect() as connection:
            found = (await connection.execute(facts)).one()
            assert tuple(found) == ("cim_reader", "off", "force_custom_plan", "0")
            await connection.execute(text("SET LOCAL ROLE cim_resident_reader"))
            await connection.execute(text("SELECT id FROM pii.person"))
            await connection.rollback()
            with pytest.raises(DBAPIError, match="permission denied"):
                await connection.execute(text("SELECT id FROM pii.person"))
            await connection.rollback()
            with pytest.raises(Exception, match="took too long"):
                await connection.execute(text("SELECT pg_sleep(5)"))
        await engine.dispose()

    asyncio.run(ask())


@pytest.fixture
def plain_user(url_of: Callable[..., str]) -> Iterator[tuple[str, str]]:
    """A login without any privilege, the owner of an empty database: its name and the URL."""
    name = f"cim_test_{uuid4().hex[:8]}"
    with psycopg.connect(url_of("postgres"), autocommit=True) as admin:
        admin.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(name)))
        admin.execute(
            SQL("CREATE DATABASE {0} OWNER {0} TEMPLATE template0 LOCALE 'C.UTF-8'").format(
                Identifier(name)
            )
        )
        yield name, url_of(name, name)
        admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        admin.execute(
            SQL(
                "REVOKE cim_reader, cim_resident_reader, cim_service, cim_public, cim_gate, "
                "cim_intake, cim_editor, cim_feeder, cim_sensing FROM {0}; DROP ROLE {0}"
            ).format(Identifier(name))
        )


def test_a_user_without_rights_is_told_what_the_administrator_must_do(
    plain_user: tuple[str, str], settings: Settings, template: str
) -> None:
    engine = open_engine(settings.model_copy(update={"database_url": plain_user[1]}))
    with pytest.raises(StoreError, match="administrator"), engine.begin() as connection:
        migrate(connection)
    engine.dispose()


def test_a_user_prepared_as_the_guide_says_migrates_and_takes_the_roles(
    plain_user: tuple[str, str], settings: Settings, url_of: Callable[..., str], template: str
) -> None:
    name, url = plain_user
    with psycopg.connect(url_of(name)) as admin:
        for extension in ("postgis", "pg_trgm", "btree_gist"):
            admin.execute(SQL("CREATE EXTENSION {}").format(Identifier(extension)))
        admin.execute(
            SQL(
                "GRANT cim_reader, cim_resident_reader, cim_service, cim_public, cim_gate, "
                "cim_intake, cim_editor, cim_feeder, cim_sensing TO {} WITH ADMIN OPTION"
            ).format(Identifier(name))
        )
    engine = open_engine(settings.model_copy(update={"database_url": url}))
    with engine.begin() as connection:
        migrate(connection)
        assert not may(connection, "cim_reader", "SELECT * FROM pii.person")
        assert may(connection, "cim_resident_reader", "SELECT id FROM pii.person")
        made = "INSERT INTO pii.person (name_enc, name_mask) VALUES ('-', '*') RETURNING id"
        assert connection.execute(text(made)).scalar_one() > 0
    engine.dispose()
