"""What the database itself holds of accounts, roles and keys, whoever writes and by what means."""

import time
from collections.abc import Callable

import pyotp
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from cim.errors import BadPassword, CimError, Conflict, NotAllowed
from cim.privacy import Vault
from cim.security import accounts, keys, passwords, roles, signing
from cim.security.signing import Attempt, Signed, Slow
from tests.accounts import HOLDERS, PASSWORD, add_person, administrators, stand

VAULT = Vault(bytes(range(32)))


@pytest.fixture(scope="module", autouse=True)
def three(engine: Engine) -> None:
    administrators(engine)
    add_person(engine, "wang", "statistics")


def run(connection: Connection, sql: str) -> None:
    connection.execute(text(sql))


def grant(connection: Connection, name: str, role: str, kind: str = "") -> None:
    """A grant typed by hand."""
    run(
        connection,
        f"""INSERT INTO security.role_grant (account_id, holder, role, administers)
            SELECT id, holder, '{role}', '{kind}' FROM security.account WHERE name = '{name}'""",
    )


def test_there_are_three_and_no_default_password(connection: Connection) -> None:
    held = connection.execute(
        text("""SELECT a.name, g.role FROM security.role_grant g
                JOIN security.account a ON a.id = g.account_id WHERE administers <> ''""")
    )
    assert {tuple(row) for row in held} == {
        ("system", "system_admin"),
        ("security", "security_admin"),
        ("audit", "audit_admin"),
    }
    assert accounts.complete(connection)
    assert accounts.first(connection, HOLDERS) == []
    stand(connection, "system")
    accounts.add(connection, "chen")
    kept = text("SELECT password FROM security.account WHERE name = 'chen'")
    assert connection.execute(kept).scalar_one() is None


def test_no_person_is_two_administrators_not_even_by_hand(connection: Connection) -> None:
    stand(connection, "security")
    with pytest.raises(Conflict, match="three persons"):
        accounts.give(connection, "audit_admin", to="system")
    with pytest.raises(IntegrityError, match="administrator"), connection.begin_nested():
        grant(connection, "system", "audit_admin", "audit")
    # Nor under a second account of the same person.
    stand(connection, "system")
    accounts.add(connection, "second", holder=HOLDERS["system"])
    stand(connection, "security")
    with pytest.raises(IntegrityError, match="uq_role_grant_administrator"):
        grant(connection, "second", "audit_admin", "audit")


def test_an_administering_role_cannot_be_passed_off_as_another(connection: Connection) -> None:
    stand(connection, "security")
    with pytest.raises(IntegrityError, match="fk_role_grant_role"), connection.begin_nested():
        grant(connection, "wang", "audit_admin", "")
    with pytest.raises(IntegrityError, match="fk_role"), connection.begin_nested():
        run(connection, "UPDATE security.role SET administers = '' WHERE code = 'audit_admin'")
    with pytest.raises(IntegrityError, match="ck_role_right_scope"), connection.begin_nested():
        run(
            connection,
            "INSERT INTO security.role_right (role, scope) VALUES ('statistics', 'admin.system')",
        )
    with pytest.raises(IntegrityError, match="ck_role_right_scope"):
        run(
            connection,
            "INSERT INTO security.role_right (role, administers, scope) "
            "VALUES ('system_admin', 'system', 'residents.read')",
        )


@pytest.mark.parametrize("who", [None, "system", "audit", "wang"])
def test_roles_are_given_by_the_security_administrator_alone(
    connection: Connection, who: str | None
) -> None:
    if who:
        stand(connection, who)
    with pytest.raises(NotAllowed, match="security administrator"):
        grant(connection, "wang", "residents")


@pytest.mark.parametrize("who", [None, "security", "audit", "wang"])
def test_accounts_are_made_by_the_system_administrator_alone(
    connection: Connection, who: str | None
) -> None:
    if who:
        stand(connection, who)
    with pytest.raises(NotAllowed, match="system administrator") as refused:
        run(connection, "INSERT INTO security.account (name, holder) VALUES ('li', 'li')")
    assert "系统" in refused.value.zh


