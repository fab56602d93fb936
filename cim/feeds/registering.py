"""Devices registered by rows of their own: by hand one, by a program many; on the road of a file.

What a file of devices must pass, a row passes; what it does not say of a known device stays.
"""

import csv
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from cim.feeds import devices
from cim.load.pipeline import Request
from cim.load.rows import REASONS
from cim.settings import Settings
from cim.store.queries.feeds import keys as queries
from cim.store.queries.incoming.load import bound
from cim.store.queries.incoming.returning import FIRST

MOST: Final = 1_000
"""Devices of one request."""

FIELDS: Final[Mapping[str, str]] = {
    "id": "ext_id",
    "class": "class_code",
    "gateway": "gateway_ref",
    **{
        name: name
        for name in (
            *("name", "bind", "model", "serial_no", "protocol", "elevation", "azimuth", "pitch"),
            *("fov_h", "fov_v", "range_m", "install_on", "status"),
        )
    },
}
"""What is said of a device → the field of files that it is. `place` is longitude and latitude."""

_SAID: Final = {field: name for name, field in FIELDS.items()}
HIDDEN: Final = (
    "this key cannot be used in this source",
    "该编号在此来源中不可用",
)
"""What is said of a key that a device has of which the caller is not to learn."""


@dataclass(frozen=True)
class Fault:
    """A row that could not come in."""

    row: int
    """From 1, in the order they were given."""

    key: str
    field: str | None
    value: str | None
    en: str
    zh: str


@dataclass
class Registered:
    """What came of some rows."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    streams: int = 0
    source_new: bool = False
    devices: list[tuple[int, str, int]] = field(default_factory=list)
    """Of each that came in its row, its key, its id."""

    faults: list[Fault] = field(default_factory=list)


def register(
    connection: Connection,
    settings: Settings,
    rows: Sequence[Mapping[str, Any]],
    source: str,
    cleared: int | None = None,
) -> Registered:
    """Register devices by what is said of each; nothing is committed here.

    A row holds `id`, `class` and what else of FIELDS is said; None takes away what was there.
    Rows that cannot come in are named, and kept in the quarantine with those of files. Devices
    more secret than `cleared` are as if they were not there; None is cleared for all.
    """
    done = Registered()
    done.source_new = connection.execute(queries.SOURCE, {"name": source}).first() is None
    taken = _hidden(connection, rows, source, cleared)
    good: list[tuple[int, Mapping[str, Any]]] = []
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        key, gateway = str(row["id"]), row.get("gateway")
        wrong = None
        if key in taken[0]:
            wrong = ("id", key, *HIDDEN)
        elif gateway in taken[1]:
            wrong = ("gateway", gateway, *REASONS["no_device"])
        elif key in seen:
            wrong = ("id", key, *REASONS["duplicate"])
        if wrong:
            done.faults.append(Fault(number, key, *wrong))
            continue
        seen.add(key)
        good.append((number, row))
    # Gateways first, as devices may name them; of equal fields together, as a file has them.
    good.sort(key=lambda each: (each[1].get("gateway") is not None, sorted(each[1])))
    for _, some in groupby(good, key=lambda each: sorted(each[1])):
        _load(connection, settings, list(some), source, done)
    done.faults.sort(key=lambda fault: fault.row)
    refused = {fault.row for fault in done.faults}
    found = connection.execute(queries.CAME, {"source": source, "keys": sorted(seen)})
    came = {row.key: row.id for row in found}
    done.devices = [
        (number, str(row["id"]), came[str(row["id"])])
        for number, row in sorted(good, key=lambda each: each[0])
        if number not in refused and str(row["id"]) in came
    ]
    return done


def _hidden(
    connection: Connection, rows: Sequence[Mapping[str, Any]], source: str, cleared: int | None
) -> tuple[set[str], set[str]]:
    """Keys of this source that are of devices too secret, and such gateways as rows name them."""
    if cleared is None:
        return set(), set()
    gateways = {str(row["gateway"]) for row in rows if row.get("gateway")}
    asked = {
        "cleared": cleared,
        "keys": sorted(gateways | {str(row["id"]) for row in rows}),
        "ids": [int(one[1:]) for one in gateways if re.fullmatch(r"#[0-9]{1,18}", one)],
    }
    found = connection.execute(queries.HIDDEN, asked).all()
    keys = {row.key for row in found if row.source == source}
    return keys, {row.key for row in found} | {f"#{row.id}" for row in found}


def _load(
    connection: Connection,
    settings: Settings,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    source: str,
    done: Registered,
) -> None:
    """Rows of the same fields, as a file."""
    said = [name for name in rows[0][1] if name in FIELDS]
    placed = "place" in rows[0][1]
    with tempfile.TemporaryDirectory(prefix="cim-devices-") as folder:
        path = Path(folder) / "devices.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*(FIELDS[name] for name in said), *(("lon", "lat") if placed else ())])
            for _, row in rows:
                place = (row["place"] or ("", "")) if placed else ()
                writer.writerow([*("" if row[n] is None else row[n] for n in said), *place])
        asked = Request(
            fields={FIELDS[name]: FIELDS[name] for name in said},
            crs="EPSG:4490" if placed else None,
            source=source,
            encoding="utf-8",
        )
        report, streams = devices.register(
            connection, settings, path, asked, [str(row["id"]) for _, row in rows]
        )
    done.new += report.counts.new
    done.changed += report.counts.changed
    done.unchanged += report.counts.unchanged
    done.streams += streams
    first = 2  # a file's first row names its columns
    for fault in connection.execute(bound(FIRST), {"most": MOST}):
        number, row = rows[fault.row_no - first]
        name = _SAID.get(fault.field or "", "place" if fault.field else None)
        done.faults.append(Fault(number, str(row["id"]), name, fault.value, *REASONS[fault.reason]))
