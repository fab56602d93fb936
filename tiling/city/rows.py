"""From what the database says of some buildings to the rows of their tiles."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cim.geometry.wkb import Blobs
from cim.store.copy.labels import Labels

Integers = NDArray[np.int64]

Rows: TypeAlias = Mapping[str, Any]
"""Columns of equal length: id, outline (WKB), bottom, top (m in the height datum), shift (m up to
the ellipsoid), and the layer's properties.  There may be `solid` (WKB of surfaces, z in the height
datum, or None): it is drawn in place of the prism, as it is where `mesh` is True."""


Pieces: TypeAlias = Mapping[str, dict[str, Any]]
"""What was read, by the names of cim.store.queries.tiles.rows."""


def take(values: Any, places: NDArray[Any]) -> Any:
    """The values of a column at some places, given by number or marked true."""
    if isinstance(values, np.ndarray | Blobs | Labels):
        return values[places]
    places = np.flatnonzero(places) if places.dtype == bool else places
    return list(map(values.__getitem__, places.tolist()))


def buildings(pieces: Pieces) -> dict[str, Any]:
    """Buildings are read as they are drawn, and the solids that some have stand beside them."""
    rows, solids = pieces["features"], pieces["solids"]
    if not len(solids["id"]):
        return rows
    place = _places(solids["id"], rows["id"])
    mesh = np.asarray(solids["mesh"], bool)[np.maximum(place, 0)] & (place >= 0)
    return rows | {"solid": _first((solids["solid"], place)), "mesh": mesh}


def units(pieces: Pieces) -> dict[str, Any]:
    """Units on their storeys, a row each; a unit on several storeys has a row on each.

    What a unit has not itself it has from its slot, its storey's plan or its building.
    """
    of, parts = pieces["buildings"], pieces["parts"]
    own = pieces["features"]
    rows = {name: _joined(own[name], parts[name]) for name in own}
    further = np.arange(len(rows["id"])) >= len(own["id"])
    storey, building = (
        _places(pieces["storeys"]["id"], rows["storey_id"]),
        _places(of["id"], rows["building_id"]),
    )
    kept = (storey >= 0) & (building >= 0)  # else the storey ended, or the building goes
    rows = {name: take(values, kept) for name, values in rows.items()}
    storey, building, further = storey[kept], building[kept], further[kept]
    slot = _places(pieces["slots"]["id"], rows.pop("slot_id"))
    slot[further] = -1
    plan = _places(pieces["plans"]["id"], pieces["storeys"]["plan_id"][storey])
    ground = of["ground"][building]
    for end in ("bottom", "top"):
        given = rows[end]
        usual = pieces["storeys"][end][storey]
        rows[end] = ground + np.where(np.isnan(given), usual, given)
    rows["outline"] = _first(
        (rows["outline"], np.arange(slot.size)),
        (pieces["slots"]["outline"], slot),
        (pieces["plans"]["outline"], plan),
        (of["outline"], building),
    )
    rows["storey_no"] = pieces["storeys"]["no"][storey]
    return rows | {name: of[name][building] for name in ("longitude", "latitude")}


def storeys(pieces: Pieces) -> dict[str, Any]:
    """Storeys, each with the outline of its plan or its building, and what its units are."""
    of, rows = pieces["buildings"], pieces["features"]
    building = _places(of["id"], rows["building_id"])
    kept = building >= 0  # else the building goes
    rows = {name: take(values, kept) for name, values in rows.items()}
    building = building[kept]
    plan = _places(pieces["plans"]["id"], rows.pop("plan_id"))
    kind = _places(pieces["kinds"]["id"], rows["id"]).tolist()
    for end in ("bottom", "top"):
        rows[end] = of["ground"][building] + rows[end]
    rows["outline"] = _first((pieces["plans"]["outline"], plan), (of["outline"], building))
    rows["kind"] = [pieces["kinds"]["kind"][place] if place >= 0 else None for place in kind]
    return rows | {name: take(of[name], building) for name in ("use", "longitude", "latitude")}


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, Blobs):
        return Blobs.joined([first, second])
    if isinstance(first, Labels):
        return Labels.joined([first, second])
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    return [*first, *second]


def _places(ids: Integers, wanted: Integers) -> Integers:
    """Where each wanted id is among the ids, -1 where it is not.

    >>> _places(np.array([7, 3]), np.array([3, 5, 7])).tolist(), _places(np.array([]), np.ones(1))
    ([1, -1, 0], array([-1]))
    """
    if not ids.size:
        return np.full(wanted.size, -1)
    order = np.argsort(ids)
    found = order[np.searchsorted(ids, wanted, sorter=order).clip(max=ids.size - 1)]
    return np.where(ids[found] == wanted, found, -1)


def _first(*choices: tuple[Blobs, Integers]) -> Blobs:
    """For every row the first choice that is there: a place in its Blobs, -1 for none."""
    pool = Blobs.joined([blobs for blobs, _ in choices])
    count = choices[0][1].size
    starts, ends = np.zeros(count, np.int64), np.full(count, -1)
    before = np.cumsum([0, *(len(blobs) for blobs, _ in choices)])
    for (blobs, places), shift in zip(choices, before, strict=False):
        if not len(blobs):
            continue
        at = shift + np.maximum(places, 0)
        chosen = (ends < starts) & (places >= 0) & (pool.ends[at] >= pool.starts[at])
        starts[chosen], ends[chosen] = pool.starts[at][chosen], pool.ends[at][chosen]
    return Blobs(pool.data, starts, ends)
