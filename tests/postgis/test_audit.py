"""The audit log is added to and never changed; where somebody did all the same, it is found."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from cim.errors import NotAllowed
from cim.security import audit
from cim.security.identity import stand_for
from cim.settings import Settings
from cim.store.queries.security.callers import record
from tests.accounts import PASSWORD, administrators


@pytest.fixture(scope="module", autouse=True)
def filled(engine: Engine) -> None:
    """Administrators, and forty lines in several chains."""
    administrators(engine)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write(engine, n), range(40)))


def write(engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            stand_for(actor="wang", roles=["residents"], purpose="emergency", request=f"r{number}")
        )
        connection.execute(
            record("residents.read", object_type="unit", object_id=number, persons=2)
        )


def by_hand(connection: Connection, sql: str) -> None:
    """As the owner of the server can, who switches every trigger off."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(text(sql))


MIDDLE = """(SELECT lane, no FROM security.audit_log l WHERE no > 2 AND EXISTS (
    SELECT FROM security.audit_log n WHERE n.lane = l.lane AND n.no = l.no + 1)
    AND event = 'residents.read' ORDER BY at LIMIT 1)"""


def why(connection: Connection) -> list[str]:
    return [fault.en for fault in audit.verify(connection).faults]


def test_what_nobody_touched_is_as_it_was_written(connection: Connection) -> None:
    verdict = audit.verify(connection)
    lines = connection.execute(text("SELECT count(*) FROM security.audit_log")).scalar_one()
    assert verdict.faults == [] and verdict.lines == lines >= 40
    assert len(verdict.anchor) == 8


def test_a_line_says_who_what_for_and_with_what(connection: Connection) -> None:
    line = connection.execute(text("SELECT * FROM security.audit_log WHERE request = 'r7'")).one()
    told = (line.event, line.actor, line.roles, line.purpose, line.object_id, line.persons)
    assert told == ("residents.read", "wang", "residents", "emergency", 7, 2)


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'li'",
        "actor = NULL",
        "at = at + interval '1 microsecond'",
        "success = false",
        "object_id = 4711",
        "persons = 1",
        "purpose = 'grid_service'",
        "detail = '{\"persons\": 1}'",
        "roles = 'residents,intake', purpose = 'emergency'",
        "event = 'residents.rea', success = true",
        "digest = sha256('x')",
        "previous = sha256('x')",
    ],
)
def test_a_line_changed_by_hand_is_found(connection: Connection, change: str) -> None:
    by_hand(
        connection,
        f"UPDATE security.audit_log SET {change} WHERE (lane, no) IN {MIDDLE}",
    )
    assert audit.CHANGED[0] in why(connection)


def test_a_line_changed_with_its_digest_breaks_the_next(connection: Connection) -> None:
    by_hand(
        connection,
        f"""UPDATE security.audit_log l SET actor = 'li', digest = security.digest_of(ROW(
            lane, no, at, event, success, 'li', roles, purpose, object_type, object_id, persons,
            address, request, detail, previous, digest)::security.audit_log)
        WHERE (lane, no) IN {MIDDLE}""",
    )
    assert why(connection) == [audit.PUT_IN[0]]


def test_a_line_removed_by_hand_is_found(connection: Connection) -> None:
    by_hand(connection, f"DELETE FROM security.audit_log WHERE (lane, no) IN {MIDDLE}")
    assert why(connection) == [audit.REMOVED[0]]


def test_the_last_line_removed_by_hand_is_found(connection: Connection) -> None:
    by_hand(
        connection,
        """DELETE FROM security.audit_log WHERE (lane, no) IN (
            SELECT lane, last FROM security.audit_lane WHERE last > 0 LIMIT 1)""",
    )
    assert why(connection) == [audit.CUT_OFF[0]]


def test_a_whole_month_removed_by_hand_is_found(connection: Connection) -> None:
    month = connection.execute(
        text("SELECT tableoid::regclass::text FROM security.audit_log LIMIT 1")
    ).scalar_one()
    connection.execute(text(f"DROP TABLE {month}"))
    assert audit.CUT_OFF[0] in why(connection)


def test_a_line_put_in_by_hand_is_found(connection: Connection) -> None:
    by_hand(
        connection,
        f"""INSERT INTO security.audit_log SELECT lane, no, at + interval '1 second', event,
            success, 'li', roles, purpose, object_type, object_id, persons, address, request,
            detail, previous, digest FROM security.audit_log WHERE (lane, no) IN {MIDDLE}""",
    )
    assert audit.CHANGED[0] in why(connection)


