"""People's data by whoever keeps them: sealed anew, ended in time, given to the person, erased."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, insert, text

from cim.cli import main
from cim.commands.acting import CONSOLE
from cim.errors import PrivacyError
from cim.load.kind import SEALED
from cim.model import buildings, people, platform, reference
from cim.people import requests, retention, rotation
from cim.privacy import Vault, open_vault, plain_id
from cim.privacy.keys import key_file, read_keys
from cim.security import audit, signing
from cim.security.identity import stand_for
from cim.security.signing import Attempt, Signed
from cim.settings import Settings
from cim.store import keys as store_keys
from tests.accounts import PASSWORD, add_person, administrators, stand

NUMBER = "99000019800101777X"
NAME, PHONE = "查无此人甲", "10000007777"
OUTLINE = "SRID=4490;MULTIPOLYGON(((113 22,113.001 22,113.001 22.001,113 22)))"


def person(vault: Any, id: int, number: str, key: str | None = None) -> dict[str, Any]:
    """A row as the loader makes it, its key a hash of the number unless given."""
    ext_id = key or "#" + (vault.hash([number], "person.key")[0] or b"").hex()[:32]
    row: dict[str, Any] = {"id": id, "source_id": 1, "ext_id": ext_id, "name_mask": "查****"}
    for name, value in (("name", NAME), ("id_no", number), ("phone", PHONE)):
        row[f"{name}_enc"] = vault.encrypt([value], f"person.{name}", [ext_id])[0]
    row["id_no_hash"] = vault.hash([number], "person.id_no")[0]
    row["phone_hash"] = vault.hash([PHONE], "person.phone")[0]
    return row | {"birth_year": 1980, "id_no_mask": "9900****", "phone_mask": "100****7777"}


@pytest.fixture(scope="module")
def kept(engine: Engine, settings: Settings) -> Settings:
    """Thirty persons in a house, one of whom has moved out long ago, and a row set aside."""
    administrators(engine)
    add_person(engine, "officer", "people_officer")
    vault = open_vault(settings)
    with engine.begin() as connection:
        store_keys.held(connection, vault)
        connection.execute(insert(reference.source_system).values(id=1, name="test"))
        house = {"id": 1, "footprint": OUTLINE, "footprint_area": 9.0, "height": 3.0}
        house |= {"height_method": "given", "floors_above": 1, "floors_method": "given"}
        connection.execute(insert(buildings.building).values(**house))
        for id in range(1, 31):
            number = NUMBER if id == 1 else f"9900001980010{id:04}X"
            row = person(vault, id, number, "P-2" if id == 2 else None)
            connection.execute(insert(people.person).values(**row))
            home: dict[str, Any] = {"person_id": id, "building_id": 1, "role": "成员"}
            if id == 30:
                home["to_date"] = date.today() - timedelta(days=4000)
            connection.execute(insert(people.residency).values(**home))
        connection.execute(
            text("UPDATE pii.person SET updated_at = now() - interval '4000 days' WHERE id = 30")
        )
        connection.execute(
            insert(platform.building_pop).values(building_id=1, units=0, residents=29)
        )
        brought = {"id": 1, "file": "people.csv", "kind": "people", "source_id": 1}
        connection.execute(
            text(
                "INSERT INTO platform.data_import (id, source_id, kind, file, mapping) "
                "OVERRIDING SYSTEM VALUE VALUES (:id, :source_id, :kind, :file, "
                "CAST(:mapping AS jsonb))"
            ),
            brought | {"mapping": '{"id_no": "身份证号"}'},
        )
        sealed = vault.encrypt([f'{{"身份证号": "{NUMBER}"}}', '{"name": "x"}'], SEALED)
        for no, record in enumerate(sealed):
            aside = {"import_id": 1, "kind": "people", "source_id": 1, "file": "people.csv"}
            aside |= {"row_no": no, "reason": "no_home", "reason_en": "x", "reason_zh": "x"}
            connection.execute(insert(platform.quarantine).values(**aside, record_enc=record))
    return settings


def run(settings: Settings, *words: str, say: str = "", ok: bool = True) -> str:
    given = {"CIM_DATABASE_URL": settings.database_url, "CIM_DATA_DIR": str(settings.data_dir)}
    done = CliRunner().invoke(main, ["people", *words], input=say, env=given)
    assert (done.exit_code == 0) is ok, done.output
    return done.output


def found(engine: Engine, settings: Settings, number: str) -> int:
    hashes = open_vault(settings).hashes(plain_id(number), "person.id_no")
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT count(*) FROM pii.person WHERE id_no_hash = ANY (:hashes)"),
            {"hashes": hashes},
        ).scalar_one()


def test_another_key_seals_everything_and_the_old_one_opens_nothing(
    engine: Engine, kept: Settings
) -> None:
    old = read_keys(key_file(kept))
    running = open_vault(kept)  # a service that has read the file before
    with engine.connect() as connection:
        before = connection.execute(text("SELECT ext_id FROM pii.person ORDER BY id")).scalars()
        before = list(before)
    dry = run(kept, "keys", "rotate", "--as", "security", "--dry-run", say=PASSWORD + "\n")
    assert "person 30, aside 2, codes 0" in dry and read_keys(key_file(kept)) == old
    said = run(kept, "keys", "rotate", "--as", "security", "--batch", "7", say=PASSWORD + "\n")
    assert "person 30, aside 2, codes 0" in said and "keep a key" not in said
    fresh = read_keys(key_file(kept))
    assert len(fresh) == 1 and fresh != old
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM pii.person ORDER BY id")).all()
    assert running.decrypt([row.name_enc for row in rows], "person.name") == [NAME] * 30
    assert all(running.is_first([row.phone_enc for row in rows], "person.phone"))
    # Keys that were hashes are hashes by the new key; those of the source are as they were.
    again = person(running, 1, NUMBER)
    assert (rows[0].ext_id, rows[1].ext_id) == (again["ext_id"], "P-2") and before[1] == "P-2"
    assert rows[0].ext_id != before[0]
    # A load of the same file changes nothing: the same bytes come of it.
    assert bytes(rows[0].name_enc) == again["name_enc"]
    assert bytes(rows[0].id_no_hash) == again["id_no_hash"]
    assert found(engine, kept, NUMBER) == 1
    (aside,) = kept.data_dir.glob("keys/pii.key.*.old")
    assert read_keys(aside) == old and aside.stat().st_mode & 0o077 == 0
    with engine.begin() as connection:
        store_keys.held(connection, running)


def test_who_signs_in_by_codes_does_so_after_the_key_was_changed(
    engine: Engine, kept: Settings
) -> None:
    """The secret is sealed anew, opens with the new key and no more with the old."""
    add_person(engine, "zhou", "people_officer")
    old = open_vault(kept)
    with engine.begin() as connection:
        signed = signing.sign_in(connection, old, Attempt("zhou", PASSWORD))
        assert isinstance(signed, Signed)
        secret, _ = signing.begin_codes(signed)
        totp = pyotp.TOTP(secret)
        signing.confirm_codes(connection, old, signed, secret, totp.at(time.time() - 30))
    sealed = "SELECT totp FROM security.account WHERE name = 'zhou'"
    with engine.connect() as connection:
        before = bytes(connection.execute(text(sealed)).scalar_one())
    old = Vault(*read_keys(key_file(kept)))  # as it is now; it reads no file anew
    rest = rotation.rotate(engine, kept, lambda _: None)
    assert rest.sealed["codes"] == 1
    new = open_vault(kept)
    with engine.begin() as connection:
        after = bytes(connection.execute(text(sealed)).scalar_one())
        assert after != before and new.is_first([after], signing.CODES)
        assert new.decrypt([after], signing.CODES) == [secret]
        with pytest.raises(PrivacyError):
            old.decrypt([after], signing.CODES)
        ask = Attempt("zhou", PASSWORD, totp.now())
        assert isinstance(signing.sign_in(connection, new, ask), Signed)
        run_out = "UPDATE security.account SET totp = NULL WHERE name = 'zhou'"
        connection.execute(text(run_out))  # what follows counts no codes


def test_a_run_that_was_ended_goes_on_where_it_was(engine: Engine, kept: Settings) -> None:
    class Killed(BaseException):
        pass

    done = 0

    def tick(count: int) -> None:
        nonlocal done
        done += count
        if done >= 14:
            raise Killed

    with pytest.raises(Killed):
        rotation.rotate(engine, kept, tick, batch=7)
    assert len(read_keys(key_file(kept))) == 2
    # Meanwhile all is found and opened, and what was not sealed anew is known.
    assert found(engine, kept, NUMBER) == 1 and found(engine, kept, "99000019800100029X") == 1
    vault = open_vault(kept)
    with engine.connect() as connection:
        names = (
            connection.execute(text("SELECT name_enc FROM pii.person ORDER BY id")).scalars().all()
        )
    assert vault.decrypt(names, "person.name") == [NAME] * 30
    assert vault.is_first(names, "person.name").count(False) == 16
    seen: list[int] = []
    rest = rotation.rotate(engine, kept, seen.append, batch=7)
    assert rest.sealed == {"person": 30, "aside": 2, "codes": 0, "hooks": 0}
    assert seen[:2] == [14, 7]  # what was done before, and on from there
    assert len(read_keys(key_file(kept))) == 1


def test_a_load_keeps_its_key_and_the_change_waits_for_it(engine: Engine, kept: Settings) -> None:
    """What was begun with a key ends with it, and is then sealed anew like the rest."""
    with ThreadPoolExecutor(1) as pool, engine.begin() as connection:
        vault = store_keys.held(connection, open_vault(kept))
        changing = pool.submit(rotation.rotate, engine, kept, lambda _: None)
        with pytest.raises(TimeoutError):
            changing.result(timeout=0.7)
        assert len(read_keys(key_file(kept))) == 2  # the file is another already
        connection.execute(insert(people.person).values(**person(vault, 31, "99000019800100031X")))
        connection.commit()
        assert changing.result(timeout=30).sealed["person"] == 31
    assert found(engine, kept, "99000019800100031X") == 1
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM pii.person WHERE id = 31"))
        with pytest.raises(PrivacyError, match="written with the key"):
            store_keys.held(connection, vault)


def test_what_opens_with_no_key_stops_the_rotation(engine: Engine, kept: Settings) -> None:
    with engine.begin() as connection:
        good = connection.execute(text("SELECT name_enc FROM pii.person WHERE id = 5")).scalar_one()
        connection.execute(
            text(
                "UPDATE pii.person SET name_enc = overlay(name_enc PLACING '\\x00' FROM 20) "
                "WHERE id = 5"
            )
        )
    with pytest.raises(PrivacyError):
        rotation.rotate(engine, kept, lambda _: None)
    assert len(read_keys(key_file(kept))) == 2
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE pii.person SET name_enc = :good WHERE id = 5"), {"good": bytes(good)}
        )
    rotation.rotate(engine, kept, lambda _: None)
    assert len(read_keys(key_file(kept))) == 1


def test_a_person_gets_all_that_is_kept_of_them(
    engine: Engine, kept: Settings, tmp_path: Path
) -> None:
    page = tmp_path / "copy.html"
    words = ("export", str(page), "--reference", "2026-17", "--as", "officer")
    said = run(kept, *words, say=f"{PASSWORD}\n{NUMBER}\n")
    assert NUMBER not in said and NAME not in said
    written = page.read_text("utf-8")
    for told in (NAME, NUMBER, PHONE, "姓名", "name", "居住记录", "where you live"):
        assert told in written
    assert "9900001980010002" not in written  # nobody else
    assert page.stat().st_mode & 0o077 == 0
    with engine.connect() as connection:
        line = connection.execute(
            text("SELECT * FROM security.audit_log WHERE event = 'people.export'")
        ).one()
    assert (line.actor, line.object_id, line.persons) == ("officer", 1, 1)
    assert line.detail["reference"] == "2026-17"
    run(kept, *words, say=f"{PASSWORD}\n{NUMBER}\n", ok=False)  # it is there already


def test_rows_set_aside_are_opened_by_the_command_with_a_line(
    engine: Engine, kept: Settings, tmp_path: Path
) -> None:
    given = {"CIM_DATABASE_URL": kept.database_url, "CIM_DATA_DIR": str(kept.data_dir)}
    done = CliRunner().invoke(main, ["quarantine", "export", str(tmp_path / "mend.csv")], env=given)
    assert done.exit_code == 0, done.output
    assert NUMBER in (tmp_path / "mend.csv").read_text("utf-8-sig") and NUMBER not in done.output
    with engine.connect() as connection:
        line = connection.execute(
            text("SELECT * FROM security.audit_log WHERE event = 'people.aside'")
        ).one()
    assert line.actor.startswith(f"{CONSOLE}:") and line.persons == 2


def test_only_who_has_the_right_exports_or_erases(kept: Settings, tmp_path: Path) -> None:
    for words in (("export", str(tmp_path / "x")), ("erase", "--yes")):
        said = run(kept, *words, "--reference", "1", "--as", "audit", say=PASSWORD + "\n", ok=False)
        assert "residents.requests" in said
    assert not (tmp_path / "x").exists()


def test_erasing_leaves_a_line_and_no_person(engine: Engine, kept: Settings) -> None:
    dry = run(kept, "erase", "--reference", "7", "--as", "officer", "--dry-run",
              say=f"{PASSWORD}\n{NUMBER}\n")  # fmt: skip
    assert "1 records and 1 homes erased, 1 rows" in dry and found(engine, kept, NUMBER) == 1
    run(
        kept, "erase", "--yes", "--reference", "7", "--as", "officer", say=f"{PASSWORD}\n{NUMBER}\n"
    )
    assert found(engine, kept, NUMBER) == 0
    with engine.connect() as connection:
        left = connection.execute(
            text(
                """SELECT (SELECT count(*) FROM pii.person WHERE id = 1),
                    (SELECT count(*) FROM pii.residency WHERE person_id = 1),
                    (SELECT count(*) FROM platform.quarantine WHERE record_enc IS NOT NULL),
                    (SELECT residents FROM city.building_pop)"""
            )
        ).one()
        line = connection.execute(
            text("SELECT * FROM security.audit_log WHERE event = 'people.erase'")
        ).one()
    assert tuple(left) == (0, 0, 1, 28)
    assert line.object_id is None and line.persons == 1
    assert line.detail == {"persons": 1, "homes": 1, "kept": 0, "aside": 1, "reference": "7"}


def test_who_has_a_right_in_a_unit_is_kept_for_the_law_and_shown_to_nobody(
    engine: Engine, kept: Settings
) -> None:
    vault = open_vault(kept)
    number = "99000019800100003X"
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO pii.tenure (unit_id, party_type, party_id, kind) "
                "VALUES (1, 'person', 3, '产权')"
            )
        )
        gone = requests.erase(connection, vault, number, "8")
        row = connection.execute(text("SELECT * FROM pii.person WHERE id = 3")).one()
    assert gone["kept"] == 1 and gone["persons"] == 0
    assert row.phone_enc is None and row.birth_year is None and row.restricted_at is not None
    assert vault.decrypt([row.name_enc], "person.name") == [NAME]


def test_what_was_kept_long_enough_goes(engine: Engine, kept: Settings) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE platform.quarantine SET created_at = now() - interval '200 days'")
        )
    dry = run(kept, "retain", "--dry-run")
    assert "would go: 1 homes, 1 persons, 1 rows set aside, 0 months" in dry
    assert "gone: 1 homes, 1 persons, 1 rows set aside, 0 months" in run(kept, "retain")
    assert "would go: 0 homes, 0 persons, 0 rows" in run(kept, "retain", "--dry-run")
    with engine.connect() as connection:
        lines = connection.execute(
            text(
                "SELECT actor, detail FROM security.audit_log WHERE event = 'people.retain' "
                "ORDER BY at"
            )
        ).all()
    assert [line.detail for line in lines] == [{"homes": 1}, {"persons": 1}, {"aside": 1}]
    assert all(line.actor.startswith(f"{CONSOLE}:") for line in lines)


def test_the_log_is_shortened_and_still_proves_itself(engine: Engine, kept: Settings) -> None:
    """Months are dropped from the front; the chains begin after them."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE security.audit_log DISABLE TRIGGER keep"))
        now = connection.execute(text("SELECT to_char(now(), 'YYYYMM')")).scalar_one()
        # Lines of a month long ago, written as they would have been then.
        connection.execute(
            text(
                "CREATE TABLE security.audit_log_201001 (LIKE security.audit_log INCLUDING ALL);"
                "ALTER TABLE security.audit_log ATTACH PARTITION security.audit_log_201001 "
                "FOR VALUES FROM ('2010-01-01 00:00+00') TO ('2010-02-01 00:00+00')"
            )
        )
        for lane in range(8):
            rows = connection.execute(
                text("SELECT * FROM security.audit_log WHERE lane = :lane ORDER BY no LIMIT 2"),
                {"lane": lane},
            ).all()
            if len(rows) == 2:
                break
        connection.execute(
            text(
                """UPDATE security.audit_log SET at = '2010-01-05 00:00+00'
                WHERE lane = :lane AND no = :no"""
            ),
            {"lane": rows[0].lane, "no": rows[0].no},
        )
        connection.execute(text("ALTER TABLE security.audit_log ENABLE TRIGGER keep"))
    assert now
    assert "1 months of the log" in run(kept, "retain")
    with engine.connect() as connection:
        verdict = audit.verify(connection)
        held = connection.execute(
            text("SELECT first FROM security.audit_lane WHERE lane = :lane"),
            {"lane": rows[0].lane},
        ).scalar_one()
    assert held == rows[0].no + 1
    assert verdict.faults == [] and verdict.lines > 5


def test_a_purpose_is_data(engine: Engine, kept: Settings) -> None:
    words = ("purpose", "add", "census", "--zh", "人口普查", "--en", "census", "--as", "security")
    run(kept, *words, say=PASSWORD + "\n")
    assert "census  人口普查 census []" in run(kept, "purpose", "list")
    run(kept, "purpose", "end", "census", "--as", "security", say=PASSWORD + "\n")
    assert "census" not in run(kept, "purpose", "list")
    said = run(kept, *words[:-1], "audit", say=PASSWORD + "\n", ok=False)
    assert "security administrator" in said
    with engine.begin() as connection:
        stand(connection, "security")
        connection.execute(stand_for(actor="nobody"))
        with pytest.raises(Exception, match="security administrator"):
            connection.execute(text("UPDATE security.purpose SET plain = true"))


def test_nothing_is_due_in_an_empty_city_of_the_rules(engine: Engine, kept: Settings) -> None:
    with engine.connect() as connection:
        assert retention.due(connection).months == ()
