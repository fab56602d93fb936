"""What proves who asks for people: sessions of here and of elsewhere; and the old log of reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine, create_engine, text

from cim.security import audit, sessions, signing
from cim.security.signing import Attempt, Signed
from tests.accounts import PASSWORD, add_person, administrators
from tests.folk import (
    VAULT,
    Session,
    last_line,
    load_city,
    load_people,
    opened,
)


@pytest.fixture(scope="module", autouse=True)
def city(engine: Engine) -> None:
    administrators(engine)
    with engine.begin() as connection:
        load_city(connection)
        load_people(connection)


def test_a_session_proves_who_is_signed_in(service: Session, engine: Engine) -> None:
    add_person(engine, "li", "residents", at="441900001")
    with engine.begin() as connection:
        signed = signing.sign_in(connection, VAULT, Attempt("li", PASSWORD, ""))
        assert isinstance(signed, Signed)
        token = sessions.begin(connection, signed)
    assert opened(service, token, id=11)["persons"] == 2
    assert opened(service, token, id=21)["refused"] == "place"
    service.commit()
    assert last_line(engine).actor == "li"
    for change in (
        "UPDATE security.session SET seen_at = now() - interval '31 minutes'",
        "UPDATE security.session SET seen_at = now(), ends_at = now()",
        "UPDATE security.session SET ends_at = now() + interval '1 hour', ended_at = now()",
    ):
        with engine.begin() as connection:
            connection.execute(text(f"{change} WHERE name = 'li'"))
        assert opened(service, token, id=11)["refused"] == "proof"
        service.commit()
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE security.session SET ended_at = NULL, seen_at = now() WHERE name = 'li'")
        )
    assert opened(service, token, id=11)["persons"] == 2
    service.commit()
    with engine.begin() as connection:
        connection.execute(text("UPDATE security.account SET must_change = true WHERE name = 'li'"))
    assert opened(service, token, id=11)["refused"] == "proof"


def test_who_signed_in_elsewhere_is_confined_to_the_areas_that_place_named(
    service: Session, engine: Engine
) -> None:
    tokens = {}
    for name, areas in (("east", (2,)), ("whole", None), ("nowhere", ())):
        who = sessions.Vouched(f"https://id.example#{name}", name, ("residents",), areas,
                               None if areas is None else ())  # fmt: skip
        with engine.begin() as connection:
            tokens[name] = sessions.begin(connection, who)
    assert opened(service, tokens["east"], id=11)["persons"] == 2
    assert opened(service, tokens["east"], id=21)["refused"] == "place"
    assert opened(service, tokens["whole"], id=21)["persons"] == 1
    assert opened(service, tokens["nowhere"], id=11)["refused"] == "place"


def test_the_old_log_of_reads_became_lines_of_the_one_log(
    database_url: str, url_of: Callable[..., str]
) -> None:
    """A city of before this: its log had a table of its own, which is taken over as it was."""
    name = f"cim_test_{uuid4().hex[:8]}"
    versions = files("cim.store.migrations") / "versions"
    with psycopg.connect(url_of("postgres"), autocommit=True) as admin:
        admin.execute(
            SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'").format(
                Identifier(name)
            )
        )
        try:
            with psycopg.connect(url_of(name)) as old:
                old.execute("CREATE SCHEMA platform; CREATE SCHEMA security")
                old.execute((versions / "0001_initial.sql").read_bytes())
                for part in ("tables", "rules", "roles"):
                    old.execute((versions / f"0016_security_{part}.sql").read_bytes())
                for actor, day in (("desk", 3), ("other", 4)):
                    old.execute(
                        """INSERT INTO pii.access_log
                            (at, actor, role, purpose, object_type, object_id, persons)
                        VALUES (%s, %s, 'residents', 'emergency', 'unit', 201, 2)""",
                        (datetime(2026, 1, day, tzinfo=UTC), actor),
                    )
                for part in ("tables", "data"):
                    old.execute((versions / f"0017_people_{part}.sql").read_bytes())
            made = create_engine(
                "postgresql+psycopg://", creator=lambda: psycopg.connect(url_of(name))
            )
            with made.connect() as connection:
                lines = connection.execute(
                    text("SELECT * FROM security.audit_log WHERE event = 'people.open' ORDER BY at")
                ).all()
                assert [(line.actor, line.roles, line.purpose) for line in lines] == [
                    ("desk", "residents", "emergency"),
                    ("other", "residents", "emergency"),
                ]
                assert lines[0].detail["was_at"].startswith("2026-01-0") and lines[0].persons == 2
                assert audit.verify(connection).faults == []
                gone = text("SELECT to_regclass('pii.access_log')")
                assert connection.execute(gone).scalar_one() is None
            made.dispose()
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
