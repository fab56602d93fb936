"""One raster of heights: read by blocks, a few of which are kept, and asked at any place."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cim import crs
from cim.errors import SourceError

Floats = NDArray[np.float64]
Block = NDArray[np.float32]

BLOCK = 512
"""Cells along a block's side: what a cloud-optimised GeoTIFF is made of."""

KEPT = 96
"""Blocks that are kept in memory, of all rasters that share them; 1 MB each."""


class Blocks:
    """Blocks that were read lately, of one raster or of several together.

    So memory does not grow with the number of rasters.  May be used by several threads.
    """

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._kept: OrderedDict[tuple[int, int, int], Block] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[int, int, int], read: Callable[[], Block]) -> Block:
        """The block of that raster, row and column; read where it is not kept."""
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None:
                found = read()
            self._kept[key] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return found


class Raster:
    """Heights of a raster, in its own surface, at its cells' centres and bilinear in between.

    Within half a cell of its border it goes on as at the border.  Rotated rasters are read alike.
    May be asked by several threads.
    """

    def __init__(self, path: Path, system: str, blocks: Blocks | None = None) -> None:
        """Open the raster at `path`, whose coordinates are in `system`; it may share `blocks`.

        Raises SourceError where it is gone or cannot be read.
        """
        try:
            self._file = rasterio.open(path)
        except RasterioError as error:
            raise SourceError(
                f"the terrain {path.name} is not in the data folder any more; load it again",
                f"数据目录中找不到地形文件 {path.name}；请重新载入",
            ) from error
        self.system = system
        self.width, self.height = int(self._file.width), int(self._file.height)
        self._inverse = ~self._file.transform
        self._forward = self._file.transform
        self._kept = blocks or Blocks()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def pixels(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """Columns and rows of places in degrees; 0, 0 is the centre of the first cell."""
        x, y = crs.from_4490(longitude, latitude, self.system)
        a, b, c, d, e, f = self._inverse[:6]
        return a * x + b * y + c - 0.5, d * x + e * y + f - 0.5

    def places(self, columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """The way back: degrees of columns and rows."""
        a, b, c, d, e, f = self._forward[:6]
        u, v = columns + 0.5, rows + 0.5
        return crs.to_4490(a * u + b * v + c, d * u + e * v + f, self.system)

    def blocks(self, columns: Floats, rows: Floats) -> NDArray[np.int64]:
        """Numbers of the blocks that places lie in; of those outside, of the nearest."""
        across = (self.width - 1) // BLOCK + 1
        right = np.clip(columns, 0, self.width - 1).astype(np.int64) // BLOCK
        found: NDArray[np.int64] = np.clip(rows, 0, self.height - 1).astype(np.int64) // BLOCK
        return found * across + right

    def at_pixels(self, columns: Floats, rows: Floats) -> Floats:
        """Heights at columns and rows; NaN outside and where a cell around has none."""
        found = np.full(columns.shape, np.nan)
        inside = (columns >= -0.5) & (columns <= self.width - 0.5)
        inside &= (rows >= -0.5) & (rows <= self.height - 0.5)
        if inside.any():
            x = np.clip(columns[inside], 0, self.width - 1)
            y = np.clip(rows[inside], 0, self.height - 1)
            found[inside] = self._between(x, y)
        return found

    def _between(self, x: Floats, y: Floats) -> Floats:
        left, top = x.astype(np.int64), y.astype(np.int64)
        u, v = x - left, y - top
        across = (self.width - 1) // BLOCK + 1
        block = self.blocks(x, y)
        order = np.argsort(block, kind="stable")
        starts = np.flatnonzero(np.diff(block[order], prepend=-1))
        found = np.empty(x.shape)
        for start, end in zip(starts, [*starts[1:], order.size], strict=True):
            here = order[start:end]
            down, right = divmod(int(block[here[0]]), across)
            cells = self._block(down, right)
            found[here] = _bilinear(
                cells, left[here] - right * BLOCK, top[here] - down * BLOCK, u[here], v[here]
            )
        return found

    def coarse(self, columns: Floats, rows: Floats, most: int) -> Floats:
        """Heights at columns and rows out of an overview of at most `most` cells along a side.

        NaN outside and where the overview has none; nothing is read at full size where the file
        holds overviews.
        """
        step = max(self.width, self.height) / most
        size = [max(1, round(side / max(step, 1.0))) for side in (self.height, self.width)]
        cells = self._file.read(1, out_shape=(1, *size), masked=True, out_dtype=np.float32)
        cells = cells.reshape(size).filled(np.nan)
        found = np.full(columns.shape, np.nan)
        inside = (columns >= -0.5) & (columns <= self.width - 0.5)
        inside &= (rows >= -0.5) & (rows <= self.height - 0.5)
        right = ((columns[inside] + 0.5) * size[1] / self.width).astype(np.int64)
        down = ((rows[inside] + 0.5) * size[0] / self.height).astype(np.int64)
        found[inside] = cells[np.minimum(down, size[0] - 1), np.minimum(right, size[1] - 1)]
        return found

    def _block(self, down: int, right: int) -> Block:
        """The cells of a block, with those that follow it to the right and below."""

        def read() -> Block:
            window = Window(
                right * BLOCK, down * BLOCK,
                min(BLOCK + 1, self.width - right * BLOCK),
                min(BLOCK + 1, self.height - down * BLOCK),
            )  # fmt: skip
            cells = self._file.read(1, window=window, masked=True, out_dtype=np.float32)
            filled: Block = cells.filled(np.nan)
            return filled

        return self._kept.get((id(self), down, right), read)


def _bilinear(
    cells: Block, left: NDArray[np.int64], top: NDArray[np.int64], u: Floats, v: Floats
) -> Floats:
    """Values between four cells; a cell of no weight may be missing.

    >>> cells = np.array([[0, 2], [4, np.nan]], np.float32)
    >>> at = np.zeros(2, int)
    >>> _bilinear(cells, at, at, np.array([0.5, 0.5]), np.array([0.0, 0.5]))
    array([ 1., nan])
    """
    rows, columns = cells.shape
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    found = np.zeros(left.shape)
    for row, column, weight in (
        (top, left, (1 - u) * (1 - v)), (top, right, u * (1 - v)),
        (bottom, left, (1 - u) * v), (bottom, right, u * v),
    ):  # fmt: skip
        found += np.where(weight > 0, cells[row, column] * weight, 0.0)
    return found
