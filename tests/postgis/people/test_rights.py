"""Rows of people, asked for as the service's own login would, by SQL that nobody foresaw."""

import json
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, text

from cim.security import accounts, roles, secrets, sessions, signing
from cim.store.queries.linked import tenure
from tests.accounts import PASSWORD, add_key, add_person, administrators, end_key, stand
from tests.folk import (
    NUMBER,
    TABLES,
    VAULT,
    Session,
    hashed,
    last_line,
    load_city,
    load_people,
    opened,
    seen,
)


@pytest.fixture(scope="module", autouse=True)
def city(engine: Engine) -> None:
    administrators(engine)
    with engine.begin() as connection:
        load_city(connection)
        load_people(connection)
    add_key(engine, "desk", "key-desk", ["residents"])
    add_key(engine, "east", "key-east", ["residents"], at="441900001")
    add_key(engine, "plain", "key-plain", ["residents_plain"])
    add_key(engine, "officer", "key-officer", ["people_officer"])
    add_key(engine, "figures", "key-figures", ["statistics"])
    add_key(engine, "narrow", "key-narrow", ["residents"], scopes=("living.read",))


def test_every_table_of_people_shows_no_rows_by_itself(connection: Connection) -> None:
    held = connection.execute(
        text(
            "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class "
            "WHERE relnamespace = 'pii'::regnamespace AND relkind IN ('r', 'p')"
        )
    )
    assert {tuple(row) for row in held} == {(table, True) for table in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_nothing_said_of_oneself_opens_a_row(service: Session, table: str) -> None:
    said = {"roles": "residents", "areas": "*", "purpose": "emergency", "actor": "desk"}
    for name, value in (said | {"account": "1", "opened": '{"persons": [1]}', "seal": "x"}).items():
        service.execute("SELECT set_config(%s, %s, true)", (f"cim.{name}", value))
    assert seen(service, table) == 0


def test_a_proof_opens_the_unit_and_no_more(service: Session, engine: Engine) -> None:
    assert opened(service, "key-desk") == {"persons": 2, "living": 3}
    assert [seen(service, table) for table in TABLES] == [2, 2, 1, 1]
    names = service.execute("SELECT name_mask FROM pii.person ORDER BY id").fetchall()
    assert names == [("甲*",), ("乙*",)]
    service.commit()
    line = last_line(engine)
    assert (line.actor, line.roles, line.purpose) == ("desk", "residents", "emergency")
    assert (line.object_type, line.object_id, line.persons) == ("unit", 11, 2)


def test_what_was_opened_ends_with_the_transaction(service: Session) -> None:
    opened(service, "key-desk")
    kept = service.execute(
        "SELECT current_setting('cim.opened'), current_setting('cim.seal')"
    ).fetchone()
    assert kept is not None and seen(service) == 2
    service.commit()
    assert seen(service) == 0
    # Nor does it open anything when it is said again.
    for name, value in zip(("opened", "seal"), kept, strict=True):
        service.execute("SELECT set_config(%s, %s, true)", (f"cim.{name}", value))
    assert seen(service) == 0


def test_a_list_that_was_opened_cannot_be_made_longer(service: Session) -> None:
    opened(service, "key-desk")
    service.execute(
        "SELECT set_config('cim.opened', replace(current_setting('cim.opened'), '[1, 2]',"
        " '[1, 2, 3, 4]'), true)"
    )
    assert seen(service) == 0


def test_opening_is_a_line_even_of_one_who_rolls_nothing_back(
    service: Session, engine: Engine
) -> None:
    """There is no row without its line: both are of one transaction."""
    before = last_line(engine)
    opened(service, "key-desk")
    assert seen(service) == 2
    service.rollback()
    assert last_line(engine) == before and seen(service) == 0


@pytest.mark.parametrize(
    ("proof", "id", "ask", "refused"),
    [
        ("nobody", 11, {}, "proof"),
        ("", 11, {}, "proof"),
        ("key-figures", 11, {}, "role"),
        ("key-officer", 11, {}, "role"),
        ("key-narrow", 11, {}, "role"),
        ("key-desk", 11, {"purpose": "curiosity"}, "purpose"),
        ("key-desk", 11, {"purpose": None}, "purpose"),
        ("key-desk", 11, {"purpose": "demonstration"}, "purpose"),
        ("key-desk", 11, {"plain": True}, "role"),
        ("key-plain", 11, {"plain": True, "purpose": "grid_service"}, "plain"),
        ("key-east", 21, {}, "place"),
    ],
)
def test_who_may_not_is_refused_and_sees_nothing(
    service: Session, engine: Engine, proof: str, id: int, ask: dict[str, Any], refused: str
) -> None:
    assert opened(service, proof, id=id, **ask)["refused"] == refused
    assert [seen(service, table) for table in TABLES] == [0, 0, 0, 0]
    service.commit()
    if refused != "proof":
        line = last_line(engine)
        assert not line.success and line.detail["refused"] == refused and line.persons == 0


def test_a_digest_is_no_proof(service: Session, engine: Engine) -> None:
    """What the database keeps of a key opens nothing: it takes the key."""
    digest = secrets.digest("key-desk")
    for stolen in (digest.hex(), str(digest), digest.decode("latin-1").replace("\x00", "")):
        assert opened(service, stolen)["refused"] == "proof"


def test_the_area_goes_by_the_place_of_the_home(service: Session) -> None:
    assert opened(service, "key-east", id=11)["persons"] == 2
    service.commit()
    assert opened(service, "key-east", "number", None, numbers=[hashed("99000019800101004X")]) == {
        "persons": 0,
        "living": 0,
    }
    assert seen(service) == 0
    service.commit()
    assert opened(service, "key-desk", "number", None, numbers=[hashed(NUMBER)])["persons"] == 1


def test_a_child_is_counted_and_found_by_nobody(service: Session) -> None:
    found = opened(service, "key-plain", "number", None, numbers=[hashed("99000019800101003X")])
    assert found["persons"] == 0 and seen(service) == 0


def test_nobody_takes_another_role_or_the_secret(service: Session) -> None:
    for statement in (
        "SET ROLE cim_gate",
        "SET ROLE cim_intake",
        "SET ROLE cim_public",
        "SET SESSION AUTHORIZATION cim",
        "SELECT * FROM security.seal",
        "SELECT security.seal_of('{}')",
        "SELECT security.seal_ids('{}')",
        "SELECT * FROM security.proved('key-desk')",
        "SELECT pii.forget('{1}')",
        "SELECT digest FROM security.session",
        "INSERT INTO security.session (digest, name, ends_at) VALUES ('x', 'x', now())",
        "SELECT id_no_hash FROM pii.person",
        "ALTER TABLE pii.person DISABLE ROW LEVEL SECURITY",
        "CREATE FUNCTION security.opened_ids(text) RETURNS bigint[] AS '' LANGUAGE sql",
    ):
        with pytest.raises(InsufficientPrivilege):
            service.execute(statement)
        service.rollback()
        service.execute("SET ROLE cim_resident_reader")
    service.execute("RESET ROLE")
    with pytest.raises(InsufficientPrivilege):
        service.execute("SELECT id FROM pii.person")


def test_a_table_of_ones_own_does_not_stand_in_for_anothers(service: Session) -> None:
    """Functions that weigh rights look their tables up by their own names."""
    service.execute("RESET ROLE")
    with pytest.raises(InsufficientPrivilege):
        service.execute("CREATE SCHEMA mine")
    service.rollback()
    service.execute("SET ROLE cim_resident_reader")
    service.execute("CREATE TEMP TABLE api_key (name text, digest bytea)")
    service.execute("SET LOCAL search_path = pg_temp, security, pii")
    assert opened(service, "forged")["refused"] == "proof"


def test_plain_gives_what_the_key_outside_opens(service: Session) -> None:
    assert opened(service, "key-plain", plain=True)["persons"] == 2
    rows = service.execute("SELECT * FROM security.opened_sealed() ORDER BY 1").fetchall()
    assert VAULT.decrypt([row[1] for row in rows], "person.name") == ["甲", "乙"]
    service.commit()
    assert opened(service, "key-plain")["persons"] == 2
    assert service.execute("SELECT * FROM security.opened_sealed()").fetchall() == []


def test_a_key_that_ended_proves_nothing(service: Session, engine: Engine) -> None:
    add_key(engine, "gone", "key-gone", ["residents"])
    assert opened(service, "key-gone")["persons"] == 2
    service.commit()
    end_key(engine, "gone")
    assert opened(service, "key-gone")["refused"] == "proof"


def test_look_ups_are_rationed_by_who_looks(service: Session, engine: Engine) -> None:
    add_key(engine, "hasty", "key-hasty", ["residents"])
    with engine.begin() as connection:
        stand(connection, "security")
        connection.execute(text("UPDATE security.rule SET value = 10 WHERE name = 'people_burst'"))
    try:
        for _ in range(10):
            assert opened(service, "key-hasty")["persons"] == 2
            service.commit()
        late = opened(service, "key-hasty")
        assert late["refused"] == "rate" and 0 < late["seconds"] <= 1 and seen(service) == 0
    finally:
        service.rollback()
        with engine.begin() as connection:
            stand(connection, "security")
            connection.execute(
                text("UPDATE security.rule SET value = 300 WHERE name = 'people_burst'")
            )


def test_an_address_opens_those_whose_home_it_is(service: Session, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO city.std_address (id, level, full_text, norm_text)
                    VALUES (7, 15, '11室', '11室'), (8, 11, '1号楼', '1号楼');
                INSERT INTO city.address_link (address_id, object_type, object_id, method)
                    VALUES (7, 'unit', 11, 'x'), (8, 'building', 1, 'x')"""
            )
        )
    assert opened(service, "key-desk", "address", 7)["persons"] == 2
    service.commit()
    # The address of a building is no list of who lives in it.
    assert opened(service, "key-desk", "address", 8)["persons"] == 0
    assert seen(service) == 0


def test_the_owner_without_superuser_rights_keeps_the_rows(connection: Connection) -> None:
    """FORCE holds for owners too; the keeper's policy is theirs, and is moved to a new one."""
    held = connection.execute(
        text("SELECT tablename, roles::text FROM pg_policies WHERE policyname = 'keeper'")
    )
    owner = connection.execute(text("SELECT current_user")).scalar_one()
    assert {tuple(row) for row in held} == {(table, f"{{{owner}}}") for table in TABLES}


def test_who_has_a_right_in_a_unit_is_opened_with_it(service: Session, engine: Engine) -> None:
    with engine.begin() as connection:
        for id, year in ((8, 1970), (9, 2021)):
            connection.execute(
                text(
                    "INSERT INTO pii.person (id, name_enc, name_mask, birth_year, is_minor14) "
                    "VALUES (:id, '-', '己*', :year, :year > 2015)"
                ),
                {"id": id, "year": year},
            )
            connection.execute(
                text(
                    "INSERT INTO pii.tenure (unit_id, party_type, party_id, kind) "
                    "VALUES (12, 'person', :id, '产权')"
                ),
                {"id": id},
            )
    assert opened(service, "key-desk", id=12) == {"persons": 1, "living": 0}
    assert [seen(service, table) for table in TABLES] == [1, 0, 0, 2]
    names = service.execute("SELECT name_mask FROM pii.person").fetchall()
    assert names == [("己*",)]


def test_a_role_may_see_some_fields_and_no_others(service: Session, engine: Engine) -> None:
    with engine.begin() as connection:
        stand(connection, "security")
        roles.add(connection, "names-only", "仅姓名", "names only")
        allowed = roles.Allowed("names-only", "residents.read", "residents", ("name", "role"))
        roles.allow(connection, allowed)
    add_key(engine, "names", "key-names", ["names-only"])
    row = service.execute(
        "SELECT pii.show('key-names', 'emergency', 'unit', 11) -> 'people' -> 0"
    ).fetchone()
    assert row is not None and row[0] == {
        "person": 1, "unit": 11, "name": "甲*", "role": "成员", "id_no": None, "phone": None,
        "kind": None, "birth_year": None,
    }  # fmt: skip


def test_fields_are_shown_where_the_role_for_them_was_given(
    service: Session, engine: Engine
) -> None:
    """A few fields of the whole city and all of a town are not all of the city."""
    with engine.begin() as connection:
        stand(connection, "security")
        roles.add(connection, "years-only", "仅年份", "years only")
        allowed = roles.Allowed("years-only", "residents.read", "residents", ("birth_year",))
        roles.allow(connection, allowed)
    add_person(engine, "mixed", "years-only")
    with engine.begin() as connection:
        stand(connection, "security")
        accounts.give(connection, "residents", to="mixed", at="441900001")
    with engine.begin() as connection:
        signed = signing.sign_in(connection, VAULT, signing.Attempt("mixed", PASSWORD, ""))
        assert isinstance(signed, signing.Signed)
        token = sessions.begin(connection, signed)

    def shown(what: str, id: int | None, number: str | None = None) -> Any:
        ask = (token, "emergency", what, id, None if number is None else [hashed(number)])
        row = service.execute("SELECT pii.show(%s, %s, %s, %s, %s) -> 'people' -> 0", ask)
        (found,) = row.fetchone() or (None,)
        return found["name"], found["birth_year"]

    assert shown("unit", 11) == ("甲*", 1980)
    assert shown("unit", 21) == (None, 1983)
    assert tenure_name(service, 21) is None
    assert shown("number", None, NUMBER) == ("甲*", 1980)
    assert shown("number", None, "99000019800101004X") == (None, 1983)
    add_key(engine, "years", "key-years", ["years-only"])
    service.commit()
    assert opened(service, "key-years")["persons"] == 2
    assert tenure_name(service, 11) is None
    service.commit()
    assert opened(service, "key-desk")["persons"] == 2
    assert tenure_name(service, 11) == "甲*"


def tenure_name(service: Session, unit: int) -> Any:
    """The name of who holds a unit, as the card asks for it."""
    asked = tenure.of_unit(unit)
    row = service.execute(asked.sql.replace("$1", "%s"), asked.values).fetchone()
    assert row is not None
    return json.loads(row[0])[0]["name"]