@pytest.mark.parametrize("who", [None, "system", "audit", "wang"])
def test_keys_are_made_by_the_security_administrator_alone(
    connection: Connection, who: str | None
) -> None:
    if who:
        stand(connection, who)
    with pytest.raises(NotAllowed):
        keys.add(connection, keys.Wanted("k", "wang", ("statistics",)))


def test_nobody_gives_themselves_a_role(connection: Connection) -> None:
    stand(connection, "security")
    with pytest.raises(NotAllowed, match="themselves"):
        accounts.give(connection, "residents", to="security")


def test_the_last_of_a_kind_stays(connection: Connection) -> None:
    stand(connection, "security")
    with pytest.raises(NotAllowed, match="no system administrator left"), connection.begin_nested():
        accounts.take(connection, "system_admin", "system")
    stand(connection, "system")
    with pytest.raises(NotAllowed, match="no audit administrator left"):
        accounts.end(connection, "audit")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM security.account WHERE name = 'wang'",
        "DELETE FROM security.role_grant",
        "UPDATE security.role_grant SET role = 'residents' WHERE role = 'statistics'",
        "UPDATE security.role_grant SET area_id = NULL, ended_at = now()",
        "UPDATE security.account SET name = 'other' WHERE name = 'wang'",
        "UPDATE security.account SET expires_at = NULL, ended_at = now() WHERE name = 'wang'",
        "UPDATE security.rule SET value = 8 WHERE name = 'password_length'",
        "UPDATE security.audit_log SET actor = 'nobody'",
        "DELETE FROM security.audit_log",
        "TRUNCATE security.audit_log",
    ],
)
def test_what_stands_is_not_changed_by_hand(connection: Connection, sql: str) -> None:
    with pytest.raises(NotAllowed):
        run(connection, sql)


def test_an_administrators_new_link_takes_the_two_others(connection: Connection) -> None:
    others = {name: accounts.find(connection, name).id for name in ("audit", "system", "wang")}
    for who, witness in (
        ("system", None),
        ("system", "system"),
        ("security", "audit"),
        ("system", "wang"),
    ):
        stand(connection, who)
        with pytest.raises(NotAllowed, match="two other"), connection.begin_nested():
            accounts.make_link(connection, "security", others.get(witness or ""))
    stand(connection, "system")
    assert accounts.make_link(connection, "security", others["audit"]).token


def test_a_link_is_good_once_and_for_a_while(connection: Connection) -> None:
    stand(connection, "system")
    accounts.add(connection, "zhao")
    link = accounts.make_link(connection, "zhao")
    with pytest.raises(BadPassword, match="at least 12") as refused:
        signing.redeem(connection, link.token, "Ab1!")
    assert "12" in refused.value.zh
    assert signing.redeem(connection, link.token, "Blue-kettle-77").name == "zhao"
    with pytest.raises(NotAllowed, match="not good"):
        signing.redeem(connection, link.token, "Blue-kettle-78")
    stand(connection, "system")
    late = accounts.make_link(connection, "zhao")
    run(connection, "UPDATE security.link SET expires_at = now() WHERE used_at IS NULL")
    with pytest.raises(NotAllowed, match="not good"):
        signing.redeem(connection, late.token, "Blue-kettle-79")
    first = accounts.make_link(connection, "zhao")
    accounts.make_link(connection, "zhao")
    with pytest.raises(NotAllowed, match="not good"):
        signing.redeem(connection, first.token, "Blue-kettle-79")


def enter(connection: Connection, name: str, password: str, code: str = "") -> object:
    return signing.sign_in(connection, VAULT, Attempt(name, password, code))


def test_signing_in_tells_nobody_who_has_an_account(connection: Connection) -> None:
    signed = enter(connection, " Wang ", PASSWORD)
    assert isinstance(signed, Signed) and signed.rights.roles == {"statistics"}
    assert enter(connection, "wang", "wrong") is None
    assert enter(connection, "nobody", "wrong") is None
    times: dict[str, float] = {}
    for name in ("wang", "nobody-at-all"):
        begun = time.process_time()
        enter(connection, name, "wrong")
        times[name] = time.process_time() - begun
    assert min(times.values()) > max(times.values()) / 4  # both hash once


