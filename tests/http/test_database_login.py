"""Who the service is to the database: logins that own nothing and cannot become more."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.app import create_app
from cim.settings import Settings
from cim.store.queries.ready import Asked
from tests.accounts import PASSWORD

CARD = "/units/201/card"


@pytest.fixture(scope="module")
def served(city: Settings, url_of: Callable[..., str]) -> Iterator[TestClient]:
    """The service, each part of which logs in as itself."""
    database = urlsplit(str(city.database_url)).path.removeprefix("/")
    url = url_of(database, "cim_service")
    with TestClient(create_app(city.model_copy(update={"service_database_url": url}))) as client:
        yield client


def test_it_answers_as_ever(served: TestClient) -> None:
    assert served.get("/buildings/1").status_code == 200
    assert served.get("/health").status_code == 200
    known = {"Authorization": "Bearer key-residents", "X-Purpose": "emergency"}
    assert served.get(CARD, headers=known).json()["residents"]["shown"]
    signed = served.post("/session", json={"name": "audit", "password": PASSWORD})
    assert signed.json()["roles"] == ["audit_admin"]


@pytest.mark.parametrize(
    ("pool", "login"),
    [
        ("store", "cim_public"),
        ("keyed_store", "cim_public"),
        ("gate", "cim_gate"),
        ("intake_store", "cim_intake"),
    ],
)
def test_it_is_no_superuser_and_owns_nothing(served: TestClient, pool: str, login: str) -> None:
    held = getattr(served.app.state, pool)
    store = held.store if pool == "gate" else held
    asked = """SELECT session_user::text, rolsuper, rolbypassrls, rolcreaterole,
            (SELECT count(*) FROM pg_class WHERE relowner = r.oid)
        FROM pg_roles r WHERE rolname = session_user"""
    row = served.portal.call(store.row, text(asked))
    assert tuple(row) == (login, False, False, False, 0)


def test_what_opens_people_is_a_login_of_its_own(served: TestClient) -> None:
    opener = served.app.state.people.direct
    asked = Asked("SELECT session_user::text || ' ' || current_user::text")
    assert served.portal.call(opener.value, asked) == "cim_service cim_resident_reader"


def test_what_makes_tiles_cannot_read_people_in_any_role(served: TestClient) -> None:
    with served.app.state.maker.engine.connect() as connection:
        assert connection.execute(text("SELECT session_user")).scalar_one() == "cim_public"
        for role in ("NONE", "cim_reader", "cim_public"):
            connection.execute(text(f"SET ROLE {role}"))
            with pytest.raises(DBAPIError, match="permission denied"):
                connection.execute(text("SELECT * FROM pii.person"))
        for role in ("cim_resident_reader", "cim_service", "cim_gate"):
            with pytest.raises(DBAPIError, match="permission denied"):
                connection.execute(text(f"SET ROLE {role}"))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM pii.person",
        "SELECT password FROM security.account",
        "UPDATE city.building SET height = 0",
        "INSERT INTO security.role_grant (role) VALUES ('residents')",
        "DELETE FROM security.audit_log",
        "SET ROLE cim",
        "SET SESSION AUTHORIZATION cim",
        "ALTER ROLE cim_service SUPERUSER",
        "COPY city.building TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
        "CREATE TABLE city.mine (id int)",
    ],
)
def test_what_it_reads_the_city_with_cannot_do_more(served: TestClient, statement: str) -> None:
    with pytest.raises(DBAPIError) as refused:
        served.portal.call(served.app.state.store.rows, text(statement))
    assert refused.value.orig.sqlstate == "42501"


def test_not_even_after_giving_up_its_role(served: TestClient) -> None:
    """A statement that resets the role is left with the login's own rights: no personal data."""

    async def reset() -> None:
        async with served.app.state.store.transaction() as connection:
            await connection.execute(text("RESET ROLE"))
            await connection.execute(text("SET LOCAL ROLE NONE"))
            await connection.execute(text("SELECT * FROM pii.person"))

    with pytest.raises(DBAPIError) as refused:
        served.portal.call(reset)
    assert refused.value.orig.sqlstate == "42501"
