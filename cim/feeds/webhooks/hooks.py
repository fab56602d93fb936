"""Webhooks kept: added, changed, taken away; what was given up listed and sent again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from sqlalchemy import Connection

from cim.errors import Conflict, InvalidQuery, NotFound
from cim.feeds.alarms.rules import KINDS
from cim.feeds.webhooks.guard import check
from cim.feeds.webhooks.signing import key_of, new_secret
from cim.privacy import Vault
from cim.security.secrets import WEBHOOK
from cim.store.queries.feeds import webhooks as queries
from cim.store.queries.security.callers import record

ENTRIES: Final = ("begin", "again", "acknowledge", "note", "end", "false", "reopen")


@dataclass(frozen=True)
class Filter:
    """Which alarms a webhook is told of; what is None is any."""

    kinds: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    entries: Sequence[str] | None = None
    severity: int | None = None
    area: int | None = None
    estate: int | None = None
    homes: bool | None = None
    """Alarms of devices in units too."""

    secrecy: int | None = None
    """And those of devices that are not public, up to this level."""


def filter_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """A filter as it is kept; InvalidQuery names what is wrong.

    >>> filter_of({"severity": 3, "homes": True})
    {'severity': 3, 'homes': True}
    """
    for name, value in said.items():
        if name not in Filter.__dataclass_fields__:
            known = ", ".join(Filter.__dataclass_fields__)
            name = name[:50] if name.isprintable() else "?"  # noqa: PLW2901 - as it may be told
            raise InvalidQuery(
                f"filter may hold {known}; {name} is none.", f"filter 可含 {known}；没有 {name}。"
            )
        kind = get_args(Filter.__annotations__[name])[0]
        if not _fits(value, kind):
            raise InvalidQuery(f"filter.{name} is not valid.", f"filter.{name} 无效。")
    for name, among in (("kinds", KINDS), ("entries", ENTRIES)):
        if strange := sorted(set(said.get(name) or ()) - set(among)):
            raise InvalidQuery(
                f"filter.{name}: there is no {strange[0]}; there are {', '.join(among)}.",
                f"filter.{name}：没有 {strange[0]}；可用：{'、'.join(among)}。",
            )
    return {name: value for name, value in said.items() if value is not None}


def _fits(value: object, kind: Any) -> bool:
    """Whether a value is one of a field of this kind; true is no number."""
    if value is None:
        return True
    if kind is bool or isinstance(value, bool):
        return isinstance(value, bool) and kind is bool
    if kind is int:
        return isinstance(value, int) and 0 <= value < 2**53
    return (
        isinstance(value, list)
        and 0 < len(value) <= 100
        and all(isinstance(one, str) and one.isprintable() for one in value)
    )


def add(
    connection: Connection,
    vault: Vault,
    name: str,
    url: str,
    said: Mapping[str, Any],
    by: str | None,
    secret: str | None = None,
) -> tuple[int, str]:
    """Add a webhook; its id and its secret, which is shown once.

    It is told of what happens from now on.
    """
    check(url)
    kept = " ".join(name.split())
    if not kept or len(kept) > 100 or not kept.isprintable():
        raise InvalidQuery("name must have 1 to 100 characters.", "name 须为 1 至 100 个字符。")
    if connection.execute(queries.by_name(kept)).first() is not None:
        raise Conflict(f"There is a webhook {kept} already.", f"已有名为 {kept} 的推送。")
    chosen = secret or new_secret()
    key_of(chosen)
    values = {"name": kept, "url": url, "by": by, "filter": json.dumps(filter_of(said))}
    sealed = vault.encrypt([chosen], WEBHOOK)[0]
    id: int = connection.execute(queries.ADD, values | {"secret": sealed}).scalar_one()
    _log(connection, "add", id, ["name", "url", "filter"])
    return id, chosen


def change(
    connection: Connection,
    vault: Vault,
    id: int,
    said: Mapping[str, Any],
) -> str | None:
    """Change `url`, `filter` or `enabled`; with `secret` true it gets a new one, which is shown."""
    if said.get("url") is not None:
        check(said["url"])
    chosen = new_secret() if said.get("secret") else None
    kept = None if said.get("filter") is None else json.dumps(filter_of(said["filter"]))
    values = {"id": id, "url": said.get("url"), "enabled": said.get("enabled"), "filter": kept}
    sealed = None if chosen is None else vault.encrypt([chosen], WEBHOOK)[0]
    if connection.execute(queries.CHANGE, values | {"secret": sealed}).first() is None:
        raise absent(id)
    _log(connection, "change", id, sorted(name for name in said if said[name] is not None))
    return chosen


def end(connection: Connection, id: int) -> None:
    """Take a webhook away; what waits for it is dropped."""
    if connection.execute(queries.END, {"id": id}).first() is None:
        raise absent(id)
    _log(connection, "end", id, [])


def listed(connection: Connection) -> list[dict[str, Any]]:
    """The webhooks there are, and how they fare; never a secret."""
    return [dict(row) for row in connection.execute(queries.LIST).mappings()]


def dead(connection: Connection, webhook: int | None, limit: int) -> list[dict[str, Any]]:
    """Deliveries that were given up, oldest first."""
    asked = {"webhook": webhook, "limit": limit}
    return [dict(row) for row in connection.execute(queries.DEAD, asked).mappings()]


def again(connection: Connection, webhook: int, id: int | None) -> int:
    """Send what was given up again: one, or all of a webhook; how many."""
    asked = {"webhook": webhook, "id": id}
    count = len(connection.execute(queries.AGAIN, asked).all())
    if id is not None and not count:
        raise NotFound(f"No dead delivery has the id {id}.", f"没有编号为 {id} 的失败推送。")
    _log(connection, "again", webhook, [])
    return count


def absent(id: int) -> NotFound:
    """There is no such webhook."""
    return NotFound(f"No webhook has the id {id}.", f"没有编号为 {id} 的推送。")


def _log(connection: Connection, what: str, id: int, names: Sequence[str]) -> None:
    """A line in the audit log: which webhook, and which fields of it."""
    detail = {"fields": list(names)}
    connection.execute(
        record(f"webhook.{what}", object_type="webhook", object_id=id, detail=detail)
    )
