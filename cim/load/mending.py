"""Rows that come back mended: the file that the quarantine gave, with what it says beside the rows.

Such a file has columns of its own (where a row came from, what was wrong with it) that are no data;
text that a spreadsheet would run is behind an apostrophe; and what were numbers are text.  Its
mapping file says which, under "mends".
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cim.load import readers
from cim.load.source import Batch, Source

QUOTE = "'"
"""What stands before text that a spreadsheet would run as a formula, and before itself."""

_RUN = re.compile(r"[=+@\t\r\n']|-(?!\d+(\.\d+)?$)")
_TYPES = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}


@dataclass(frozen=True)
class Mends:
    """What the columns of a mended file are beside data.

    `file` and `row` name the columns that say where a row was set aside; `ignore` all that are no
    data; `types` the columns that were no text: integer, number or boolean.
    """

    file: str
    row: str
    ignore: tuple[str, ...] = ()
    types: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, content: Any) -> "Mends":
        """From the mapping file; ValueError where it is none."""
        try:
            return cls(**(content | {"ignore": tuple(content["ignore"])}))
        except (TypeError, KeyError) as error:
            raise ValueError("mends") from error

    def as_json(self) -> dict[str, Any]:
        """For the mapping file."""
        return asdict(self)


def harmless(text: str) -> str:
    """A text that a spreadsheet does not run; `plain` is the way back.

    >>> harmless("=1+1"), harmless("-3.5"), harmless("-cmd"), harmless("'quoted"), harmless("a")
    ("'=1+1", '-3.5', "'-cmd", "''quoted", 'a')
    """
    return QUOTE + text if _RUN.match(text) else text


def plain(text: str) -> str:
    """A text as it was before `harmless`.

    >>> [plain(harmless(text)) for text in ("=1+1", "'quoted", "a", "")]
    ['=1+1', "'quoted", 'a', '']
    """
    return text.removeprefix(QUOTE)


def read(path: Path, layer: str | None, encoding: str | None, mends: Mends | None) -> Source:
    """Open a file as its reader does; of a mended one only what is data, as it was."""
    source = readers.read(path, layer=layer, encoding=encoding)
    if mends is None:
        return source
    fields = [name for name in source.fields if name not in mends.ignore]
    return replace(source, batches=_data(source.batches, mends), fields=fields)


def _data(batches: Iterator[Batch], mends: Mends) -> Iterator[Batch]:
    for batch in batches:
        names = [name for name in batch.columns.schema.names if name not in mends.ignore]
        made = [_restored(batch.columns.column(name), mends.types.get(name)) for name in names]
        columns = pa.RecordBatch.from_arrays(made, names) if names else batch.columns.select([])
        yield replace(batch, columns=columns)


def _restored(column: pa.Array, kind: str | None) -> pa.Array:
    """A column as it was before it became text; text where it can be nothing else any more."""
    if not pa.types.is_string(column.type):
        return column
    if kind in _TYPES:
        try:
            return pc.cast(pc.utf8_trim_whitespace(column), _TYPES[kind])
        except pa.ArrowInvalid:
            return column
    quoted = pc.fill_null(pc.starts_with(column, QUOTE), False)
    return pc.if_else(quoted, pc.utf8_slice_codeunits(column, 1), column)


def origins(
    path: Path, layer: str | None, encoding: str | None, mends: Mends
) -> dict[str, list[Any]]:
    """Where every row of a mended file was set aside: columns row_no, file, origin."""
    found: dict[str, list[Any]] = {"row_no": [], "file": [], "origin": []}
    source = readers.read(path, layer=layer, encoding=encoding)
    if not {mends.file, mends.row} <= set(source.fields):
        return found
    for batch in source.batches:
        files = batch.columns.column(mends.file).to_pylist()
        rows = batch.columns.column(mends.row).to_pylist()
        for number, file, row in zip(batch.row_no.tolist(), files, rows, strict=True):
            if file is not None and row is not None and re.fullmatch(r"\d{1,18}(\.0)?", str(row)):
                found["row_no"].append(number)
                found["file"].append(plain(str(file)))
                found["origin"].append(int(float(str(row))))
    return found
