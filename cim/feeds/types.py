"""Classes of devices and the streams they have, taken over from a file of the city's own."""

import json
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from cim.errors import SourceError
from cim.model.devices import device_type, stream_type
from cim.store.seed import stream_row

KINDS: Final = frozenset({"gauge", "counter", "state"})
RESULTS: Final = frozenset({"number", "text", "boolean", "code"})
RETENTION: Final = frozenset({"short", "normal", "long"})


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
    """The streams of a file: a list of {class, streams}, as `cim/codes/device_types.json` is."""
    try:
        given = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise SourceError(f"{path.name} is no JSON.", f"{path.name} 不是 JSON 文件。") from error
    rows = []
    for place, one in enumerate(given if isinstance(given, list) else [None], 1):
        if not isinstance(one, dict) or not isinstance(one.get("class"), str):
            raise _odd(path, f"[{place}]", "class")
        for number, stream in enumerate(one.get("streams") or [], 1):
            where = f"[{place}].streams[{number}]"
            if not isinstance(stream, dict) or not isinstance(stream.get("name"), str):
                raise _odd(path, where, "name")
            row = stream_row(one["class"], stream)
            for field, allowed in (
                ("kind", KINDS),
                ("result_type", RESULTS),
                ("retention", RETENTION),
            ):
                if row[field] not in allowed:
                    raise _odd(path, where, field)
            for field in ("low", "high", "interval_s"):
                if not isinstance(row[field], int | float | None):
                    raise _odd(path, where, field)
            rows.append(row)
    return rows


def _odd(path: Path, where: str, field: str) -> SourceError:
    return SourceError(
        f"{path.name}, {where}: {field} is missing or is none that there is.",
        f"{path.name}，{where}：{field} 缺失或取值无效。",
    )