def test_failed_tries_lock_an_account_and_an_administrator_opens_it(
    connection: Connection,
) -> None:
    for _ in range(5):
        assert enter(connection, "wang", "wrong") is None
    assert enter(connection, "wang", PASSWORD) is None
    stand(connection, "system")
    accounts.unlock(connection, "wang")
    assert isinstance(enter(connection, "wang", PASSWORD), Signed)


def test_tries_are_slowed_down_by_account_and_by_address(connection: Connection) -> None:
    stand(connection, "security")
    for rule in ("account_burst", "address_burst"):
        accounts.set_rule(connection, rule, 3)
    accounts.set_rule(connection, "address_seconds", 3600)
    answers = [enter(connection, "nobody", "x") for _ in range(4)]
    assert answers == [None, None, None, Slow(30)]
    assert enter(connection, "nobody", "x") == Slow(30)
    told = text("""SELECT count(*) FROM security.audit_log
        WHERE event = 'sign_in' AND detail ->> 'throttled' = 'account' AND at > now()""")
    assert connection.execute(told).scalar_one() == 1
    for number in range(4):
        attempt = Attempt(f"guess{number}", "x", address="192.0.2.7")
        last = signing.sign_in(connection, VAULT, attempt)
    assert isinstance(last, Slow)
    assert signing.sign_in(connection, VAULT, Attempt("guess", "x", address="192.0.2.8")) is None


def test_a_password_that_is_too_old_must_be_changed(connection: Connection) -> None:
    run(connection, "UPDATE security.account SET password_at = now() - interval '91 days'")
    signed = enter(connection, "wang", PASSWORD)
    assert isinstance(signed, Signed) and signed.must_change
    with pytest.raises(BadPassword, match="old one"):
        signing.change(connection, signed, PASSWORD)
    signing.change(connection, signed, "Green-kettle-78")
    renewed = enter(connection, "wang", "Green-kettle-78")
    assert isinstance(renewed, Signed) and not renewed.must_change


def test_an_expired_or_ended_account_is_closed(connection: Connection) -> None:
    stand(connection, "system")
    run(connection, "UPDATE security.account SET expires_at = now() WHERE name = 'wang'")
    assert enter(connection, "wang", PASSWORD) is None


