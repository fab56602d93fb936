"""Rows that were set aside, as files to mend: CSV, and a mapping file by which it loads by itself.

A file holds rows of one kind and source that were read in one way.  Each row says where it came
from and what is wrong; then come its columns as they were, and its outline as WKT in the
coordinates of the file it came from.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

import orjson
import shapely
from sqlalchemy import Connection, text

from cim import privacy
from cim.load.kind import SEALED
from cim.load.kinds import KINDS
from cim.load.mending import Mends, harmless
from cim.settings import Settings
from cim.store.copy import columns
from cim.store.queries.incoming import quarantine as statements

TOLD = ("file", "row_no", "field", "value", "reason_en", "reason_zh")
"""What is told of a row beside its data."""

PLACE = ("geometry", "wkt", "geom", "the_geom")
"""Names that the outline's column may have: the first that the data do not have themselves."""


@dataclass(frozen=True)
class Bundle:
    """Rows that stand in one file: of one kind and source, read in one way."""

    kind: str
    source_id: int
    source: str
    crs: str | None
    mapping: dict[str, str]
    rows: int
    sealed: bool
    wanted: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """For the statements."""
        mapping = json.dumps(self.mapping, ensure_ascii=False)
        known = {"source_id": self.source_id, "crs": self.crs, "mapping": mapping}
        return {**self.wanted, "kind": self.kind, **known}


@dataclass(frozen=True)
class Layout:
    """The columns of such a file: what is told, data with their types, the outline."""

    told: dict[str, str]
    data: dict[str, str]
    place: str | None

    @property
    def heading(self) -> list[str]:
        """The names in the first line."""
        return [*self.told.values(), *self.data, *([self.place] if self.place else [])]


def bundles(
    connection: Connection,
    kind: str | None = None,
    reason: str | None = None,
    import_id: int | None = None,
) -> list[Bundle]:
    """What is open, a bundle a file; with a reason also the rows that belong to such a one."""
    wanted = {"kind": kind, "reason": reason, "import_id": import_id}
    found = connection.execute(text(statements.BUNDLES), wanted)
    return [
        Bundle(row.kind, row.source_id, row.source, row.crs, row.mapping or {}, row.rows,
               row.sealed, wanted) for row in found
    ]  # fmt: skip


def layout(connection: Connection, settings: Settings, bundle: Bundle) -> Layout:
    """The columns of a bundle: those that fields are read from in their order, then the others."""
    if bundle.sealed:
        types: dict[str, set[str]] = {}
        for _, record, _ in _rows(connection, settings, bundle):
            for name, value in record.items():
                types.setdefault(name, set()).add(_type(value))
    else:
        found = connection.execute(text(statements.COLUMNS), bundle.parameters).all()
        types = {
            row.name: {("integer" if row.whole else t) if t == "number" else t for t in row.types}
            for row in found
        }
    kind = KINDS[bundle.kind]
    order = [bundle.mapping[f.name] for f in kind.all_fields if f.name in bundle.mapping]
    named = dict.fromkeys([*order, *types])
    data = {name: _one(types.get(name, set())) for name in named}
    told = {name: name if name not in data else f"_{name}" for name in TOLD}
    free = [name for name in PLACE if name not in data]
    return Layout(told, data, free[0] if bundle.crs and free else None)


def write(
    connection: Connection, settings: Settings, bundle: Bundle, columns_: Layout, out: TextIO
) -> int:
    """The rows of a bundle as CSV, a batch at a time; how many there were."""
    writer = csv.writer(out)
    writer.writerow([_cell(name) for name in columns_.heading])
    count = 0
    for told, record, wkb in _rows(connection, settings, bundle):
        cells = [_cell(told[name]) for name in columns_.told]
        cells += [_cell(record.get(name)) for name in columns_.data]
        if columns_.place:
            cells.append("" if wkb is None else wkt(wkb))
        writer.writerow(cells)
        count += 1
    return count


def mapping_of(bundle: Bundle, columns_: Layout) -> dict[str, Any]:
    """The mapping file that belongs beside the CSV: nothing more has to be said to load it."""
    kind = KINDS[bundle.kind]
    types = {name: kind for name, kind in columns_.data.items() if kind != "text"}
    told = columns_.told
    mends = Mends(told["file"], told["row_no"], tuple(told.values()), types)
    return {
        "kind": bundle.kind,
        "source": bundle.source,
        **({"crs": bundle.crs} if bundle.crs else {}),
        "fields": {f.name: bundle.mapping.get(f.name) for f in kind.all_fields},
        "mends": mends.as_json(),
    }


def _rows(
    connection: Connection, settings: Settings, bundle: Bundle
) -> Iterator[tuple[dict[str, Any], dict[str, Any], bytes | None]]:
    """What is told of each row, its data in clear, its outline."""
    vault = privacy.open_vault(settings) if bundle.sealed else None
    for batch in columns.read(connection, text(statements.ROWS), bundle.parameters):
        records = batch["record"]
        if vault is not None:
            opened = vault.decrypt(batch["record_enc"], SEALED)
            records = [orjson.loads(item) if item else {} for item in opened]
        told = zip(*(batch[name] for name in TOLD), strict=True)
        for what, record, wkb in zip(told, records, batch["geom"], strict=True):
            yield dict(zip(TOLD, what, strict=True)), record or {}, wkb


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "text"


def _one(types: set[str]) -> str:
    """One type for a column whose values have several."""
    if types == {"integer", "number"}:
        return "number"
    only = next(iter(types), "text") if len(types) < 2 else "text"
    return only if only in ("integer", "number", "boolean") else "text"


def _cell(value: Any) -> Any:
    """A value for a cell: text that a spreadsheet would run as a formula is made harmless."""
    if isinstance(value, dict | list):
        value = orjson.dumps(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return harmless(value) if isinstance(value, str) else value


def wkt(wkb: bytes) -> str:
    """The outline as text; where it is no WKB, the text that was in its place, or hexadecimal.

    >>> wkt(b"POLYGON((1 2"), wkt(b"\\x01\\xff")
    ('POLYGON((1 2', '01ff')
    """
    raw = bytes(wkb)
    shape = shapely.from_wkb(raw, on_invalid="ignore")
    if shape is not None:
        return str(shapely.to_wkt(shape, rounding_precision=-1))
    words = raw.decode("utf-8", "replace")
    readable = "\ufffd" not in words and words.replace("\n", " ").isprintable()
    return harmless(words) if readable else raw.hex()


def names_of(stem: str, found: list[Bundle]) -> Mapping[str, Bundle]:
    """A file name for every bundle: the one asked for, or with kind and number where several."""
    if len(found) == 1:
        return {f"{stem}.csv": found[0]}
    named: dict[str, Bundle] = {}
    for bundle in found:
        name, nth = f"{stem}.{bundle.kind}.csv", 1
        while name in named:
            nth += 1
            name = f"{stem}.{bundle.kind}-{nth}.csv"
        named[name] = bundle
    return named
