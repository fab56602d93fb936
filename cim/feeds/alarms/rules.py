"""Alarm rules as people write them: checked, kept, changed, taken away; and for one stream."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, insert, select, text, update

from cim.codes import LISTS
from cim.errors import InvalidQuery, NotFound
from cim.feeds.alarms.judging import HOLDS, Condition
from cim.model.alarms import rule
from cim.model.devices import datastream
from cim.store.queries.security.callers import record

AFFECTS: Final = ("none", "bound", "lift", "entrance", "gas", "smoke", "facade", "lane")
"""Ways to find the units that an alarm affects."""

KINDS: Final = (
    "告警", "故障", "困人", "离线", "门禁", "高空抛物", "电动车入梯", "消防占道", "违建",
)  # fmt: skip
"""Kinds of alarms."""

NAMES: Final = ("class", "observed_property", "stream", "facility_class")
IDS: Final = ("device", "building", "estate", "area")
"""What a scope may name: by text, and by id."""

YEAR: Final = 31_536_000
LARGEST: Final = sys.float_info.max
WITHIN: Final = {
    "above": (-LARGEST, LARGEST), "below": (-LARGEST, LARGEST), "margin": (0, LARGEST),
    "per_s": (0.001, YEAR), "for_s": (0, YEAR), "last_s": (0, YEAR), "within_s": (0, YEAR),
    "least_s": (0, YEAR), "intervals": (1, 1000),
}  # fmt: skip
"""Between what the numbers of a condition may lie; seconds as long as a year."""

USED: Final = {
    "threshold": ("above", "below", "margin", "for_s", "each", "last_s"),
    "rate": ("above", "below", "margin", "per_s", "within_s", "for_s", "each", "last_s"),
    "state": ("codes", "normal", "for_s", "each", "last_s"),
    "silence": ("intervals", "least_s"),
    "together": ("parts", "within_s", "for_s"),
}
"""What a rule of each type looks at in its condition."""

FIELDS: Final = (
    "name", "name_en", "scope", "type", "condition", "severity", "cooldown_s", "enabled",
    "event_kind", "affects", "radius_m", "message_zh", "message_en",
)  # fmt: skip
"""What a rule says, as its columns are called."""


def wrong(en: str, zh: str) -> InvalidQuery:
    """What is wrong with a rule."""
    return InvalidQuery(f"{en}.", f"{zh}。")


def condition_of(type_: str, given: Mapping[str, Any]) -> Condition:
    """A condition as it is judged; InvalidQuery where it is none of its type.

    >>> condition_of("threshold", {"above": 10, "margin": 2}).above
    10.0
    """
    try:
        found = msgspec.convert(given, Condition)
    except msgspec.ValidationError as error:
        raise wrong(f"condition: {error}", f"condition 有误：{error}") from None
    _check_numbers(found)
    needs = {
        "threshold": found.above is not None or found.below is not None,
        "rate": found.above is not None or found.below is not None,
        "state": (found.codes is None) != (found.normal is None),
        "silence": True,
        "together": len(found.parts or ()) >= 2,
    }
    if not needs[type_]:
        lacking = {
            "threshold": "above or below",
            "rate": "above or below",
            "state": "either codes or normal",
            "together": "two parts or more",
        }[type_]
        raise wrong(f"condition must say {lacking}", f"condition 缺少必要的内容（{lacking}）")
    for one in found.parts or ():
        limits = one.above is not None or one.below is not None
        if limits + (one.codes is not None) + (one.normal is not None) != 1:
            raise wrong(
                "each of parts must say one of: limits (above, below), codes, normal",
                "parts 中每一项须且只能含以下之一：限值（above、below）、codes、normal",
            )
    return found


def check_used(type_: str, given: Mapping[str, Any]) -> None:
    """InvalidQuery for what a rule of this type would pass over.

    >>> check_used("threshold", {"above": 10, "codes": None})
    """
    said = [name for name, value in given.items() if value is not None]
    if strange := [name for name in said if name not in USED[type_]]:
        raise wrong(
            f"condition.{strange[0]} says nothing to a rule of type {type_}, "
            f"which looks at {', '.join(USED[type_])}",
            f"{type_} 类型的规则不使用 condition.{strange[0]}，可用：{'、'.join(USED[type_])}",
        )


def _check_numbers(found: Condition) -> None:
    """InvalidQuery for numbers that make no sense."""
    for name, (low, high) in WITHIN.items():
        value = getattr(found, name)
        if value is not None and not low <= value <= high:
            raise wrong(
                f"condition.{name} must lie within {low:g} and {high:g}",
                f"condition.{name} 必须在 {low:g} 与 {high:g} 之间",
            )
    for one in found.parts or ():
        for name in ("above", "below"):
            value = getattr(one, name)
            if value is not None and not isfinite(value):
                raise wrong(f"{name} of parts must be a number", f"parts 的 {name} 必须为数字")
    both = found.above is not None and found.below is not None
    if both and (found.below or 0) + found.margin > (found.above or 0) - found.margin:
        raise wrong(
            "below and above with their margins leave nothing between",
            "below 与 above 之间（计入 margin）没有正常区间",
        )


def scope_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """A scope: lists of names or ids; InvalidQuery for any other.

    >>> scope_of({"class": ["lift"], "estate": [1]})
    {'class': ['lift'], 'estate': [1]}
    """
    found: dict[str, Any] = {}
    for name, values in given.items():
        kind: type = str if name in NAMES else int
        if name not in (*NAMES, *IDS) or not _all_of(values, kind):
            raise wrong(
                f"scope may hold lists of {', '.join((*NAMES, *IDS))}; {name} is none",
                f"scope 可含 {'、'.join((*NAMES, *IDS))} 的列表；{name} 有误",
            )
        found[name] = values
    known = {item["code"] for item in LISTS["device_class"]["items"]}
    if strange := sorted(set(found.get("class", ())) - known):
        raise wrong(f"there is no device class {strange[0]}", f"没有设备类别 {strange[0]}")
    return found


def _all_of(values: object, kind: type) -> bool:
    """Whether this is a list, not empty and not too long, of texts or of ids."""
    return (
        isinstance(values, list)
        and 0 < len(values) <= 1000
        and all(isinstance(one, kind) and not isinstance(one, bool) for one in values)
    )


def texts(value: object) -> Iterator[str]:
    """Every text in a value, however deep.

    >>> list(texts({"codes": ["a", 1], "b": None}))
    ['codes', 'a', 'b']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts(key)
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)


