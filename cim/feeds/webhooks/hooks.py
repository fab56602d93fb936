"""Webhooks kept: added, changed, taken away; what was given up listed and sent again."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from cim.errors import Conflict, InvalidQuery, NotAllowed, NotFound
from cim.feeds.webhooks.filters import filter_of, keeper
from cim.feeds.webhooks.guard import check
from cim.feeds.webhooks.signing import followed, key_of, new_secret
from cim.privacy import Vault
from cim.security.rights import SECURITY, SYSTEM
from cim.security.secrets import WEBHOOK
from cim.store.queries.feeds import webhooks as queries
from cim.store.queries.security.callers import record

EVERYTHING = frozenset({SYSTEM, SECURITY})
"""What both administrators may do."""


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

    It is told of what happens from now on. Whether whoever asks may say so, `allow` tells.
    """
    check(url)
    wanted = filter_of(said)
    kept = " ".join(name.split())
    if not kept or len(kept) > 100 or not kept.isprintable():
        raise InvalidQuery("name must have 1 to 100 characters.", "name 须为 1 至 100 个字符。")
    if connection.execute(queries.by_name(kept)).first() is not None:
        raise Conflict(f"There is a webhook {kept} already.", f"已有名为 {kept} 的推送。")
    chosen = secret or new_secret()
    key_of(chosen)
    values = {"name": kept, "url": url, "by": by, "filter": json.dumps(wanted)}
    sealed = vault.encrypt([chosen], WEBHOOK)[0]
    id: int = connection.execute(queries.ADD, values | {"secret": sealed}).scalar_one()
    _log(connection, "add", id, ["name", "url", "filter"], wanted)
    return id, chosen


def change(
    connection: Connection,
    vault: Vault,
    id: int,
    said: Mapping[str, Any],
    hats: frozenset[str] = EVERYTHING,
) -> str | None:
    """Change `url`, `filter` or `enabled`; with `secret` true it gets a new one, which is shown.

    For a day messages are signed with the one before too, but where `at_once` is true. NotAllowed
    where whoever asks does not decide on such a webhook; on and off it is for both administrators.
    """
    row = connection.execute(queries.KEPT, {"id": id}).first()
    if row is None:
        raise absent(id)
    fresh = None if said.get("filter") is None else filter_of(said["filter"])
    if said.get("url") is not None or fresh is not None or said.get("secret"):
        allow(hats, row.filter, fresh or {})
    if said.get("url") is not None:
        check(said["url"])
    chosen = sealed = None
    if said.get("secret"):
        chosen = kept = new_secret()
        if not said.get("at_once"):
            before = vault.decrypt([row.secret_enc], WEBHOOK)[0] or ""
            kept = followed(before, chosen, time.time())
        sealed = vault.encrypt([kept], WEBHOOK)[0]
    values = {"id": id, "url": said.get("url"), "enabled": said.get("enabled"), "secret": sealed}
    wanted = None if fresh is None else json.dumps(fresh)
    connection.execute(queries.CHANGE, values | {"filter": wanted})
    names = sorted(name for name in said if said[name] is not None)
    _log(connection, "change", id, names, fresh)
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
    if connection.execute(queries.KEPT, {"id": webhook}).first() is None:
        raise absent(webhook)
    asked = {"webhook": webhook, "id": id}
    count = len(connection.execute(queries.AGAIN, asked).all())
    if id is not None and not count:
        raise NotFound(f"No dead delivery has the id {id}.", f"没有编号为 {id} 的失败推送。")
    _log(connection, "again", webhook, [])
    return count


def absent(id: int) -> NotFound:
    """There is no such webhook."""
    return NotFound(f"No webhook has the id {id}.", f"没有编号为 {id} 的推送。")


def allow(hats: frozenset[str], *filters: Mapping[str, Any]) -> None:
    """NotAllowed where another administrator decides on webhooks of these filters."""
    wanted = keeper(*filters)
    if wanted in hats:
        return
    if wanted == SECURITY:
        raise NotAllowed(
            "Sending what tells of homes, of who goes in and out, or is not public, is for the "
            "security administrator to decide.",
            "推送户内、出入或非公开信息须由安全管理员决定。",
        )
    raise NotAllowed("That is for the system administrator.", "此操作仅限系统管理员。")


def _log(
    connection: Connection,
    what: str,
    id: int,
    names: Sequence[str],
    allowed: Mapping[str, Any] | None = None,
) -> None:
    """A line in the audit log: which webhook, which fields of it, and what it is allowed."""
    detail: dict[str, Any] = {"fields": list(names)}
    if allowed is not None:
        detail["filter"] = dict(allowed)
    connection.execute(
        record(f"webhook.{what}", object_type="webhook", object_id=id, detail=detail)
    )
