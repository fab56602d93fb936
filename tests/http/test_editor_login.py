"""Who changes features to the database: a login that writes the city, and sees nobody in it."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from api.app import create_app
from cim.settings import Settings
from tests.accounts import add_key

KEY = {"Authorization": "Bearer key-editing"}


@pytest.fixture(scope="module")
def served(city: Settings, engine: Engine, url_of: Callable[..., str]) -> Iterator[TestClient]:
    """The service, each part of which logs in as itself; and somebody who may change features."""
    add_key(engine, "survey-office", "key-editing", ["editor"])
    with engine.begin() as connection:  # the small city names its own ids
        for table in ("source_system", "storey", "unit", "floor_plan", "floor_slot", "entrance"):
            connection.execute(text(f"SELECT setval('city.{table}_id_seq', 10000)"))
    database = urlsplit(str(city.database_url)).path.removeprefix("/")
    url = url_of(database, "cim_service")
    with TestClient(create_app(city.model_copy(update={"service_database_url": url}))) as client:
        yield client


def test_it_is_no_superuser_and_owns_nothing(served: TestClient) -> None:
    asked = """SELECT session_user::text, current_user::text, rolsuper, rolbypassrls, rolcreaterole,
            rolinherit, (SELECT count(*) FROM pg_class WHERE relowner = r.oid),
            (SELECT count(*) FROM pg_auth_members WHERE member = r.oid)
        FROM pg_roles r WHERE rolname = session_user"""
    with served.app.state.editing_engine.connect() as connection:
        row = connection.execute(text(asked)).one()
    assert tuple(row) == ("cim_editor", "cim_editor", False, False, False, False, 0, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM pii.person",
        "SELECT person_id FROM pii.residency",
        "INSERT INTO pii.person (name_enc, name_mask) VALUES ('-', '*')",
        "SELECT residents FROM city.building_pop",
        "UPDATE city.building_pop SET residents = 0",
        "SELECT people FROM city.building_people",
        "SELECT record, record_enc FROM platform.quarantine",
        "SELECT file FROM platform.upload",
        "UPDATE platform.setting SET value = 'null'",
        "DELETE FROM platform.change",
        "SELECT password FROM security.account",
        "SELECT value FROM security.secret",
        "INSERT INTO security.role_grant (role) VALUES ('residents')",
        "SELECT event FROM security.audit_log",
        "INSERT INTO security.audit_log (event) VALUES ('x')",
        "UPDATE security.audit_log SET event = 'x'",
        "SELECT * FROM jobs.procrastinate_jobs",
        "SELECT * FROM platform.device_key",
        "DELETE FROM city.building",
        "TRUNCATE city.floor_slot",
        "CREATE TABLE city.mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE city.building DISABLE TRIGGER ALL",
        "DROP INDEX city.pk_building",
        "SET session_replication_role = replica",
        "SET ROLE cim",
        "SET ROLE cim_reader",
        "SET ROLE cim_resident_reader",
        "SET ROLE cim_gate",
        "COPY city.building TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
def test_what_is_not_for_it_is_refused(served: TestClient, statement: str) -> None:
    with (
        served.app.state.editing_engine.connect() as connection,
        pytest.raises(DBAPIError) as refused,
    ):
        connection.execute(text(statement))
    # Refused, or not its own to alter; what does not exist at all would prove nothing.
    assert refused.value.orig.sqlstate == "42501", refused.value.orig


def test_an_edit_in_its_name_is_done_and_the_log_says_who(
    served: TestClient, engine: Engine
) -> None:
    at = "/ogc/collections/buildings/items/1"
    etag = served.get(at, headers=KEY).headers["etag"]
    answer = served.patch(
        at,
        json={"properties": {"name": "四栋", "floors_above": 4}},
        headers=KEY | {"If-Match": etag},
    )
    assert answer.status_code == 204, answer.text
    with engine.connect() as connection:
        changed = "SELECT name, floors_above FROM city.building WHERE id = 1"
        assert tuple(connection.execute(text(changed)).one()) == ("四栋", 4)
        storeys = "SELECT count(*) FROM city.storey WHERE building_id = 1 AND ended_at IS NULL"
        assert connection.execute(text(storeys)).scalar_one() == 5
        line = """SELECT event, actor, object_type, object_id, request FROM security.audit_log
                  WHERE event LIKE 'feature.%' ORDER BY at DESC LIMIT 1"""
        found = connection.execute(text(line)).one()
    assert found[:4] == ("feature.update", "survey-office", "building", 1)
    assert found.request == answer.headers["x-request-id"]
