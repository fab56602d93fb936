"""Holes of rasters filled from around them, for show alone: no building stands on what is here."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.fill import fillnodata
from rasterio.io import DatasetReader
from rasterio.windows import Window

from cim.terrain.layer import Layer

REACH = 100
"""Cells over which holes are filled."""

BLOCK = 512
"""Cells along a block's side: what is looked at together."""


def filled(layers: Iterable[tuple[Layer, int]], folder: Path) -> list[tuple[int, Layer]]:
    """For each layer with so many holes, by its place among all, one that holds what fills them.

    Files in `folder` go by the rasters' names; one that is there is taken as it is, and those of
    other rasters are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = [
        (place, replace(layer, path=_filling(layer.path, folder / layer.path.name)))
        for place, (layer, holes) in enumerate(layers)
        if holes
    ]
    named = {layer.path.name for _, layer in found}
    for path in folder.iterdir():
        if path.name not in named:
            path.unlink()
    return found


def _filling(path: Path, target: Path) -> Path:
    """A raster of nothing but the fillings, of the place and shape of that at `path`."""
    if target.is_file():
        return target
    fresh = target.with_name(f".{target.name}")
    with rasterio.open(path) as file:
        profile = {
            "driver": "GTiff", "width": file.width, "height": file.height, "count": 1,
            "dtype": "float32", "nodata": file.nodata, "crs": file.crs, "sparse_ok": True,
            "transform": file.transform, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
            "compress": "deflate", "predictor": 3, "bigtiff": "IF_SAFER",
        }  # fmt: skip
        with rasterio.open(fresh, "w", **profile) as out:
            for window, cells in _holed(file):
                out.write(cells, 1, window=window)
    fresh.replace(target)
    return target


def _holed(file: DatasetReader) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Blocks in or at which a hole is, filled as far as cells within REACH tell."""
    for top in range(0, file.height, BLOCK):
        for left in range(0, file.width, BLOCK):
            size = min(BLOCK, file.height - top), min(BLOCK, file.width - left)
            first = max(0, top - REACH), max(0, left - REACH)
            last = min(file.height, top + BLOCK + REACH), min(file.width, left + BLOCK + REACH)
            whole = Window(first[1], first[0], last[1] - first[1], last[0] - first[0])
            if not _touched(file, top, left):
                continue
            read: Any = file.read(1, window=whole, masked=True, out_dtype=np.float32)
            known = ~np.ma.getmaskarray(read)
            if not known.any():
                continue
            cells = fillnodata(
                read.filled(file.nodata), known.astype(np.uint8), max_search_distance=REACH
            )
            down, right = top - first[0], left - first[1]
            part = cells[down : down + size[0], right : right + size[1]]
            yield Window(left, top, size[1], size[0]), part


def _touched(file: DatasetReader, top: int, left: int) -> bool:
    """Whether a hole is in a block, or in the cells next to it."""
    first = max(0, top - 1), max(0, left - 1)
    last = min(file.height, top + BLOCK + 1), min(file.width, left + BLOCK + 1)
    window = Window(first[1], first[0], last[1] - first[1], last[0] - first[0])
    return not bool(file.read_masks(1, window=window).all())
