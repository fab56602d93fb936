"""A series as a table for a spreadsheet."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from cim.load.mending import harmless

CHINA: Final = timezone(timedelta(hours=8))


def sheet(stream: Mapping[str, Any], series: Mapping[str, Any]) -> bytes:
    """A row a point: its time in China Standard Time, its value, of means least and greatest too.

    The mark before the first byte tells spreadsheets that it is UTF-8.

    >>> stream = {"name": "power", "label": {"zh": "功率"}, "unit": "kW"}
    >>> series = {"t": [0, 500], "v": [1.5, None]}
    >>> print(sheet(stream, series | {"low": None, "high": None}).decode("utf-8-sig"))
    time 时间 (UTC+08:00),功率 power (kW)
    1970-01-01 08:00:00,1.5
    1970-01-01 08:00:00.500,
    <BLANKLINE>
    """
    name = " ".join(dict.fromkeys((stream["label"]["zh"], stream["name"])))
    columns = {"v": f"{name} ({stream['unit'] or '-'})"}
    if series["low"] is not None:
        columns |= {"low": "least 最小", "high": "greatest 最大"}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time 时间 (UTC+08:00)", *map(harmless, columns.values())])
    values = zip(*(series[name] for name in columns), strict=True)
    for ms, row in zip(series["t"], values, strict=True):
        writer.writerow([_time(int(ms)), *map(_cell, row)])
    return out.getvalue().encode("utf-8-sig")


def _time(ms: int) -> str:
    at = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)).astimezone(CHINA)
    return f"{at:%Y-%m-%d %H:%M:%S}" + (f".{ms % 1000:03d}" if ms % 1000 else "")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    return None if value is None or value != value else value  # noqa: PLR0124 - not a number
