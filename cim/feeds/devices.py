"""Devices: registered, bound, let in by keys; each key and each code is shown once."""

import re
import secrets as randomness
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from cim.errors import Conflict, InvalidQuery, NotFound
from cim.feeds.broker import hashed
from cim.load import pipeline
from cim.load.kinds import KINDS
from cim.load.kinds.devices import BOUND
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.load.rows import REASONS
from cim.security import secrets
from cim.settings import Settings
from cim.store.queries.feeds import keys as queries

_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Characters of codes that people copy: none looks like another."""

CLAIM_DAYS: Final = 30

ZH: Final = {
    "unit": "房屋", "entrance": "单元", "storey": "楼层", "building": "建筑", "estate": "小区",
    "facility": "设施", "project": "项目",
}  # fmt: skip
"""What a device is bound to, in Chinese."""


@dataclass(frozen=True)
class Device:
    """A device as it is known here."""

    id: int
    key: str
    class_code: str
    source_id: int


@dataclass(frozen=True)
class Made:
    """A key that was made: shown now, and never again."""

    device_id: int
    username: str
    key: str


def find(connection: Connection, key: str, source: str | None = None) -> Device:
    """The device of a key, or of our id as `#7`. NotFound; Conflict where several have it."""
    found = connection.execute(queries.FIND, {"key": key, "source": source}).all()
    if not found:
        raise NotFound(f"There is no device {key}.", f"没有设备 {key}。")
    if len(found) > 1:
        named = [str(row.source) for row in found]
        raise Conflict(
            f"Several systems have a device {key} ({', '.join(named)} …): say which by its source "
            f"(--source), or by our id (#{found[0].id}).",
            f"多个来源系统都有设备 {key}（{'、'.join(named)} 等）：请用 --source 指明来源系统，"
            f"或使用内部编号（如 #{found[0].id}）。",
        )
    row = found[0]
    return Device(row.id, row.ext_id or f"#{row.id}", row.class_code, row.source_id or 0)


def register(
    connection: Connection,
    settings: Settings,
    path: Path,
    request: Request,
    keys: Sequence[str] | None = None,
) -> tuple[Report, int]:
    """Register a file of devices by the road of all files, with the streams of their classes.

    What was loaded, and how many streams were made. With `keys` the file holds these alone.
    """
    report = pipeline.load(connection, settings, KINDS["devices"], path, request)
    source = connection.execute(queries.SOURCE, {"name": report.source}).scalar()
    listed = None if keys is None else list(keys)
    made = connection.execute(queries.FURNISH, {"source": source, "keys": listed}).rowcount
    return report, made


def bind(
    connection: Connection, device: Device, to: str | None, since: datetime | None = None
) -> bool:
    """Bind a device to `kind:key` or `kind:#id`, or to nothing; whether that is anything new.

    It holds from now on, or since a moment that has been. What it was bound to before is kept with
    its time. NotFound, InvalidQuery; Conflict where it was bound to something else since.
    """
    kind, object_id, building = None, None, None
    if to is not None:
        word, _, key = (part.strip() for part in to.replace("：", ":", 1).partition(":"))
        kind = BOUND.get(word.lower())
        if kind is None or not key:
            en, zh = REASONS["no_object"]
            raise InvalidQuery(f"{to}: {en}.", f"{to}：{zh}。")
        object_id, building = _bound(connection, kind, key)
    if since is not None and since > datetime.now(UTC):
        raise InvalidQuery(
            "A device is bound from now on, or since a moment that has been.",
            "绑定时间不能晚于现在。",
        )
    came = connection.execute(
        queries.BIND,
        {
            "kind": kind,
            "object": object_id,
            "building": building,
            "device": device.id,
            "since": since,
        },
    ).scalar_one()
    if came in REFUSED:
        raise Conflict(*REFUSED[came])
    return bool(came == "done")


REFUSED: Final = {
    "early": (
        "The device was bound to something else since then; `cim device bind DEVICE` shows when.",
        "该设备在此之后曾绑定到其他对象；运行 cim device bind 设备 查看。",
    ),
    "home": (
        "The device was in a home since then, and what it read there stays of that home: bind it "
        "from now on.",
        "该设备在此期间绑定于户内，其读数仍属于该户：请从现在起绑定。",
    ),
}


def _bound(connection: Connection, kind: str, key: str) -> tuple[int, int | None]:
    coded = not re.fullmatch(r"#\d{1,18}", key)
    if coded and kind not in queries.CODED:
        raise InvalidQuery(
            f"A device is bound to {kind} by our id: {kind}:#7.",
            f"绑定到{ZH[kind]}时请使用内部编号，如 {kind}:#7。",
        )
    given = key if coded else key[1:]
    found = connection.execute(queries.bindable(kind, coded=coded), {"key": given}).all()
    if not found:
        raise NotFound(
            f"There is no {kind} {key}: take its key in its source, or our id as {kind}:#7 "
            "(`cim address match` finds those of addresses).",
            f"{ZH[kind]} {key} 不存在：请写来源系统中的编号，或内部编号（如 {kind}:#7；"
            "地址的内部编号可用 cim address match 查得）。",
        )
    if len(found) > 1:
        ids = ", ".join(f"{kind}:#{row.id}" for row in found)
        raise Conflict(
            f"Several sources have a {kind} {key}: take one by our id ({ids} …).",
            f"多个来源系统都有{ZH[kind]} {key}：请用内部编号指定（{ids} 等）。",
        )
    return found[0].id, found[0].building_id


def make_key(connection: Connection, device: int, expires: datetime | None = None) -> Made:
    """A new key for a device or a gateway; the one that it had ends. NotFound."""
    key, hashes = _new()
    values = {**hashes, "device": device, "expires_at": expires}
    username = connection.execute(queries.GIVE_KEY, values).scalar_one()
    if username is None:
        raise NotFound(f"There is no device #{device}.", f"没有设备 #{device}。")
    return Made(device, username, key)


def _new() -> tuple[str, dict[str, Any]]:
    """A key, and what is kept of it."""
    key, prefix = secrets.make_key()
    digest = secrets.digest(key)
    return key, {"prefix": prefix, "digest": digest, "broker_hash": hashed(key)}


def end_key(connection: Connection, device: Device) -> bool:
    """End the key of a device; whether it had one."""
    return bool(connection.execute(queries.END_KEYS, {"device": device.id}).rowcount)


def make_claim(connection: Connection, device: Device, days: int = CLAIM_DAYS) -> str:
    """A code by which whoever puts the device up gets its key, once.

    80 bits or so: `7K3M-…`, four groups of four characters.
    """
    letters = [randomness.choice(_ALPHABET) for _ in range(16)]
    code = "-".join("".join(letters[n : n + 4]) for n in range(0, 16, 4))
    values = {"digest": _digest(code), "device": device.id, "days": days}
    connection.execute(queries.ADD_CLAIM, values)
    return code


def claim(connection: Connection, code: str) -> Made:
    """The key of the device that a code is for; the code is of no use afterwards. NotFound."""
    key, hashes = _new()
    row = connection.execute(queries.USE_CLAIM, {**hashes, "code": _digest(code)}).first()
    if row is None:
        raise NotFound(
            "This code is unknown, was used, or has run out.", "该认领码未知、已使用或已过期。"
        )
    return Made(row.device_id, row.username, key)


def _digest(code: str) -> bytes:
    return secrets.digest(re.sub(r"[^0-9A-Z]", "", code.upper()))
