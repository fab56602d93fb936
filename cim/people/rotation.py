"""Another key for personal data: all that is sealed is sealed anew, a batch a transaction.

The key file holds both keys meanwhile.  How far it is stands in the database, written with each
batch, so that whatever ends the program is no harm: the next run goes on there.  A load of people
that began with the old key ends first; one that begins later has the new one.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from cim.errors import PrivacyError
from cim.load.kind import SEALED
from cim.privacy import Vault, plain_id, plain_phone
from cim.privacy.keys import key_file, new_secret, open_vault, read_keys, replace_keys
from cim.security.secrets import WEBHOOK
from cim.security.signing import CODES
from cim.settings import Settings
from cim.store import keys as store_keys
from cim.store.queries import people_keeping as statements
from cim.store.queries.incoming.load import bound

BATCH = 1000
"""Rows of a transaction."""

STATE = "pii_rotation"
"""The setting that says how far it is: the last id of each part."""

Progress = Callable[[int], None]


@dataclass
class Done:
    """What came of it."""

    sealed: dict[str, int] = field(default_factory=dict)
    """Rows of each part that were sealed anew, this time and before."""

    unknown: int = 0
    """Persons whose key in their source was a keyed hash of what is not kept: it stays."""

    old: Path | None = None
    """Where the old key is, which backups made before still need."""


def count(engine: Engine) -> dict[str, int]:
    """How many rows of each part are sealed."""
    with engine.connect() as connection:
        row = connection.execute(bound(statements.COUNTS)).one()
    return dict(row._mapping)


def rotate(engine: Engine, settings: Settings, progress: Progress, *, batch: int = BATCH) -> Done:
    """Seal everything with a new key, or go on where an earlier run was ended.

    Raises PrivacyError where something does not open with either key: nothing of that batch is
    changed, and both keys stay in the file.
    """
    path = key_file(settings)
    open_vault(settings)  # makes a first key where there is none
    known = read_keys(path)
    if len(known) == 1:
        known = [new_secret(), *known]
        replace_keys(path, known)
    vault = Vault(*known)
    done = Done(**_begun(engine, vault))
    for part in PARTS:
        _run(engine, vault, part, done, (progress, batch))
    done.old = _finish(engine, vault, path, known)
    return done


def _begun(engine: Engine, vault: Vault) -> dict[str, Any]:
    """Name the new key as the one in use, once no load is on its way with the old one."""
    with engine.begin() as connection:
        store_keys.change(connection, vault)
        kept = _state(connection)
        if kept is None:
            _keep(connection, {})
    kept = kept or {}
    return {
        "sealed": {part.name: kept.get(f"{part.name}_rows", 0) for part in PARTS},
        "unknown": kept.get("unknown", 0),
    }


def _run(engine: Engine, vault: Vault, part: "Part", done: Done, how: tuple[Progress, int]) -> None:
    progress, batch = how
    progress(done.sealed[part.name])
    while True:
        with engine.begin() as connection:
            state = _state(connection) or {}
            asked = {"last": state.get(part.name, -1), "most": batch}
            locked = bound(part.read + statements.LOCKED)
            rows = list(connection.execute(locked, asked))
            if not rows:
                return
            done.unknown += part.seal(connection, vault, rows)
            done.sealed[part.name] += len(rows)
            state |= {part.name: rows[-1].id, "unknown": done.unknown}
            state[f"{part.name}_rows"] = done.sealed[part.name]
            _keep(connection, state)
        progress(len(rows))


def _finish(engine: Engine, vault: Vault, path: Path, known: list[bytes]) -> Path:
    """Leave the new key alone in the file, and the old one beside it."""
    with engine.begin() as connection:
        for part in PARTS:
            _prove(connection, vault, part)
        connection.execute(bound(statements.FORGET_STATE), {"name": STATE})
    old = path.with_name(f"{path.name}.{vault.fingerprints[1]}.old")
    if not old.exists():
        handle = os.open(old, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(handle)
    replace_keys(old, known[1:])
    replace_keys(path, known[:1])
    return old


def _prove(connection: Connection, vault: Vault, part: "Part") -> None:
    """PrivacyError unless every value of a part is sealed with the new key."""
    last = -1
    while True:
        asked = {"last": last, "most": BATCH}
        rows = connection.execute(bound(part.read), asked).all()
        if not rows:
            return
        for name, purpose in part.values.items():
            if not all(vault.is_first([getattr(row, name) for row in rows], purpose)):
                raise PrivacyError(
                    "Something was sealed with the old key meanwhile; run it again.",
                    "期间有数据仍以旧密钥写入，请重新运行。",
                )
        last = rows[-1].id


def _state(connection: Connection) -> dict[str, Any] | None:
    found: dict[str, Any] | None = connection.execute(
        bound(statements.STATE), {"name": STATE}
    ).scalar_one_or_none()
    return found


def _keep(connection: Connection, state: dict[str, Any]) -> None:
    given = {"name": STATE, "value": json.dumps(state)}
    connection.execute(bound(statements.KEEP_STATE), given)


@dataclass(frozen=True)
class Part:
    """A table with sealed values."""

    name: str
    read: str
    values: dict[str, str]
    """Columns, and what each is sealed for."""

    seal: Callable[[Connection, Vault, list[Any]], int]


def _persons(connection: Connection, vault: Vault, rows: list[Any]) -> int:
    """Names, numbers and phones, their hashes, and the keys that are hashes of them."""
    names, numbers, phones = (
        vault.decrypt([getattr(row, f"{name}_enc") for row in rows], f"person.{name}")
        for name in ("name", "id_no", "phone")
    )
    keys, unknown = [], 0
    for row, *known in zip(rows, names, numbers, phones, strict=True):
        key = _key(vault, row.ext_id, *known)
        unknown += key is None
        keys.append(key or row.ext_id)
    plain = [None if phone is None else plain_phone(phone) for phone in phones]
    new = {
        "id": [row.id for row in rows],
        "ext_id": keys,
        "id_no_hash": vault.hash(numbers, "person.id_no"),
        "phone_hash": vault.hash(plain, "person.phone"),
    }
    for name, values in (("name", names), ("id_no", numbers), ("phone", phones)):
        new[name] = vault.encrypt(values, f"person.{name}", keys)
    connection.execute(bound(statements.SEAL_PERSONS), new)
    return unknown


def _key(
    vault: Vault, ext_id: str | None, name: str | None, number: str | None, phone: str | None
) -> str | None:
    """A person's key in their source, hashed anew where it is a hash; None where of what is lost.

    As the loader makes it: of the number, of name and phone, or of the phone.
    """
    if ext_id is None or not ext_id.startswith("#"):
        return ext_id or ""
    for what in (number, f"{name}/{phone or ''}", plain_id(phone) if phone else None):
        if what is None:
            continue
        found = [f"#{one.hex()[:32]}" for one in vault.hashes(what, "person.key")]
        if ext_id in found:
            return found[0]
    return None


def _aside(connection: Connection, vault: Vault, rows: list[Any]) -> int:
    clear = vault.decrypt([row.record_enc for row in rows], SEALED)
    new = {"id": [row.id for row in rows], "record": vault.encrypt(clear, SEALED)}
    connection.execute(bound(statements.SEAL_ASIDE), new)
    return 0


def _codes(connection: Connection, vault: Vault, rows: list[Any]) -> int:
    clear = vault.decrypt([row.totp for row in rows], CODES)
    new = {"id": [row.id for row in rows], "totp": vault.encrypt(clear, CODES)}
    connection.execute(bound(statements.SEAL_CODES), new)
    return 0


def _hooks(connection: Connection, vault: Vault, rows: list[Any]) -> int:
    clear = vault.decrypt([row.secret_enc for row in rows], WEBHOOK)
    new = {"id": [row.id for row in rows], "secret": vault.encrypt(clear, WEBHOOK)}
    connection.execute(bound(statements.SEAL_HOOKS), new)
    return 0


PARTS = (
    Part(
        "person",
        statements.PERSONS,
        {f"{name}_enc": f"person.{name}" for name in ("name", "id_no", "phone")},
        _persons,
    ),
    Part("aside", statements.ASIDE, {"record_enc": SEALED}, _aside),
    Part("codes", statements.CODES, {"totp": CODES}, _codes),
    Part("hooks", statements.HOOKS, {"secret_enc": WEBHOOK}, _hooks),
)
"""Everything that is sealed; what is written most often comes last."""
