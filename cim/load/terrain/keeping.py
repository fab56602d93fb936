"""The cells of a raster, checked and copied into the data folder."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.shutil import copy
from rasterio.windows import Window

from cim.errors import SourceError, StoreFull
from cim.load.terrain.reading import Raster

LOWEST, HIGHEST = -11_100.0, 9_000.0
"""Metres between which ground is, the sea's included."""

VOIDS = (-32768.0, -32767.0, -9999.0, -99999.0)
"""Numbers that stand for no height in files that do not say so; and whatever is beyond 1e30."""

NO_HEIGHT = -32768
"""What stands for no height in the files that are kept."""

STRIPE = 512
"""Rows that are read at a time."""

WIDEST = 4096
"""Columns that are read at a time, a multiple of a block."""

Cells = NDArray[np.float32]


@dataclass(frozen=True)
class Kept:
    """A raster in the data folder: its file (None after a look alone) and what its cells are."""

    file: Path | None
    digest: str
    cells: int
    holes: int
    least: float
    most: float
    undeclared: int


def keep(raster: Raster, folder: Path | None, progress: Callable[[int], None]) -> Kept:
    """Copy a raster into a folder, as a file that is named after its content.

    Without a folder its cells are looked at, and nothing is written.  Raises SourceError where
    they are no heights, StoreFull where there is no room.
    """
    if folder is None:
        return _through(raster, None, progress)
    folder.mkdir(parents=True, exist_ok=True)
    first, second = (folder / f".fresh-{os.getpid()}-{part}.tif" for part in ("cells", "cog"))
    try:
        kept = _through(raster, first, progress)
        copy(first, second, driver="COG", compress="DEFLATE", predictor="YES", blocksize=STRIPE,
             overview_resampling="AVERAGE", bigtiff="IF_SAFER", num_threads=2)  # fmt: skip
        _settled(second)
        target = folder / f"{kept.digest}.tif"
        second.replace(target)
    except (OSError, RasterioError) as fault:
        if isinstance(fault, OSError) and fault.errno != errno.ENOSPC and not _full(folder):
            raise
        raise StoreFull(
            "there is no room in the data folder for the terrain", "数据目录空间不足，无法保存地形"
        ) from fault
    finally:
        for part in (first, second):
            with suppress(FileNotFoundError):
                part.unlink()
    return Kept(target, *list(vars(kept).values())[1:])


def _full(folder: Path) -> bool:
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize < 1 << 20


def _settled(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _through(raster: Raster, target: Path | None, progress: Callable[[int], None]) -> Kept:
    """Every cell looked at, and written to `target`."""
    file = raster.file
    whole = np.dtype(file.dtypes[0]).kind in "iu" and (file.scales[0], file.offsets[0]) == (1, 0)
    profile = {
        "driver": "GTiff", "width": file.width, "height": file.height, "count": 1,
        "dtype": "int16" if whole else "float32", "nodata": NO_HEIGHT, "crs": file.crs,
        "transform": file.transform, "tiled": True, "blockxsize": STRIPE, "blockysize": STRIPE,
        "bigtiff": "IF_SAFER",
    }  # fmt: skip
    sums = blake2b(repr((raster.system, raster.heights, *file.transform)).encode(), digest_size=10)
    tally = _Tally(raster.name)
    out = rasterio.open(target, "w", **profile) if target else None
    try:
        for window, cells, undeclared in _windows(raster):
            tally.add(cells, undeclared, window)
            sums.update(cells.tobytes())
            if out:
                filled = np.where(np.isnan(cells), np.float32(NO_HEIGHT), cells)
                out.write(filled.astype(profile["dtype"]), 1, window=window)
            progress(tally.cells)
    finally:
        if out:
            out.close()
    return tally.done(target, sums.hexdigest())


def _windows(raster: Raster) -> Iterator[tuple[Window, Cells, int]]:
    """Cells piece by piece, NaN where there is no height, and how many of these nobody declared."""
    file = raster.file
    scale, offset = file.scales[0], file.offsets[0]
    for top in range(0, file.height, STRIPE):
        for left in range(0, file.width, WIDEST):
            size = min(WIDEST, file.width - left), min(STRIPE, file.height - top)
            window = Window(left, top, *size)
            read = file.read(1, window=window, masked=True)
            cells = read.astype(np.float64).filled(np.nan)
            with np.errstate(invalid="ignore"):
                void = np.isin(cells, VOIDS) | (np.abs(cells) > 1e30)
            cells[void | np.isinf(cells)] = np.nan
            yield window, (cells * scale + offset).astype(np.float32), int(void.sum())


class _Tally:
    """What was seen of the cells so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cells = self.holes = self.undeclared = 0
        self.least, self.most = np.inf, -np.inf

    def add(self, cells: Cells, undeclared: int, window: Window) -> None:
        known = cells[~np.isnan(cells)]
        self.cells += cells.size
        self.holes += cells.size - known.size
        self.undeclared += undeclared
        if not known.size:
            return
        self.least = min(self.least, float(known.min()))
        self.most = max(self.most, float(known.max()))
        if self.least < LOWEST or self.most > HIGHEST:
            odd = (cells < LOWEST) | (cells > HIGHEST)
            row, column = np.argwhere(odd)[0].tolist()
            at = f"{window.row_off + row:,}, {window.col_off + column:,}"
            value = float(cells[row, column])
            raise SourceError(
                f"{self.name}: no ground is {value:,.10g} m high (row, column {at}, counted from "
                f"0; {int(odd.sum()):,} cells like it nearby)",
                f"{self.name}：不存在 {value:,.10g} 米高的地面（行、列 {at}，从 0 起；"
                f"附近共 {int(odd.sum()):,} 个像元如此）",
            )

    def done(self, target: Path | None, digest: str) -> Kept:
        if self.holes == self.cells:
            raise SourceError(
                f"{self.name} has no height in any cell", f"{self.name} 的所有像元均无高程"
            )
        return Kept(target, digest, self.cells, self.holes, self.least, self.most, self.undeclared)
