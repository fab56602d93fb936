"""The migrations end exactly where the tables of cim.model stand, and twice is as good as once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, text

from cim.codes import LISTS
from cim.errors import StoreLocale, StoreVersion
from cim.model import metadata
from cim.settings import Settings
from cim.store import engine as engines
from cim.store.migrate import check_locale, check_revision, current, head, migrate

CATALOGUE = {
    "columns": """
        SELECT c.oid::regclass::text, c.relkind::text, a.attname, a.attnum,
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace IN ('city'::regnamespace, 'pii'::regnamespace,
                                 'platform'::regnamespace) AND NOT a.attisdropped
          AND c.relname NOT LIKE 'alembic%'""",
    "tables": """
        SELECT c.oid::regclass::text, c.relkind::text, c.reloptions::text,
               pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class')
        FROM pg_class c WHERE c.relnamespace IN ('city'::regnamespace, 'pii'::regnamespace,
                                                 'platform'::regnamespace)
          AND c.relname NOT LIKE 'alembic%'""",
    "indexes": """
        SELECT schemaname, indexname, indexdef FROM pg_indexes
        WHERE schemaname IN ('city', 'pii', 'platform') AND indexname NOT LIKE 'alembic%'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace IN ('city'::regnamespace, 'pii'::regnamespace,
                               'platform'::regnamespace) AND conname NOT LIKE 'alembic%'""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid), obj_description(oid, 'pg_proc'), proacl::text
        FROM pg_proc WHERE pronamespace IN ('city'::regnamespace, 'pii'::regnamespace,
                                            'platform'::regnamespace)""",
}


@pytest.fixture
def bare(url_of: Callable[..., str], settings: Settings) -> Iterator[Settings]:
    """Settings of an empty database."""
    yield from _database(url_of, settings, "LOCALE 'C.UTF-8'")


@pytest.fixture
def plain_c(url_of: Callable[..., str], settings: Settings) -> Iterator[Settings]:
    """Settings of an empty database of character type C."""
    yield from _database(url_of, settings, "LOCALE 'C'")


def _database(url_of: Callable[..., str], settings: Settings, locale: str) -> Iterator[Settings]:
    name = f"cim_test_{uuid4().hex[:8]}"
    made = SQL(f"CREATE DATABASE {{}} TEMPLATE template0 ENCODING 'UTF8' {locale}")
    with psycopg.connect(url_of("postgres"), autocommit=True) as connection:
        connection.execute(made.format(Identifier(name)))
        yield settings.model_copy(update={"database_url": url_of(name)})
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def catalogue(connection: Connection) -> dict[str, list[str]]:
    return {
        name: sorted(str(tuple(row)) for row in connection.execute(text(query)))
        for name, query in CATALOGUE.items()
    }


def test_migrations_end_where_the_tables_stand(connection: Connection, bare: Settings) -> None:
    migrated = catalogue(connection)
    engine = engines.open_engine(bare)
    with engine.connect() as fresh:
        driver = fresh.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.execute(files("cim.store").joinpath("bootstrap.sql").read_bytes())
        metadata.create_all(fresh)
        driver.execute(files("cim.store").joinpath("functions.sql").read_bytes())
        stands = catalogue(fresh)
        fresh.rollback()
    engine.dispose()
    for subject, rows in stands.items():
        assert rows, subject
        assert migrated[subject] == rows, "a migration is missing: cim.store.migrations.freeze"


def test_two_commands_migrating_at_once_take_turns(bare: Settings) -> None:
    engine = engines.open_engine(bare)

    def run(_: int) -> tuple[str | None, str]:
        with engine.begin() as connection:
            return migrate(connection)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, range(3)))
    engine.dispose()
    assert sorted(results, key=str) == [(head(), head())] * 2 + [(None, head())]


def test_the_code_lists_are_there_and_a_citys_own_codes_stay(connection: Connection) -> None:
    codes = "SELECT count(*) FROM city.code_item WHERE list_code = 'unit_kind'"
    assert connection.execute(text(codes)).scalar_one() == len(LISTS["unit_kind"]["items"])
    connection.execute(
        text("INSERT INTO city.code_item VALUES ('unit_kind', 'temple', NULL, '庙', 'temple')")
    )
    connection.execute(text("UPDATE city.code_item SET name_zh = '?' WHERE code = 'shop'"))
    migrate(connection)
    kept = text("SELECT name_zh FROM city.code_item WHERE code = 'temple'")
    assert connection.execute(kept).scalar_one() == "庙"
    mended = text("SELECT name_zh FROM city.code_item WHERE code = 'shop'")
    assert connection.execute(mended).scalar_one() == "商铺"


def test_a_database_newer_than_the_program_is_refused(connection: Connection) -> None:
    assert check_revision(current(connection))
    connection.execute(text("UPDATE platform.alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreVersion, match="9999"):
        check_revision(current(connection))
    with pytest.raises(StoreVersion, match="9999"):
        migrate(connection)


def test_a_database_under_locale_c_is_refused_and_left_empty(plain_c: Settings) -> None:
    engine = engines.open_engine(plain_c)
    with pytest.raises(StoreLocale, match="character type is C"), engine.begin() as connection:
        migrate(connection)
    with engine.connect() as connection:
        assert current(connection) is None
    engine.dispose()


def test_chinese_has_trigrams_here(connection: Connection) -> None:
    check_locale(connection)
    close = text("SELECT similarity('松山湖科技园', '松山湖科技'), city.bigrams('松山湖')")
    similar, bigrams = connection.execute(close).one()
    assert similar > 0.5
    assert sorted(bigrams) == ["山湖", "松山"]
