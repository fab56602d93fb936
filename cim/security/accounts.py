"""Accounts: made and ended, their roles and links. What the database forbids it says itself.

Each function runs in its caller's transaction, in which `identity.stand_for` has said who acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, insert, text

from cim.errors import Conflict, InvalidQuery, NotFound
from cim.model.security import account, link, role_grant
from cim.security import secrets
from cim.security.rights import AUDIT, SECURITY, SYSTEM
from cim.store.queries.security import callers as queries

ADMINISTRATORS: Final = {
    "system": "system_admin",
    "security": "security_admin",
    "audit": "audit_admin",
}
"""The three, and the role of each."""

OFFICES: Final = {"system": SYSTEM, "security": SECURITY, "audit": AUDIT}
"""The scope of each."""


@dataclass(frozen=True)
class Link:
    """A link that was made: whose password it sets, and what it carries."""

    account: str
    role: str
    token: str


def plain(name: str) -> str:
    """A name as it is kept, without what cannot be seen.

    >>> plain(" Wang\\x00 ")
    'wang'
    """
    return "".join(letter for letter in name if letter.isprintable()).strip().lower()


def check_name(name: str) -> None:
    """InvalidQuery for a name that logs would take for something else, or that is none."""
    if not plain(name) or ":" in name:
        raise InvalidQuery(
            "A name has at least one character, and no colon.", "名称至少一个字符，且不得包含冒号。"
        )


def rules(connection: Connection) -> dict[str, int]:
    """The rules on passwords, sign-in and sessions."""
    return {row.name: row.value for row in connection.execute(queries.rules())}


def find(connection: Connection, name: str) -> Any:
    """An account by name; NotFound where there is none."""
    row = connection.execute(queries.account(plain(name))).first()
    if row is None:
        raise NotFound(f"There is no account {plain(name)}.", f"没有账户 {plain(name)}。")
    return row


def add(
    connection: Connection, name: str, holder: str | None = None, expires: datetime | None = None
) -> int:
    """Make an account, which has no password yet; its id. Conflict where the name is taken.

    `holder` is the staff number of whose it is: where none is given, the name.
    """
    check_name(name)
    known = connection.execute(queries.account(plain(name))).first()
    known = known or connection.execute(queries.key_named(plain(name))).first()
    if known is not None:
        raise Conflict(
            f"There is an account or a key {plain(name)} already; names are not used again.",
            f"账户或密钥 {plain(name)} 已存在，名称不能重复使用。",
        )
    made = insert(account).values(
        name=plain(name), holder=plain(holder or name), expires_at=expires
    )
    id: int = connection.execute(made.returning(account.c.id)).scalar_one()
    return id


def end(connection: Connection, name: str) -> None:
    """End an account with its sessions and, by that, its keys."""
    found = find(connection, name)
    _change(connection, found.id, "ended_at = now()")
    connection.execute(queries.end_sessions(found.id))


def unlock(connection: Connection, name: str) -> None:
    """Let an account that was locked try again."""
    found = find(connection, name)
    _change(connection, found.id, "locked_until = NULL, failed = 0")


def _change(connection: Connection, id: int, change: str) -> None:
    connection.execute(text(f"UPDATE security.account SET {change} WHERE id = :id"), {"id": id})


def give(
    connection: Connection,
    role: str,
    *,
    to: str | None = None,
    key: int | None = None,
    at: str | None = None,
    expires: datetime | None = None,
) -> None:
    """Give a role to an account or a key: in the whole city, or in the area or grid of a code.

    NotFound for a role, account or place that there is not, Conflict for what is held already
    or would make one person two administrators.
    """
    kind = _kind(connection, role)
    found = find(connection, to) if to is not None else None
    row = {
        "account_id": found.id if found else None,
        "holder": found.holder if found else None,
        "key_id": key,
        "role": role,
        "administers": kind,
        "expires_at": expires,
        **(_place(connection, at) if at else {}),
    }
    if kind and (key is not None or at or expires):
        raise InvalidQuery(
            "An administrator is a person, for the whole city and until further notice.",
            "管理员须为人员账户，负责全市，且不设期限。",
        )
    held = connection.execute(
        text(
            """SELECT role, role = :role AS same FROM security.role_grant
               WHERE ended_at IS NULL AND (account_id = :account_id OR key_id = :key_id
                   OR (administers <> '' AND holder = :holder)) AND (
                   (role = :role AND area_id IS NOT DISTINCT FROM CAST(:area_id AS bigint)
                    AND grid_id IS NOT DISTINCT FROM CAST(:grid_id AS bigint))
                   OR (administers <> '' AND :administers <> '' AND holder = :holder))"""
        ),
        {"area_id": None, "grid_id": None} | row,
    ).first()
    if held is not None and held.same:
        raise Conflict(f"The role {role} is held already.", f"已具有角色 {role}。")
    if held is not None:
        raise Conflict(
            f"The holder is {held.role} already; the three administrators are three persons.",
            f"该人员已是 {held.role}；三类管理员须由不同人员担任。",
        )
    connection.execute(insert(role_grant).values(**row))


def _kind(connection: Connection, role: str) -> str:
    """What a role administers; NotFound where there is no such role."""
    found: str | None = connection.execute(
        text("SELECT administers FROM security.role WHERE code = :role"), {"role": role}
    ).scalar_one_or_none()
    if found is None:
        known = connection.execute(text("SELECT code FROM security.role ORDER BY 1")).scalars()
        names = list(known)
        raise NotFound(
            f"There is no role {role}; there are {', '.join(names)}.",
            f"没有角色 {role}；现有：{'、'.join(names)}。",
        )
    return found


def _place(connection: Connection, code: str) -> Mapping[str, Any]:
    found = connection.execute(queries.place(code)).all()
    if not found:
        raise NotFound(f"No area or grid has the code {code}.", f"没有编码为 {code} 的区域或网格。")
    if len(found) > 1:
        raise Conflict(
            f"Several grids have the code {code}; give the role for the area instead.",
            f"有多个编码为 {code} 的网格，请改为按区域授予角色。",
        )
    return dict(found[0]._mapping)


def take(connection: Connection, role: str, name: str) -> int:
    """Take a role from an account, wherever it has it; how many grants that ended."""
    found = find(connection, name)
    ended = connection.execute(
        text(
            """UPDATE security.role_grant SET ended_at = now()
               WHERE account_id = :id AND role = :role AND ended_at IS NULL"""
        ),
        {"id": found.id, "role": role},
    ).rowcount
    if not ended:
        raise NotFound(f"{found.name} has no role {role}.", f"{found.name} 没有角色 {role}。")
    return ended


def make_link(connection: Connection, name: str, witness: int | None = None) -> Link:
    """A link by which the account's password is set, once; links before it are void."""
    found = find(connection, name)
    hours = rules(connection)["link_hours"]
    connection.execute(
        text("UPDATE security.link SET used_at = now() WHERE account_id = :id AND used_at IS NULL"),
        {"id": found.id},
    )
    token = secrets.make_token()
    connection.execute(
        insert(link).values(
            digest=secrets.digest(token),
            account_id=found.id,
            witness=witness,
            expires_at=text(f"now() + interval '{hours} hours'"),
        )
    )
    return Link(found.name, "", token)


