"""What a reader gives: a file as batches of columns, with what is known of it beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BATCH_ROWS = 16_384
"""Rows a reader puts in a batch, at most: the unit of memory."""


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    `columns` hold everything but the geometry; `geometry` is WKB (objects: bytes or None) or None
    where the file has none; `first_row` is the number of the first row, 1 for the file's first.
    """

    columns: pa.RecordBatch
    geometry: NDArray[np.object_] | None
    first_row: int

    def __len__(self) -> int:
        """Rows in the batch."""
        return int(self.columns.num_rows)


@dataclass(frozen=True)
class Source:
    """A file opened for reading.

    `crs` is what `cim.crs` takes, or None where the file does not say; `count` is the number of
    rows, or None where only reading would tell.
    """

    batches: Iterator[Batch]
    crs: str | None
    fields: list[str]
    count: int | None
    layer: str | None = None