def checked(said: Mapping[str, Any]) -> dict[str, Any]:
    """A whole rule as its row has it; InvalidQuery names the field that is wrong."""
    values = {name: said.get(name) for name in FIELDS}
    for name, value in values.items():
        if not all(map(str.isprintable, texts(value))):
            raise wrong(f"{name} must hold no control characters", f"{name} 不能含控制字符")
    if not str(values["name"] or "").strip():
        raise wrong("name must say something", "name 不能为空")
    for name, among in (("type", tuple(HOLDS)), ("event_kind", KINDS), ("affects", AFFECTS)):
        if values[name] not in among:
            raise wrong(
                f"{name} must be one of {', '.join(among)}",
                f"{name} 必须为 {'、'.join(among)} 之一",
            )
    values["scope"] = scope_of(values["scope"] or {})
    if not values["scope"]:
        raise wrong("scope must name something", "scope 不能为空")
    condition_of(str(values["type"]), values["condition"] or {})
    check_used(str(values["type"]), values["condition"] or {})
    return values


def listed(connection: Connection, *, ended: bool = False) -> list[Row[Any]]:
    """The rules there are, by severity; with those that were taken away."""
    asked = select(rule).order_by(rule.c.severity.desc(), rule.c.id)
    return list(connection.execute(asked if ended else asked.where(rule.c.ended_at.is_(None))))


