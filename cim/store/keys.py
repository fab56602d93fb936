"""Which key the personal data of this database were written with: its fingerprint is kept here.

A key file that was lost and made anew would otherwise mix two keys in one table, and nobody would
notice until the first old row is read.
"""

import json
from typing import Final

from sqlalchemy import Connection

from cim.errors import PrivacyError
from cim.privacy import Vault
from cim.store.queries.incoming.load import bound

NAME: Final = "pii_key"
"""The setting that holds the fingerprint."""

_KEEP: Final = """
    INSERT INTO platform.setting (name, value, is_public)
    VALUES (:name, CAST(:value AS jsonb), false) ON CONFLICT (name) DO NOTHING"""

_KEPT: Final = "SELECT value FROM platform.setting WHERE name = :name"


_LOCK: Final = 0x70696B
"""The advisory lock of the key: who loads people shares it, who changes the key has it alone."""

_CHANGE: Final = """
    INSERT INTO platform.setting (name, value, is_public)
    VALUES (:name, CAST(:value AS jsonb), false)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""


def change(connection: Connection, vault: Vault) -> None:
    """Remember the key that seals now, once no load is on its way that uses another.

    PrivacyError where the key remembered is none of the vault's.
    """
    connection.execute(bound("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    kept = connection.execute(bound(_KEPT), {"name": NAME}).scalar_one_or_none()
    if kept is not None and kept not in vault.fingerprints:
        raise _another(kept, vault)
    given = {"name": NAME, "value": json.dumps(vault.fingerprint)}
    connection.execute(bound(_CHANGE), given)


def held(connection: Connection, vault: Vault) -> Vault:
    """The vault as it is, with the key that this database is written with first.

    Until the transaction ends no other key takes its place. A first key is remembered; PrivacyError
    where the one remembered is none of the vault's.
    """
    connection.execute(bound("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _LOCK})
    connection.execute(bound(_KEEP), {"name": NAME, "value": json.dumps(vault.fingerprint)})
    kept = connection.execute(bound(_KEPT), {"name": NAME}).scalar_one()
    if kept not in vault.fingerprints:
        raise _another(kept, vault)
    return vault.fixed(kept)


def _another(kept: str, vault: Vault) -> PrivacyError:
    return PrivacyError(
        f"The personal data in this database were written with the key {kept}; the key file in "
        f"use holds {vault.fingerprint}. Put the first one back, or say it with "
        "CIM_PII_KEY_FILE; where keys are being changed, run: cim people keys rotate",
        f"本数据库的个人信息由密钥 {kept} 写入，当前密钥文件为 {vault.fingerprint}。"
        "请恢复原密钥文件，或用 CIM_PII_KEY_FILE 指定；"
        "若正在更换密钥，请运行：cim people keys rotate",
    )
