"""One tile: from its rows to its bytes, with nothing but arrays between."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.geometry.wkb import Blobs
from tiling import gltf, tiles3d
from tiling.layers import Layer
from tiling.mesh import Reason, prisms
from tiling.metadata import Table
from tiling.subtree import Region
from tiling.tree import Key

Rows = Mapping[str, Any]
"""Columns of equal length: id, outline (WKB), bottom, top (m in the height datum), shift (m up to
the ellipsoid), and the layer's properties."""


@dataclass(frozen=True)
class Tile:
    """One tile as built: its bytes (empty where no feature had a mesh), region and features.

    `skipped` are ids left out, each with its Reason.
    """

    content: bytes
    region: Region
    features: int
    skipped: tuple[tuple[int, int], ...]


def build_tile(layer: Layer, table: Table, key: Key, rows: Rows) -> Tile:
    """The tile of a key from its rows: pure, and the same bytes in whatever order they come."""
    order = np.lexsort((np.asarray(rows["bottom"], float), np.asarray(rows["id"])))
    rows = {name: _take(values, order) for name, values in rows.items()}
    bottom = np.asarray(rows["bottom"], float) + rows["shift"]
    top = np.asarray(rows["top"], float) + rows["shift"]
    made = prisms(rows["outline"], bottom, top, tiles3d.frame(key), closed=layer.closed)
    fine = np.flatnonzero(made.reasons == Reason.FINE)
    ids = np.asarray(rows["id"])[fine]
    wrong = np.flatnonzero((made.reasons != Reason.FINE) & ~np.isin(rows["id"], ids))
    skipped = tuple({int(rows["id"][row]): int(made.reasons[row]) for row in wrong}.items())
    if not fine.size:
        return Tile(b"", made.region, 0, skipped)
    # A unit on several storeys is a feature on each, so that storeys can be shown alone.
    kept = {item.id: _take(rows[item.id], fine) for item in layer.properties}
    content = gltf.write(
        made.mesh, table, table.columns(kept), label=layer.label, colour=layer.colour
    )
    return Tile(content, made.region, ids.size, skipped)


def _take(values: Any, places: NDArray[np.int64]) -> Any:
    if isinstance(values, np.ndarray | Blobs):
        return values[places]
    return [values[place] for place in places.tolist()]
