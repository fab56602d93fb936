"""What a reader gives: a file as batches of columns, with what is known of it beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.errors import SourceError

BATCH_ROWS = 16_384
"""Rows a reader puts in a batch, at most: the unit of memory."""


@dataclass(frozen=True)
class Solids:
    """Surfaces of the rows of a batch, in three dimensions.

    `surfaces` are WKB collections of multipolygons (objects: bytes or None) in the file's system,
    z in metres of the height datum: one for each level of detail that `lods` names, with commas
    between, the one to be shown first.  `base` and `top` are the lowest and highest z of that one,
    NaN where there is none.  `above` is what z is above, as `cim.crs.geoid.to_city` takes it; None
    for the city's height datum.
    """

    surfaces: NDArray[np.object_]
    lods: NDArray[np.object_]
    base: NDArray[np.float64]
    top: NDArray[np.float64]
    above: str | None = None


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    `columns` hold everything but the geometry; `geometry` is WKB (objects: bytes or None) or None
    where the file has none.  `first_row` is the number of the first row: 1 for the first record, in
    tables what a spreadsheet shows.  `numbers` are those of all rows, ascending, where some are
    left out between them.  `broken` says of rows that are none, as the file has them, why: a code
    of `cim.load.rows.REASONS`, or None for a sound row.  `solids` are there for city models alone.
    """

    columns: pa.RecordBatch
    geometry: NDArray[np.object_] | None
    first_row: int
    numbers: NDArray[np.int64] | None = None
    broken: NDArray[np.object_] | None = None
    solids: Solids | None = None

    def __len__(self) -> int:
        """Rows in the batch."""
        return int(self.columns.num_rows)

    @property
    def row_no(self) -> NDArray[np.int64]:
        """Numbers of the rows in the file, ascending."""
        if self.numbers is not None:
            return self.numbers
        return np.arange(self.first_row, self.first_row + len(self), dtype=np.int64)


@dataclass(frozen=True)
class Source:
    """A file opened for reading.

    `crs` is what `cim.crs` takes, or None where the file does not say; `count` is the number of
    rows, or None where only reading would tell.  `layers` are the names of all layers or sheets;
    `notes` what was taken how, in both languages: a reader may add to them until its end; `solids`
    whether its batches have some.
    """

    batches: Iterator[Batch]
    crs: str | None
    fields: list[str]
    count: int | None
    layer: str | None = None
    format: str = ""
    encoding: str | None = None
    layers: tuple[str, ...] = ()
    notes: list[tuple[str, str]] = field(default_factory=list)
    solids: bool = False
    inside: int = 0
    """Storeys, units and rooms of its buildings: `cim.load.interiors`."""


def no_rows(file: str, source: Source) -> SourceError:
    """The refusal of a file without rows, with the other layers or sheets where there are some."""
    others = [name for name in source.layers if name != source.layer][:20]
    if not others:
        return SourceError(f"{file} has no rows", f"{file} 中没有数据行")
    return SourceError(
        f"{file}: {source.layer} has no rows; choose another with --layer: {', '.join(others)}",
        f"{file}：“{source.layer}”中没有数据行；请用 --layer 指定其他：{'、'.join(others)}",
    )


def without_nul(columns: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose texts are free of the character NUL, which no database keeps.

    >>> without_nul(pa.RecordBatch.from_pydict({"a": ["x\\0y", None], "n": [1, 2]})).to_pydict()
    {'a': ['xy', None], 'n': [1, 2]}
    """
    for place, name in enumerate(columns.schema.names):
        column = columns.column(place)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        if pc.any(pc.match_substring(column, "\0")).as_py():
            clean = pc.replace_substring(column, "\0", "")
            columns = columns.set_column(place, name, clean)
    return columns
