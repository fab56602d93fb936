"""One tile: from its rows to its bytes, with nothing but arrays between."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.city.layers import Layer
from tiling.city.rows import Rows, take
from tiling.formats import gltf, tiles3d
from tiling.formats.gltf import FeatureSet
from tiling.formats.metadata import Table
from tiling.formats.subtree import Region
from tiling.formats.tree import Key
from tiling.shapes.mesh import Reason
from tiling.shapes.solids import drawn


@dataclass(frozen=True)
class Tile:
    """One tile as built: its bytes (empty where no feature had a mesh), region and features.

    `skipped` are ids left out, each with its Reason; those whose reason is `drawn` are in the tile
    as prisms, though they have a solid.
    """

    content: bytes
    region: Region
    features: int
    skipped: tuple[tuple[int, int], ...]


def build_tile(layer: Layer, table: Table, key: Key, rows: Rows) -> Tile:
    """The tile of a key from its rows: pure, and the same bytes in whatever order they come."""
    keys = [np.asarray(rows[name]) for name in (*layer.order, "bottom", "top")]
    if not (np.diff(keys[0]) > 0).all():
        order = np.lexsort(keys[::-1])
        rows = {name: take(values, order) for name, values in rows.items()}
    bottom = np.asarray(rows["bottom"], float) + rows["shift"]
    top = np.asarray(rows["top"], float) + rows["shift"]
    ends = (bottom, top)
    made, unsolid = drawn(rows, ends, tiles3d.place(key), layer.owner, closed=layer.closed)
    fine = np.flatnonzero(made.reasons == Reason.FINE)
    ids = np.asarray(rows["id"])[fine]
    wrong = np.flatnonzero(made.reasons != Reason.FINE)
    wrong = wrong[~np.isin(np.asarray(rows["id"])[wrong], ids)]
    named = {int(rows["id"][row]): int(made.reasons[row]) for row in wrong}
    for row in fine[unsolid[fine] > Reason.NO_SOLID].tolist():
        named[int(rows["id"][row])] = int(unsolid[row])
    skipped = tuple(named.items())
    if not fine.size:
        return Tile(b"", made.region, 0, skipped)
    # A unit on several storeys is a feature on each, so that storeys can be shown alone.
    sets = [FeatureSet(table, table.columns(_rows(table, rows, fine)), fine.size)]
    for item in layer.above:
        _, first, of = np.unique(
            np.asarray(rows[item.key])[fine], return_index=True, return_inverse=True
        )
        found = replace(table, of=item.of)
        columns = found.columns(_rows(found, rows, fine[first]))
        sets.append(FeatureSet(found, columns, first.size, of.astype(np.int32)))
    content = gltf.write(made.mesh, sets, tiles3d.node(key), layer.colour, outlined=layer.outlined)
    return Tile(content, made.region, ids.size, skipped)


def _rows(table: Table, rows: Rows, places: NDArray[np.int64]) -> dict[str, Any]:
    """The columns that a table is made of, at some places."""
    names = {item.column or item.id for item in table.of.properties}
    if places.size == len(rows["id"]) and (np.diff(places) > 0).all():
        return {name: rows[name] for name in names}
    return {name: take(rows[name], places) for name in names}
