"""Keys of machines: made, taken over from a file, ended."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, text

from cim.errors import Conflict, InvalidQuery, NotFound, SourceError
from cim.model.security import api_key
from cim.security import accounts, secrets
from cim.security.rights import SCOPES
from cim.store.queries.security import callers as queries


@dataclass(frozen=True)
class Wanted:
    """A key that is to be made: what it is called, who answers for it, what it may do and where."""

    name: str
    owner: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    at: str | None = None
    expires: datetime | None = None


def add(connection: Connection, wanted: Wanted) -> str:
    """Make a key; the key itself, which is nowhere kept."""
    key, prefix = secrets.make_key()
    keep(connection, wanted, secrets.digest(key), prefix)
    return key


def keep(connection: Connection, wanted: Wanted, digest: bytes, prefix: str) -> None:
    """Keep a key by its SHA-256 and how it begins, with its roles.

    InvalidQuery for a scope that there is not, Conflict for a name that is taken or an owner who
    has ended.
    """
    unknown = [scope for scope in wanted.scopes if scope not in SCOPES]
    if unknown:
        raise InvalidQuery(
            f"There is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}.",
            f"没有权限范围 {'、'.join(unknown)}；可用：{'、'.join(SCOPES)}。",
        )
    owner = accounts.find(connection, wanted.owner)
    if not owner.alive:
        raise Conflict(
            f"The account {owner.name} has ended or expired, and its keys with it.",
            f"账户 {owner.name} 已终止或过期，其密钥同时失效。",
        )
    accounts.check_name(wanted.name)
    if connection.execute(queries.account(accounts.plain(wanted.name))).first() is not None:
        raise Conflict(
            f"There is an account {wanted.name}; logs would take the key for the person.",
            f"已有名为 {wanted.name} 的账户，密钥不能与账户同名。",
        )
    if _find(connection, wanted.name) is not None:
        raise Conflict(
            f"There is a key {wanted.name}; end it first: cim key end {wanted.name}",
            f"密钥 {wanted.name} 已存在，请先终止：cim key end {wanted.name}",
        )
    row = {
        "name": wanted.name,
        "prefix": prefix,
        "digest": digest,
        "owner_id": owner.id,
        "scopes": list(wanted.scopes) or None,
        "expires_at": wanted.expires,
    }
    made = insert(api_key).values(**row).returning(api_key.c.id)
    id: int = connection.execute(made).scalar_one()
    for role in wanted.roles:
        accounts.give(connection, role, key=id, at=wanted.at)


def _find(connection: Connection, name: str) -> int | None:
    found: int | None = connection.execute(queries.key_named(name)).scalar_one_or_none()
    return found


def end(connection: Connection, name: str) -> None:
    """End a key: it opens nothing from now on. NotFound where there is none of that name."""
    id = _find(connection, name)
    if id is None:
        raise NotFound(f"There is no key {name}.", f"没有密钥 {name}。")
    connection.execute(
        text("UPDATE security.api_key SET ended_at = now() WHERE id = :id"), {"id": id}
    )


def take_over(connection: Connection, path: Path, owner: str) -> list[Wanted]:
    """Make keys of those in an `access.json`, by their SHA-256; what was made.

    Keys that are there already, by name, are left as they are. SourceError where the file is no
    such list.
    """
    made = []
    for entry, digest in _read(path, owner):
        if _find(connection, entry.name) is None:
            keep(connection, entry, digest, "access.json")
            made.append(entry)
    return made


def _read(path: Path, owner: str) -> Iterable[tuple[Wanted, bytes]]:
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        return [
            (
                Wanted(
                    name=str(entry["name"]),
                    owner=owner,
                    roles=tuple(map(str, entry["roles"])),
                    expires=_last(entry["expires"]) if entry.get("expires") else None,
                ),
                bytes.fromhex(entry["sha256"]),
            )
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{path.name} must be a JSON list of objects with name, sha256, roles and expires.",
            f"{path.name} 必须是由 name、sha256、roles、expires 组成的 JSON 列表。",
        ) from error


def _last(day: str) -> datetime:
    """The end of a day: a key is good on its last one."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
