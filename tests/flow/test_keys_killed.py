"""Whatever ends a change of keys in the middle, no data are lost, and the next run ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cim.people import rotation
from cim.privacy import Vault, open_vault, plain_id
from cim.privacy.keys import key_file, read_keys
from cim.settings import Settings
from cim.store import keys as store_keys
from tests.accounts import PASSWORD, administrators

PERSONS, KILLS = 1500, 5


def number(id: int) -> str:
    return f"9900001980{id:07}X"


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    administrators(engine)
    vault = open_vault(settings)
    ids = list(range(1, PERSONS + 1))
    numbers = [number(id) for id in ids]
    keys = [f"P{id}" for id in ids]
    given = {
        "id": ids,
        "name": vault.encrypt([f"查无{id}" for id in ids], "person.name", keys),
        "id_no": vault.encrypt(numbers, "person.id_no", keys),
        "hash": vault.hash(numbers, "person.id_no"),
    }
    with engine.begin() as connection:
        store_keys.held(connection, vault)
        connection.execute(
            text(
                """INSERT INTO pii.person (id, name_enc, name_mask, id_no_enc, id_no_hash, ext_id)
                SELECT n.id, n.name, '查*', n.id_no, n.hash, 'P' || n.id
                FROM unnest(CAST(:id AS bigint[]), CAST(:name AS bytea[]),
                    CAST(:id_no AS bytea[]), CAST(:hash AS bytea[])) AS n (id, name, id_no, hash)"""
            ),
            given,
        )
    return settings


def begin(city: Settings) -> "subprocess.Popen[str]":
    found = {"CIM_DATABASE_URL": str(city.database_url), "CIM_DATA_DIR": str(city.data_dir)}
    words = ["people", "keys", "rotate", "--as", "security", "--batch", "25"]
    run = subprocess.Popen(
        [sys.executable, "-m", "cim", *words],
        env=os.environ | found,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdin is not None
    run.stdin.write(PASSWORD + "\n")
    run.stdin.flush()
    return run


def reached(engine: Engine) -> int:
    """The last person that was sealed anew in a run that has not ended; -1 before the first."""
    with engine.connect() as connection:
        state = connection.execute(
            text("SELECT value FROM platform.setting WHERE name = :name"), {"name": rotation.STATE}
        ).scalar_one_or_none()
    return int((state or {}).get("person", -1))


def everybody_is_there(engine: Engine, vault: Vault) -> list[bool]:
    """All open and all are found; whether each is sealed with the key that seals now."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM pii.person ORDER BY id")).all()
    assert vault.decrypt([row.name_enc for row in rows], "person.name") == [
        f"查无{id}" for id in range(1, PERSONS + 1)
    ]
    for row in rows:
        hashes = vault.hashes(plain_id(number(row.id)), "person.id_no")
        assert bytes(row.id_no_hash) in hashes
    return vault.is_first([row.id_no_enc for row in rows], "person.id_no")


def test_killed_again_and_again_it_comes_to_its_end(city: Settings, engine: Engine) -> None:
    old = read_keys(key_file(city))
    before = -1
    for _ in range(KILLS):
        run = begin(city)
        deadline = time.monotonic() + 60
        while reached(engine) <= before + 50 and run.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert run.returncode == -signal.SIGKILL, "it ended before it was killed"
        now = reached(engine)
        assert now > before, "nothing was kept of what had been done"
        before = now
        assert len(read_keys(key_file(city))) == 2
        first = everybody_is_there(engine, open_vault(city))
        assert first.count(True) == now and first[:now] == [True] * now
    run = begin(city)
    said, fault = run.communicate(timeout=120)
    assert run.returncode == 0, fault
    assert f"person {PERSONS:,}" in said
    fresh = read_keys(key_file(city))
    assert len(fresh) == 1 and fresh[0] not in old
    assert all(everybody_is_there(engine, open_vault(city)))
    assert reached(engine) == -1
    kept = list(Path(city.data_dir / "keys").glob("*.old"))
    assert [read_keys(path) for path in kept] == [old]
    names = os.listdir(city.data_dir / "keys")
    assert len(names) == 2, names