def test_a_chain_written_anew_is_known_by_an_anchor(connection: Connection) -> None:
    anchor = audit.read_anchor(audit.write_anchor(audit.verify(connection).anchor))
    by_hand(
        connection,
        """DO $$ DECLARE l security.audit_log; p bytea; n int; BEGIN
            FOR n IN 0..7 LOOP
                p := '\\x';
                FOR l IN SELECT * FROM security.audit_log WHERE lane = n ORDER BY no LOOP
                    l.actor := 'nobody'; l.previous := p; l.digest := security.digest_of(l);
                    p := l.digest;
                    UPDATE security.audit_log SET actor = l.actor, previous = l.previous,
                        digest = l.digest WHERE lane = l.lane AND no = l.no;
                END LOOP;
                UPDATE security.audit_lane SET digest = p WHERE lane = n;
            END LOOP; END $$""",
    )
    assert why(connection) == []
    verdict = audit.verify(connection, anchor)
    assert {fault.en for fault in verdict.faults} == {audit.REWRITTEN[0]}


def test_a_chain_cut_off_with_its_end_is_known_by_an_anchor(connection: Connection) -> None:
    anchor = audit.verify(connection).anchor
    by_hand(
        connection,
        """WITH cut AS (DELETE FROM security.audit_log WHERE (lane, no) IN (
                SELECT lane, last FROM security.audit_lane WHERE last > 1 LIMIT 1)
            RETURNING lane, no, previous)
        UPDATE security.audit_lane a SET last = cut.no - 1, digest = cut.previous
        FROM cut WHERE cut.lane = a.lane""",
    )
    assert why(connection) == []
    verdict = audit.verify(connection, anchor)
    assert [fault.en for fault in verdict.faults] == [audit.CUT_OFF[0]]


def test_what_is_undone_leaves_no_line_and_no_gap(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(record("residents.read", object_id=9999))
        transaction.rollback()
    write(engine, 41)
    with engine.connect() as connection:
        assert audit.verify(connection).faults == []


def test_many_write_at_once_and_no_chain_is_torn(engine: Engine) -> None:
    def many(worker: int) -> None:
        for number in range(25):
            write(engine, 1000 * worker + number)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(many, range(12)))
    with engine.connect() as connection:
        verdict = audit.verify(connection)
        lanes = connection.execute(text("SELECT count(DISTINCT lane) FROM security.audit_log"))
        assert verdict.faults == [] and lanes.scalar_one() > 1


@pytest.mark.parametrize("role", ["cim_service", "cim_reader", "cim_resident_reader"])
def test_the_services_roles_may_add_and_nothing_else(connection: Connection, role: str) -> None:
    for sql in (
        "SELECT * FROM security.audit_log",
        "INSERT INTO security.audit_log (lane) VALUES (0)",
        "DELETE FROM security.audit_log",
        "UPDATE security.audit_lane SET last = 0",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), connection.begin_nested():
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            connection.execute(text(sql))
    with connection.begin_nested():
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        connection.execute(record("residents.read"))


def test_not_even_its_owner_changes_it_in_passing(connection: Connection) -> None:
    with pytest.raises(NotAllowed, match="never changed"):
        connection.execute(text("UPDATE security.audit_log SET actor = 'x'"))


def test_it_is_given_out_as_json(connection: Connection) -> None:
    out = StringIO()
    count = audit.export(connection, out, None, None)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == count >= 40
    assert {"at", "event", "actor", "digest", "previous", "lane", "no"} <= set(lines[0])


def test_the_command_proves_it_and_gives_it_to_the_audit_administrator(
    settings: Settings, tmp_path: os.PathLike[str], engine: Engine
) -> None:
    def cim(*words: str, secret: str = "") -> subprocess.CompletedProcess[str]:
        known = {
            "CIM_DATABASE_URL": str(settings.database_url),
            "CIM_DATA_DIR": str(settings.data_dir),
        }
        return subprocess.run(
            [sys.executable, "-m", "cim", "audit", *words],
            env=os.environ | known,
            input=secret + "\n",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    anchor, out = f"{tmp_path}/anchor.json", f"{tmp_path}/out.jsonl"
    assert cim("verify", "--write-anchor", anchor).returncode == 0
    assert cim("verify", "--anchor", anchor).returncode == 0
    refused = cim("export", out, "--as", "system", secret=PASSWORD)
    assert refused.returncode == 2 and "audit administrator" in refused.stderr
    assert cim("export", out, "--as", "audit", secret=PASSWORD).returncode == 0
    with engine.connect() as connection:
        told = text("SELECT actor FROM security.audit_log WHERE event = 'audit.export'")
        assert connection.execute(told).scalars().all() == ["audit"]
    with engine.begin() as connection:
        by_hand(
            connection, f"UPDATE security.audit_log SET actor = 'x' WHERE (lane, no) IN {MIDDLE}"
        )
    found = cim("verify", "--anchor", anchor)
    assert found.returncode == 1 and "was changed" in found.stdout and "被修改" in found.stdout
