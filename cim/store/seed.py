"""The code lists and coding rules of `cim.codes`, written into their tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.schema import Table

from cim.codes import ALARM_RULES, DEVICE_TYPES, LISTS, RETENTION, SCHEMES
from cim.model.alarms import rule
from cim.model.devices import device_type, retention_class, stream_type
from cim.model.reference import code_item, code_list, code_scheme


def seed(connection: Connection) -> None:
    """Bring the lists to what this program knows; codes a city added itself stay as they are."""
    lists = [
        {"code": code, "title_zh": one["title_zh"], "title_en": one["title_en"]}
        for code, one in LISTS.items()
    ]
    items = [
        {
            "list_code": code,
            "code": item["code"],
            "parent_code": item.get("parent"),
            "name_zh": item["zh"],
            "name_en": item["en"],
            "sort": place,
        }
        for code, one in LISTS.items()
        for place, item in enumerate(one["items"])
    ]
    _upsert(connection, code_list, lists)
    _upsert(connection, code_item, items)
    _upsert(connection, code_scheme, [dict(scheme) for scheme in SCHEMES])
    _device_types(connection)
    _alarm_rules(connection)


def _device_types(connection: Connection) -> None:
    """Classes of devices that the city does not have yet; those that it has are its own."""
    columns = ("code", "days", "name_zh", "name_en")
    _add(connection, retention_class, [dict(zip(columns, one, strict=True)) for one in RETENTION])
    there = set(connection.execute(select(device_type.c.class_code)).scalars())
    new = [one for one in DEVICE_TYPES if one["class"] not in there]
    if not new:
        return
    types = [
        {"class_code": one["class"], "note_zh": one["zh"] or None, "note_en": one["en"] or None}
        for one in new
    ]
    _add(connection, device_type, types)
    _add(
        connection,
        stream_type,
        [stream_row(one["class"], stream) for one in new for stream in one["streams"]],
    )


def _alarm_rules(connection: Connection) -> None:
    """Alarm rules that the city never had; one that it changed or took away stays so."""
    there = set(connection.execute(select(rule.c.code)).scalars())
    new = [
        {
            "name": one["zh"],
            "name_en": one["en"],
            "event_kind": one["kind"],
            "radius_m": one.get("radius_m"),
            "enabled": one.get("enabled", True),
            **{name: one[name] for name in RULE_FIELDS},
        }
        for one in ALARM_RULES
        if one["code"] not in there
    ]
    if new:
        _add(connection, rule, new)


RULE_FIELDS = (
    "code", "scope", "type", "condition", "severity", "cooldown_s", "affects", "message_zh",
    "message_en",
)  # fmt: skip
"""What a rule's file says as its row has it."""


def stream_row(class_code: str, stream: Mapping[str, Any]) -> dict[str, Any]:
    """A stream of a class of devices, as its file says it, as a row of `city.stream_type`."""
    return {
        "class_code": class_code,
        "name": stream["name"],
        "name_zh": stream.get("zh") or stream["name"],
        "name_en": stream.get("en") or stream["name"],
        "observed_property": stream.get("property") or stream["name"],
        "unit_ucum": stream.get("unit"),
        "result_type": stream.get("type", "number"),
        "kind": stream.get("kind", "gauge"),
        "low": stream.get("low"),
        "high": stream.get("high"),
        "interval_s": stream.get("interval_s"),
        "retention": stream.get("retention", "normal"),
    }


def _add(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows that are not there yet."""
    connection.execute(insert(table).on_conflict_do_nothing(), [dict(row) for row in rows])


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    changes = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changes),
        [dict(row) for row in rows],
    )
