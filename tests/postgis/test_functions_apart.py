"""What runs as the owner of the tables runs nothing of anybody else's."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, text

from tests.folk import Session, load_city, load_people

OURS = "('city', 'pii', 'platform', 'security', 'jobs')"

TRAP = """
    CREATE TEMP TABLE loot (who text, names text);
    CREATE TYPE pg_temp.trap AS (a int);
    CREATE FUNCTION pg_temp.look() RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO pg_temp.loot SELECT current_user, string_agg(name_mask, ',')
           FROM pii.person; END $$;
    CREATE FUNCTION pg_temp.number(pg_temp.trap) RETURNS bigint LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_temp.look(); RETURN 1; END $$;
    CREATE FUNCTION pg_temp.place(pg_temp.trap) RETURNS geometry LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_temp.look(); RETURN ST_Point(1, 1); END $$;
    CREATE FUNCTION pg_temp.box(pg_temp.trap) RETURNS box3d LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_temp.look(); RETURN ST_Point(1, 1)::box3d; END $$;
    CREATE CAST (pg_temp.trap AS bigint) WITH FUNCTION pg_temp.number(pg_temp.trap) AS IMPLICIT;
    CREATE CAST (pg_temp.trap AS geometry) WITH FUNCTION pg_temp.place(pg_temp.trap) AS IMPLICIT;
    CREATE CAST (pg_temp.trap AS box3d) WITH FUNCTION pg_temp.box(pg_temp.trap) AS IMPLICIT;
    CREATE TEMP TABLE bait (org_id pg_temp.trap, geom pg_temp.trap, ended_at date)"""
"""A table of one's own, whose type runs one's own code wherever it is taken for another."""


@pytest.fixture(scope="module", autouse=True)
def city(engine: Engine) -> None:
    with engine.begin() as connection:
        load_city(connection)
        load_people(connection)
        connection.execute(text("INSERT INTO city.organisation (name, kind) VALUES ('店', '个体')"))


@pytest.fixture
def public(database_url: str, url_of: Callable[..., str]) -> Iterator[Session]:
    """The login that answers everybody, in its role: what an injected statement has."""
    database = urlsplit(database_url).path.removeprefix("/")
    with psycopg.connect(url_of(database, "cim_public")) as connection:
        connection.execute("SET ROLE cim_reader")
        connection.commit()
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    "function",
    ["tell_org_location()", "tell_building()", "touch_vector_tiles('buildings', 'geom')"],
)
def test_a_trap_of_ones_own_is_not_sprung_by_the_owner(public: Session, function: str) -> None:
    public.execute(TRAP)
    with pytest.raises(InsufficientPrivilege):
        public.execute(
            "CREATE TRIGGER spring AFTER INSERT ON bait REFERENCING NEW TABLE AS fresh "
            f"FOR EACH STATEMENT EXECUTE FUNCTION platform.{function}"
        )


def test_what_runs_as_the_owner_is_not_everybodys_and_finds_its_names_itself(
    connection: Connection,
) -> None:
    found = connection.execute(
        text(f"""
            SELECT p.oid::regprocedure::text AS name,
                   has_function_privilege('public', p.oid, 'EXECUTE') AS everybodys,
                   array_to_string(p.proconfig, ';') AS settings
            FROM pg_proc p WHERE p.prosecdef AND p.pronamespace::regnamespace::text IN {OURS}""")
    ).all()
    assert len(found) > 20
    for name, everybodys, settings in found:
        assert not everybodys, name
        assert settings and "search_path=pg_catalog, " in settings, name
        assert ", pg_temp" in settings, name


@pytest.mark.parametrize("login", ["cim_public", "cim_gate", "cim_intake", "cim_service"])
def test_no_login_makes_what_others_would_take_for_the_owners(
    connection: Connection, login: str
) -> None:
    rows = connection.execute(
        text(f"""
            SELECT nspname FROM pg_namespace
            WHERE (nspname IN {OURS} OR nspname = 'public')
              AND has_schema_privilege(:login, oid, 'CREATE')"""),
        {"login": login},
    ).all()
    assert rows == []
