"""Roles of the city's own: what each may do, with what, with which fields, how secret."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, text

from cim.errors import Conflict, InvalidQuery, NotFound
from cim.model.security import role, role_right
from cim.security.accounts import ADMINISTRATORS, check_name
from cim.security.rights import SCOPES


@dataclass(frozen=True)
class Allowed:
    """One thing that a role allows."""

    role: str
    scope: str
    collection: str | None = None
    """With which collection; None is all."""

    fields: tuple[str, ...] = ()
    """Which of its fields; none named is all."""

    secrecy: int = 0


def add(connection: Connection, code: str, zh: str, en: str) -> None:
    """Make a role, which may do nothing yet. Conflict where there is one of that code."""
    check_name(code)
    if code in known(connection):
        raise Conflict(f"There is a role {code} already.", f"角色 {code} 已存在。")
    connection.execute(insert(role).values(code=code, name_zh=zh, name_en=en))


def known(connection: Connection) -> list[str]:
    """The codes of the roles there are."""
    return list(connection.execute(text("SELECT code FROM security.role ORDER BY 1")).scalars())


def allow(connection: Connection, allowed: Allowed) -> None:
    """Let a role do something, in place of what it was allowed of that before."""
    _check(connection, allowed)
    deny(connection, allowed, missing_ok=True)
    row = {
        "role": allowed.role,
        "scope": allowed.scope,
        "collection": allowed.collection,
        "fields": list(allowed.fields) or None,
        "secrecy": allowed.secrecy,
    }
    connection.execute(insert(role_right).values(**row))


def deny(connection: Connection, allowed: Allowed, *, missing_ok: bool = False) -> None:
    """Let a role do something no longer; NotFound where it was not allowed."""
    _check(connection, allowed)
    gone = connection.execute(
        delete(role_right).where(
            role_right.c.role == allowed.role,
            role_right.c.scope == allowed.scope,
            role_right.c.collection.is_not_distinct_from(allowed.collection),
        )
    )
    if not gone.rowcount and not missing_ok:
        raise NotFound(
            f"The role {allowed.role} is not allowed {allowed.scope} of that.",
            f"角色 {allowed.role} 没有该项 {allowed.scope} 权限。",
        )


def _check(connection: Connection, allowed: Allowed) -> None:
    if allowed.role not in known(connection):
        names = ", ".join(known(connection))
        raise NotFound(
            f"There is no role {allowed.role}; there are {names}.",
            f"没有角色 {allowed.role}；现有：{names}。",
        )
    if allowed.role in ADMINISTRATORS.values():
        raise InvalidQuery(
            "What the three administrators may do is not changed.", "三员的权限不能更改。"
        )
    offered = [scope for scope in SCOPES if not scope.startswith("admin.")]
    if allowed.scope not in offered:
        raise InvalidQuery(
            f"There is no scope {allowed.scope}; there are {', '.join(offered)}.",
            f"没有权限范围 {allowed.scope}；可用：{'、'.join(offered)}。",
        )


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every role with what it allows."""
    rows = connection.execute(
        text(
            """SELECT r.code, r.name_zh, r.name_en, r.administers,
                coalesce(json_agg(json_build_object('scope', a.scope, 'collection', a.collection,
                    'fields', a.fields, 'secrecy', a.secrecy) ORDER BY a.scope, a.collection)
                    FILTER (WHERE a.id IS NOT NULL), '[]') AS rights
            FROM security.role r LEFT JOIN security.role_right a ON a.role = r.code
            GROUP BY r.code ORDER BY r.administers DESC, r.code"""
        )
    )
    return [dict(row._mapping) for row in rows]
