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


def check(connection: Connection, vault: Vault) -> None:
    """Remember the key at its first use; raise PrivacyError where it is not the one remembered."""
    connection.execute(bound(_KEEP), {"name": NAME, "value": json.dumps(vault.fingerprint)})
    kept = connection.execute(bound(_KEPT), {"name": NAME}).scalar_one()
    if kept != vault.fingerprint:
        raise PrivacyError(
            f"The personal data in this database were written with the key {kept}; the key file in "
            f"use holds {vault.fingerprint}. Put the first one back, or say it with "
            "CIM_PII_KEY_FILE.",
            f"本数据库的个人信息由密钥 {kept} 写入，当前密钥文件为 {vault.fingerprint}。"
            "请恢复原密钥文件，或用 CIM_PII_KEY_FILE 指定。",
        )