def test_a_hash_of_old_parameters_is_made_anew(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", passwords.PasswordHasher(memory_cost=32768))
    assert isinstance(enter(connection, "wang", PASSWORD), Signed)
    kept = connection.execute(
        text("SELECT password FROM security.account WHERE name = 'wang'")
    ).scalar_one()
    assert kept.startswith("$argon2id$") and "m=32768" in kept


def test_a_one_time_code_is_asked_for_and_is_good_once(connection: Connection) -> None:
    signed = enter(connection, "wang", PASSWORD)
    assert isinstance(signed, Signed)
    secret, address = signing.begin_codes(signed)
    assert address.startswith("otpauth://totp/cimtwin:wang")
    with pytest.raises(NotAllowed):
        signing.confirm_codes(connection, VAULT, signed, secret, "000000x")
    totp = pyotp.TOTP(secret)
    signing.confirm_codes(connection, VAULT, signed, secret, totp.at(time.time() - 30))
    kept = connection.execute(
        text("SELECT totp FROM security.account WHERE name = 'wang'")
    ).scalar_one()
    assert secret.encode() not in kept
    code = totp.now()
    assert enter(connection, "wang", PASSWORD) is None
    assert isinstance(enter(connection, "wang", PASSWORD, code), Signed)
    assert enter(connection, "wang", PASSWORD, code) is None


def test_a_key_is_kept_as_its_digest_and_never_administers(connection: Connection) -> None:
    stand(connection, "security")
    made = keys.add(connection, keys.Wanted("desk", "wang", ("residents",)))
    assert made.startswith("cim_") and len(made) > 50
    row = connection.execute(text("SELECT * FROM security.api_key WHERE name = 'desk'")).one()
    assert made not in str(row) and made.startswith(row.prefix)
    with pytest.raises(CimError, match="person"):
        keys.add(connection, keys.Wanted("root", "wang", ("system_admin",)))


def test_the_gate_may_sign_people_in_and_nothing_more(connection: Connection) -> None:
    refused = [
        "INSERT INTO security.account (name, holder) VALUES ('x', 'x')",
        "UPDATE security.account SET ended_at = NULL",
        "INSERT INTO security.role_grant (account_id, holder, role) VALUES (1, 'x', 'residents')",
        "UPDATE security.role_right SET secrecy = 9",
        "INSERT INTO security.api_key (name) VALUES ('x')",
        "SELECT * FROM security.audit_log",
        "INSERT INTO security.audit_log (event) VALUES ('x')",
        "UPDATE security.audit_lane SET last = 0",
        "SELECT * FROM pii.person",
    ]
    for sql in refused:
        with pytest.raises(DBAPIError, match="permission denied"), connection.begin_nested():
            run(connection, "SET LOCAL ROLE cim_gate")
            run(connection, sql)
    run(connection, "SET LOCAL ROLE cim_gate")
    assert isinstance(enter(connection, "wang", PASSWORD), Signed)
    assert enter(connection, "wang", "wrong") is None


def test_readers_of_the_city_see_no_account(connection: Connection) -> None:
    for role in ("cim_reader", "cim_resident_reader"):
        with pytest.raises(DBAPIError, match="permission denied"), connection.begin_nested():
            run(connection, f"SET LOCAL ROLE {role}")
            run(connection, "SELECT * FROM security.account")


def test_a_city_makes_roles_of_its_own(connection: Connection) -> None:
    stand(connection, "security")
    roles.add(connection, "lifts", "电梯检验", "lift inspection")
    devices = roles.Allowed("lifts", "city.read", "devices", ("name", "class"), secrecy=2)
    roles.allow(connection, devices)
    accounts.give(connection, "lifts", to="wang")
    signed = enter(connection, "wang", PASSWORD)
    assert isinstance(signed, Signed)
    rights = signed.rights
    # Wang has the role `statistics` besides, which is for all collections and not secret.
    assert rights.secrecy("city.read", "devices") == 2 and rights.secrecy("city.read", "units") == 0
    assert rights.fields("city.read", "devices") is None and rights.may("city.read", "units")
    stand(connection, "security")
    roles.deny(connection, roles.Allowed("statistics", "city.read"))
    signed = enter(connection, "wang", PASSWORD)
    assert isinstance(signed, Signed)
    assert signed.rights.fields("city.read", "devices") == {"name", "class"}
    assert not signed.rights.may("city.read", "units")
    told = text(
        "SELECT event FROM security.audit_log WHERE event LIKE 'role%' AND "
        "actor = 'security' AND at > now() ORDER BY at, no"
    )
    assert connection.execute(told).scalars().all() == [
        "role.insert",
        "role_right.insert",
        "role_grant.insert",
        "role_right.delete",
    ]


@pytest.mark.parametrize(
    ("allowed", "why"),
    [
        (roles.Allowed("nobody", "city.read"), "no role"),
        (roles.Allowed("statistics", "admin.audit"), "no scope"),
        (roles.Allowed("statistics", "everything"), "no scope"),
        (roles.Allowed("audit_admin", "city.read"), "administrators"),
    ],
)
def test_a_role_is_allowed_what_there_is(
    connection: Connection, allowed: roles.Allowed, why: str
) -> None:
    stand(connection, "security")
    with pytest.raises(CimError, match=why):
        roles.allow(connection, allowed)


def test_a_role_is_given_for_an_area_and_those_below_it(
    connection: Connection, url_of: Callable[..., str]
) -> None:
    run(
        connection,
        """INSERT INTO city.admin_area (id, code, level, name, parent_id) VALUES
            (4, '441900001', 4, '镇', NULL), (5, '441900001001', 5, '社区', 4),
            (6, '441900002', 4, '别镇', NULL)""",
    )
    stand(connection, "security")
    accounts.give(connection, "residents", to="wang", at="441900001")
    with pytest.raises(Conflict, match="already"):
        accounts.give(connection, "residents", to="wang", at="441900001")
    accounts.give(connection, "residents", to="wang", at="441900002")
    signed = enter(connection, "wang", PASSWORD)
    assert isinstance(signed, Signed)
    where = signed.rights.where("residents.read")
    assert where is not None and sorted(where.areas) == [4, 5, 6] and where.grids == ()
    assert signed.rights.where("city.read") is None  # from the other role
    stand(connection, "security")
    assert accounts.take(connection, "residents", "wang") == 2
