"""The migrations end exactly where the tables of cim.model stand, and twice is as good as once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, text

from cim.codes import LISTS
from cim.commands.check import examine
from cim.errors import StoreLocale, StoreVersion
from cim.intake.bringing import Units, bring
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.model import metadata
from cim.settings import Settings
from cim.store import engine as engines
from cim.store.migrate import check_locale, check_revision, current, head, migrate

OURS = "'{city,pii,platform,security}'::regnamespace[]"
CATALOGUE = {
    "columns": f"""
        SELECT c.oid::regclass::text, c.relkind::text, a.attname, a.attnum,
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = ANY ({OURS})
          AND NOT a.attisdropped
          AND c.relname NOT LIKE 'alembic%'""",
    "tables": f"""
        SELECT c.oid::regclass::text, c.relkind::text, c.reloptions::text,
               pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class')
        FROM pg_class c WHERE c.relnamespace = ANY ({OURS})
          AND c.relname NOT LIKE 'alembic%'""",
    "indexes": f"""
        SELECT schemaname, indexname, indexdef FROM pg_indexes
        WHERE schemaname::regnamespace = ANY ({OURS})
          AND indexname NOT LIKE 'alembic%'""",
    "constraints": f"""
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = ANY ({OURS})
          AND conname NOT LIKE 'alembic%'""",
    "triggers": f"""
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE NOT tgisinternal AND c.relnamespace = ANY ({OURS})""",
    "policies": f"""
        SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies
        WHERE schemaname::regnamespace = ANY ({OURS})""",
    "functions": f"""
        SELECT proname, pg_get_functiondef(oid), obj_description(oid, 'pg_proc'), proacl::text
        FROM pg_proc WHERE pronamespace = ANY ({OURS})""",
}


@pytest.fixture
def bare(url_of: Callable[..., str], settings: Settings) -> Iterator[Settings]:
    """Settings of an empty database."""
    yield from _database(url_of, settings, "LOCALE 'C.UTF-8'")


@pytest.fixture
def plain_c(url_of: Callable[..., str], settings: Settings) -> Iterator[Settings]:
    """Settings of an empty database of character type C."""
    yield from _database(url_of, settings, "LOCALE 'C'")


@pytest.fixture
def landed(bare: Settings) -> Settings:
    """Settings of a city that the first program loaded and nobody has migrated since."""
    tables = files("cim.store.migrations") / "versions" / "0001_initial.sql"
    with psycopg.connect(bare.database_url or "", autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA platform;"
            "CREATE TABLE platform.alembic_version (version_num varchar(32) PRIMARY KEY);"
            "INSERT INTO platform.alembic_version VALUES ('0001')"
        )
        for script in (tables.read_bytes(), Path(__file__).with_name("city_0001.sql").read_bytes()):
            connection.execute(script)
    return bare


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
        driver.execute(files("cim.store").joinpath("rules", "bootstrap.sql").read_bytes())
        metadata.create_all(fresh)
        rules = "security people changes people_counts vector editing feeds history "
        rules += "alarms_places alarms_affected alarms webhooks sensorthings"
        for name in rules.split():
            driver.execute(files("cim.store").joinpath("rules", f"{name}.sql").read_bytes())
        stands = catalogue(fresh)
        fresh.rollback()
    engine.dispose()
    for subject, rows in stands.items():
        assert rows, subject
        assert migrated[subject] == rows, "a migration is missing: cim.store.migrations.freeze"


def test_a_city_of_the_first_program_comes_up_with_all_its_rows(
    landed: Settings, connection: Connection
) -> None:
    kept = """
        SELECT (SELECT array_agg(to_jsonb(b) - '{ground_method,ground_low,ground_high}'::text[]
                                 ORDER BY b.id)::text FROM city.building b),
               (SELECT array_agg(s.* ORDER BY s.id)::text FROM city.storey s),
               (SELECT array_agg(u.* ORDER BY u.id)::text FROM city.unit u),
               (SELECT array_agg(a.* ORDER BY a.id)::text FROM city.std_address a),
               (SELECT array_agg(to_jsonb(q) - '{solid,solid_lods,solid_above}'::text[]
                                 ORDER BY q.id)::text FROM platform.quarantine q),
               (SELECT array_agg(to_jsonb(c) - '{xid,until_id,fields,source_id,west,south,east,
                                 north}'::text[] ORDER BY c.id)::text FROM platform.change c)"""
    engine = engines.open_engine(landed)
    with engine.begin() as old:
        before = old.execute(text(kept)).one()
        assert None not in before
        assert migrate(old) == ("0001", head())
        assert old.execute(text(kept)).one() == before
        stands = catalogue(old)
    engine.dispose()
    assert stands == catalogue(connection)


def test_what_the_first_program_set_aside_is_mended_in_this_one(
    landed: Settings, tmp_path: Path
) -> None:
    engine = engines.open_engine(landed)
    with engine.begin() as connection:
        migrate(connection)
    houses = tmp_path / "buildings.csv"
    square = "POLYGON(({0} 23.02,{1} 23.02,{1} 23.0202,{0} 23.0202,{0} 23.02))"
    houses.write_text(
        "编号,名称,地上层数,高度,每层户数,单元数,wkt\n"
        f'B1,一号楼,2,6.4,2,1,"{square.format("113.75", "113.7502")}"\n'
        f'B2,二号楼,3,6.4,2,1,"{square.format("113.751", "113.7512")}"\n',
        "utf-8",
    )
    ask = Request(crs="4490")
    report = bring(landed, KINDS["buildings"], houses, ask, units=Units(), keep=True)
    assert (report.counts.new, report.counts.unchanged, report.set_aside) == (1, 1, 0)
    with engine.begin() as connection:
        still = "SELECT count(*) FROM platform.quarantine WHERE cleared_at IS NULL"
        assert connection.execute(text(still)).scalar_one() == 0
        rooms = "SELECT room_no FROM city.unit WHERE building_id = 1 AND ended_at IS NULL"
        assert "101" in connection.execute(text(rooms)).scalars().all()
        assert examine(connection)["whole"]
    engine.dispose()


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