def one(connection: Connection, id: int) -> Row[Any]:
    """A rule; NotFound where there is none."""
    asked = select(rule).where(rule.c.id == id, rule.c.ended_at.is_(None))
    found = connection.execute(asked).first()
    if found is None:
        raise NotFound(f"No alarm rule has the id {id}.", f"没有编号为 {id} 的告警规则。")
    return found


def add(connection: Connection, said: Mapping[str, Any], by: str | None) -> int:
    """Add a rule; its id. The next reading is judged by it."""
    values = checked(said) | {"updated_by": by}
    id: int = connection.execute(insert(rule).values(**values).returning(rule.c.id)).scalar_one()
    _log(connection, "add", id, values)
    return id


def change(connection: Connection, id: int, said: Mapping[str, Any], by: str | None) -> None:
    """Make a rule another; what it does not say of it stays."""
    before = one(connection, id)._mapping
    values = checked({name: before[name] for name in FIELDS} | dict(said))
    changed = values | {"updated_by": by, "updated_at": text("now()")}
    connection.execute(update(rule).where(rule.c.id == id).values(**changed))
    _log(connection, "change", id, [name for name in FIELDS if values[name] != before[name]])


def end(connection: Connection, id: int, by: str | None) -> None:
    """Take a rule away: its alarms end; what it told stays."""
    one(connection, id)
    gone = {"ended_at": text("now()"), "enabled": False, "updated_by": by}
    connection.execute(update(rule).where(rule.c.id == id).values(**gone))
    _log(connection, "end", id, ())


_OVERRIDE = text("""
    INSERT INTO city.rule_override AS o (rule_id, datastream_id, condition, enabled)
    VALUES (:rule, :stream, CAST(:condition AS jsonb), :enabled)
    ON CONFLICT (rule_id, datastream_id) DO UPDATE
    SET condition = excluded.condition, enabled = excluded.enabled""")

_OVERRIDES = text("""
    SELECT o.datastream_id, o.condition, o.enabled, t.name AS stream, d.id AS device_id,
        d.name AS device
    FROM city.rule_override o JOIN city.datastream t ON t.id = o.datastream_id
    LEFT JOIN city.device d ON d.id = t.device_id
    WHERE o.rule_id = :rule ORDER BY o.datastream_id LIMIT 1000""")


def overrides(connection: Connection, id: int) -> list[dict[str, Any]]:
    """Streams for which a rule is another, and what."""
    return [dict(row) for row in connection.execute(_OVERRIDES, {"rule": id}).mappings()]


def override(
    connection: Connection, id: int, stream: int, condition: Mapping[str, Any], enabled: bool
) -> None:
    """Let a rule be another for one stream: what of its condition is said, or not in use at all."""
    here = one(connection, id)
    if not connection.execute(select(datastream.c.id).where(datastream.c.id == stream)).first():
        raise NotFound(f"No datastream has the id {stream}.", f"没有编号为 {stream} 的数据流。")
    condition_of(here.type, dict(here.condition) | dict(condition))
    check_used(here.type, condition)
    values = {"rule": id, "stream": stream, "enabled": enabled}
    said = msgspec.json.encode(dict(condition)).decode()
    connection.execute(_OVERRIDE, values | {"condition": said})
    _log(connection, "override", id, [f"datastream {stream}"])


def settle(connection: Connection, id: int, stream: int) -> None:
    """Let a rule be for a stream what it is for all."""
    one(connection, id)
    gone = text("DELETE FROM city.rule_override WHERE rule_id = :rule AND datastream_id = :stream")
    if not connection.execute(gone, {"rule": id, "stream": stream}).rowcount:
        raise NotFound("This rule is no other for that stream.", "该规则对此数据流没有单独设置。")
    _log(connection, "settle", id, [f"datastream {stream}"])


def _log(connection: Connection, what: str, id: int, names: Iterable[str]) -> None:
    """A line in the audit log: which rule, and which fields of it."""
    detail = {"fields": list(names)}
    connection.execute(
        record(f"alarm_rule.{what}", object_type="rule", object_id=id, detail=detail)
    )