def first(connection: Connection, holders: Mapping[str, str]) -> list[Link]:
    """Links for the three administrators, made where there are none; none once each has signed in.

    `holders` are staff numbers by `system`, `security`, `audit`: three persons. Links are made
    again for whoever has set no password yet. Conflict where two of the three are one.
    """
    names = {kind: plain(holders.get(kind) or kind) for kind in ADMINISTRATORS}
    if len(set(names.values())) < len(names):
        raise Conflict(
            "The three administrators are three persons: name three.",
            "三类管理员须由三名不同人员担任，请分别指定。",
        )
    missing = [k for k in names if connection.execute(_HOLDING, {"kind": k}).first() is None]
    for kind in missing:
        add(connection, kind, names[kind])
    for kind in missing:  # after that accounts are made by the system administrator alone
        give(connection, ADMINISTRATORS[kind], to=kind)
    links = []
    for kind, role in ADMINISTRATORS.items():
        found = connection.execute(_HOLDING, {"kind": kind}).one()
        if not found.ready:
            made = make_link(connection, found.name)
            links.append(Link(made.account, role, made.token))
    return links


_HOLDING = text("""
    SELECT a.name, bool_or(a.password IS NOT NULL) OVER () AS ready
    FROM security.role_grant g JOIN security.account a ON a.id = g.account_id
    WHERE g.administers = :kind AND g.ended_at IS NULL AND a.ended_at IS NULL
    ORDER BY a.id LIMIT 1""")


def complete(connection: Connection) -> bool:
    """Whether each of the three administrators is there and has set a password."""
    found: bool = connection.execute(
        text("""SELECT count(DISTINCT g.administers) = 3
            FROM security.role_grant g JOIN security.account a ON a.id = g.account_id
            WHERE g.administers <> '' AND g.ended_at IS NULL AND a.ended_at IS NULL
              AND a.password IS NOT NULL""")
    ).scalar_one()
    return found


def set_rule(connection: Connection, name: str, value: int) -> None:
    """Change a rule; NotFound where there is none of that name, InvalidQuery beyond its bounds."""
    known = {row.name: row for row in connection.execute(queries.rules())}
    if name not in known:
        raise NotFound(
            f"There is no rule {name}; there are {', '.join(known)}.",
            f"没有规则 {name}；现有：{'、'.join(known)}。",
        )
    row = known[name]
    if not row.least <= value <= row.most:
        raise InvalidQuery(
            f"{name} must lie between {row.least} and {row.most}.",
            f"{name} 须在 {row.least} 和 {row.most} 之间。",
        )
    connection.execute(
        text("UPDATE security.rule SET value = :value WHERE name = :name"),
        {"name": name, "value": value},
    )
