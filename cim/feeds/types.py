"""Classes of devices and the streams they have, taken over from a file of the city's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from cim.codes import DEVICE_TYPES, LISTS
from cim.codes.units import SPELLINGS, is_unit
from cim.errors import SourceError
from cim.feeds.written import json_of
from cim.model.devices import device_type, stream_type
from cim.store.seed import stream_row

KINDS: Final = frozenset({"gauge", "counter", "state"})
RESULTS: Final = frozenset({"number", "text", "boolean", "code"})
RETENTION: Final = frozenset({"short", "normal", "long"})
CLASSES: Final = frozenset(item["code"] for item in LISTS["device_class"]["items"])
UNITS: Final = frozenset(
    stream.get("unit") for one in DEVICE_TYPES for stream in one["streams"] if stream.get("unit")
)
"""Those of our own types: of some, as dB/m, nothing can be converted."""

PRINTED: Final = {
    "name_zh": "zh", "name_en": "en", "observed_property": "property", "unit_ucum": "unit",
    "result_type": "type",
}  # fmt: skip
"""Names of columns, as `--json` prints them → what files call them."""

SAID: Final = {"result_type": "type"}


def take_over(connection: Connection, path: Path) -> int:
    """Write the classes of a file over those of the same name; how many streams it had.

    Streams that devices have already stay as they are. SourceError names what is wrong and where.
    """
    rows = read(path)
    for code in sorted({row["class_code"] for row in rows}):
        made = insert(device_type).values(class_code=code)
        connection.execute(made.on_conflict_do_nothing())
    for row in rows:
        made = insert(stream_type).values(**row)
        other = {name: value for name, value in row.items() if name not in ("class_code", "name")}
        connection.execute(
            made.on_conflict_do_update(index_elements=["class_code", "name"], set_=other)
        )
    return len(rows)


def read(path: Path) -> list[dict[str, Any]]:
    """The streams of a file: a list of {class, streams}, as `cim/codes/device_types.json` is, or of
    streams each with its class, as `cim device types --json` prints them."""
    given = json_of(path)
    rows: list[dict[str, Any]] = []
    for place, one in enumerate(given if isinstance(given, list) else [None], 1):
        if not isinstance(one, dict):
            raise _odd(path, f"[{place}]", "class")
        code = one.get("class", one.get("class_code"))
        if str(code) not in CLASSES:
            raise _odd(path, f"[{place}]", "class", code)
        streams = one.get("streams", [_plain(one)])
        if not isinstance(streams, list):
            raise _odd(path, f"[{place}]", "streams")
        for number, stream in enumerate(streams, 1):
            where = f"[{place}].streams[{number}]" if "streams" in one else f"[{place}]"
            rows.append(_row(path, where, str(code), stream))
    return rows


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stream as files say it, of one that was printed."""
    return {PRINTED.get(name, name): value for name, value in row.items()}


def _row(path: Path, where: str, code: str, stream: Any) -> dict[str, Any]:
    """A stream of a file as a row; SourceError names the field that is wrong."""
    if not isinstance(stream, dict) or not isinstance(stream.get("name"), str):
        raise _odd(path, where, "name")
    row = stream_row(code, stream)
    for field, allowed in (("kind", KINDS), ("result_type", RESULTS), ("retention", RETENTION)):
        if str(row[field]) not in allowed:
            raise _odd(path, where, SAID.get(field, field), row[field])
    for field in ("low", "high", "interval_s"):
        if isinstance(row[field], bool) or not isinstance(row[field], int | float | None):
            raise _odd(path, where, field, row[field])
    if (unit := row["unit_ucum"]) is not None:
        if str(unit) not in UNITS and not is_unit(str(unit)):
            raise _odd(path, where, "unit", unit)
        row["unit_ucum"] = SPELLINGS.get(unit, unit)
    return row


def _odd(path: Path, where: str, field: str, value: object = None) -> SourceError:
    if value is None:
        return SourceError(
            f"{path.name}, {where}: {field} is missing, or is not what it should be.",
            f"{path.name}，{where}：缺少 {field}，或其类型不对。",
        )
    return SourceError(
        f"{path.name}, {where}: {field} cannot be {value!r}.",
        f"{path.name}，{where}：{field} 不能为 {value!r}。",
    )
