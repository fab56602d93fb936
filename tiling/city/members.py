"""Which tile each building is in: worked out for all at once, kept, and put right after changes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from cim.model.platform import tile_member
from cim.store.copy import numbers
from cim.store.incoming import bulk
from cim.store.queries.tiles import manifest
from cim.store.queries.tiles import members as queries
from tiling.city.layers import Layer
from tiling.city.skips import NOWHERE, write_skips
from tiling.formats.tree import (
    CONTENT,
    DEEPEST,
    Integers,
    Key,
    are_largest,
    assign_cells,
    columns_rows,
    fits,
    interleave,
    natural_level,
    runs,
)
from tiling.shapes.mesh import Reason

METRES_A_DEGREE = 111_320.0

LOOSE = DEEPEST + 1
"""The level of a member that has left its tile and has no other yet."""

PART = 50_000
"""Members that are made ready for the database at a time."""

MUCH = 4
"""Where more than one in so many members differs from what is kept, all are written anew."""

SHARE = 1_000
"""Where more than one building in so many was touched, all are placed anew: that is faster."""

EXTENT = {"id": "int8", "west": "float8", "south": "float8", "east": "float8", "north": "float8"}
EXTENT |= {"height": "float8", "corners": "int4", "units": "int4"}

FEW = 100
"""So many are settled one by one whatever the share: placing all reads the city, of which a tileset
may hold little."""

_ROW = np.dtype(
    [("held", "i8")]
    + [(name, "f8" if kind == "float8" else "i8") for name, kind in queries.NUMBERS.items()]
)
COLUMNS = [name for name in queries.NUMBERS if name != "highest"]
INPUTS = ["building_id", "place", "size", "weight", "vertices"]

Table = NDArray[Any]
"""Members as rows of named columns."""


@dataclass(frozen=True)
class Members:
    """Buildings with their tiles, by level, cell and id; all columns are equally long.

    `place` is the Morton code of the centre's cell at DEEPEST, `size` the diagonal in metres,
    `weight` the features, `vertices` what they cost, about.  `lost` are the ids of buildings
    that no tile can hold, as they have no outline or nothing to draw, `why` the Reason of each.
    """

    building_id: Integers
    level: NDArray[Any]
    cell: Integers
    place: Integers
    size: NDArray[np.float64]
    weight: NDArray[Any]
    vertices: NDArray[Any]
    lost: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    why: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        """How many buildings."""
        return self.building_id.size

    def keys(self) -> list[Key]:
        """Their tiles, in order."""
        if not len(self):
            return []
        first = np.diff(self.level, prepend=-1) != 0
        first |= np.diff(self.cell, prepend=-1) != 0
        pairs = zip(self.level[first].tolist(), self.cell[first].tolist(), strict=True)
        return [Key(*pair) for pair in pairs]


def place_all(connection: Connection, layer: Layer) -> Members:
    """The tile of every building of a layer, worked out from the city as it stands."""
    found, lost, why = _extents(connection, layer)
    cost = found["weight"], found["vertices"]
    found["level"], found["cell"] = assign_cells(
        found["place"], found["size"], *cost, layer.capacity
    )
    order = np.lexsort((found["building_id"], found["cell"], found["level"]))
    return Members(lost=lost, why=why, **{name: found.pop(name)[order] for name in COLUMNS})


def keep(connection: Connection, layer: Layer, members: Members) -> None:
    """Write down the members of a layer in place of those that are kept."""
    with bulk.filled(connection, tile_member) as first:
        if first:
            _write(connection, layer, members, frozen=True)
    much = first or _bring_up(connection, layer, members)
    _name_lost(connection, layer, None, (members.lost, members.why))
    if much:
        connection.exec_driver_sql("ANALYZE platform.tile_member")


def _bring_up(connection: Connection, layer: Layer, members: Members) -> bool:
    """Have these members kept, of which some may be already; whether much had to be written."""
    gone, come = _differing(kept(connection, layer), members)
    if max(gone.size, come.size) > len(members) // MUCH:
        connection.execute(queries.forget(layer.name))
        with bulk.rebuilt(connection, tile_member, len(members), keys_too=False):
            _write(connection, layer, members, np.argsort(members.building_id))  # as its key
        return True
    for start in range(0, gone.size, PART):
        connection.execute(queries.forget(layer.name, gone[start : start + PART].tolist()))
    _write(connection, layer, members, come)
    return False


def _differing(before: Members, after: Members) -> tuple[Integers, Integers]:
    """The ids of members that are no more as they were, and the places of those that are new."""
    by_id = np.argsort(before.building_id)
    ids = before.building_id[by_id]
    place = np.searchsorted(ids, after.building_id)
    there = np.flatnonzero(place < ids.size)
    there = there[ids[place[there]] == after.building_id[there]]
    old = by_id[place[there]]
    for name in COLUMNS:
        same = getattr(before, name)[old] == getattr(after, name)[there]
        there, old = there[same], old[same]
    gone = np.delete(before.building_id, old)
    return gone, np.delete(np.arange(len(after)), there)


def members_of(connection: Connection, layer: Layer, keys: Collection[Key]) -> Members:
    """The kept members of these tiles."""
    listed = sorted(keys)
    statement = queries.held(layer.name, [k.level for k in listed], [k.cell for k in listed])
    return _members(numbers.read(connection, statement, queries.NUMBERS))


def kept(connection: Connection, layer: Layer) -> Members:
    """All members that are kept of a layer."""
    return _members(numbers.read(connection, queries.members(layer.name), queries.NUMBERS))


def absorb(connection: Connection, layer: Layer, share: int = SHARE) -> set[Key]:
    """Put the members right that were touched; the tiles whose content may have changed.

    The marks are gone with that.  What is kept then is what `place_all` and `keep` would leave.
    Where more than FEW, and more than one in `share`, were touched, all are placed.
    """
    touched = connection.scalars(queries.take(layer.name)).all()
    if not touched:
        return set()
    ids = np.array([identity for identity in touched if identity is not None], np.int64)
    if None in touched:
        return _all_anew(connection, layer, None)
    many = ids.size * share
    if ids.size > FEW and connection.scalars(queries.count(layer.name, many)).one() < many:
        return _all_anew(connection, layer, ids)
    return _few_anew(connection, layer, ids)


def _all_anew(connection: Connection, layer: Layer, touched: Integers | None) -> set[Key]:
    """Place all; `touched` None for all."""
    before = _table(numbers.read(connection, queries.members(layer.name), queries.NUMBERS))
    members = place_all(connection, layer)
    keep(connection, layer, members)
    after = np.zeros(len(members), _ROW)
    for name in ("building_id", "level", "cell"):
        after[name] = getattr(members, name)
    if touched is not None:
        _, old, new = np.intersect1d(
            before["building_id"], after["building_id"], assume_unique=True, return_indices=True
        )
        same = (before["level"][old] == after["level"][new]) & (
            before["cell"][old] == after["cell"][new]
        )
        same &= ~np.isin(before["building_id"][old], touched)
        before, after = np.delete(before, old[same]), np.delete(after, new[same])
    return _keys(before) | _keys(after)


def _few_anew(connection: Connection, layer: Layer, ids: Integers) -> set[Key]:
    """Place these buildings, and settle those around them."""
    statement = queries.members_of_buildings(layer.name, ids.tolist())
    old = _table(numbers.read(connection, statement, queries.NUMBERS))
    inputs, *lost = _extents(connection, layer, ids.tolist())
    _name_lost(connection, layer, ids.tolist(), lost)
    now = np.zeros(len(inputs["building_id"]), _ROW)
    for name, values in inputs.items():
        now[name] = values
    stays = set(old[INPUTS].tolist()) & set(now[INPUTS].tolist())
    fresh = np.array([row not in stays for row in now[INPUTS].tolist()], bool)
    left = old[np.array([row not in stays for row in old[INPUTS].tolist()], bool)]
    if left.size:
        connection.execute(queries.forget(layer.name, left["building_id"].tolist()))
    loose = {name: values[fresh] for name, values in inputs.items()}
    level = np.full(int(fresh.sum()), LOOSE)
    _write(connection, layer, Members(level=level, cell=loose["place"] << 2, **loose))
    places = dict(zip(loose["building_id"].tolist(), loose["place"].tolist(), strict=True))
    return _keys(old) | _Settling(connection, layer).run(left, places)


class _Settling:
    """Goes down the tree from the top, and puts right every cell that something left or reached.

    What a cell keeps follows from what reaches it; so a cell is looked at where that has changed,
    and who comes to stay there, or goes, changes what reaches the cells below.
    """

    def __init__(self, connection: Connection, layer: Layer) -> None:
        self.connection, self.layer = connection, layer
        self.dirty: set[Key] = set()
        self.loose: dict[int, int] = {}
        self.paths: list[tuple[int, int]] = []

    def run(self, left: Table, loose: dict[int, int]) -> set[Key]:
        """Settle loose members, place by id; `left` is what was taken away."""
        self.loose = loose
        self._leave(left)
        whole: set[int] = set()
        for level in range(CONTENT, DEEPEST + 1):
            whole = {cell << 2 | quarter for cell in whole for quarter in range(4)}
            shift = 2 * (DEEPEST - level)
            cells = {place >> shift for place in self.loose.values()}
            cells |= {place >> shift for place, deepest in self.paths if deepest >= level}
            if cells - whole:
                whole |= self._settle(level, sorted(cells - whole))
        return self.dirty

    def _leave(self, rows: Table) -> None:
        """Members have left their tiles: fewer reach the cells on their way there."""
        self.dirty |= _keys(rows)
        self.paths += zip(rows["place"].tolist(), rows["level"].tolist(), strict=True)

    def _settle(self, level: int, cells: list[int]) -> set[int]:
        """Decide who stays in these cells; those of them that keep all that reaches them."""
        capacity = self.layer.capacity
        found, whole = np.empty(0, _ROW), set(cells)
        if level >= capacity.highest_leaf:
            most = capacity.leaf + 1 if level < DEEPEST else None
            found = self._rows(queries.below(self.layer.name, level, cells, most, LOOSE))
            found.sort(order="held")
        if level < DEEPEST:
            group = runs(found["held"])
            fit = fits(group, found["weight"], found["vertices"], capacity.leaf)[group]
            full = set(found["held"][~fit].tolist())
            whole = set(cells) - full if level >= capacity.highest_leaf else set()
            found = found[fit]
        self._move(level, found, np.empty(0, _ROW))
        if len(whole) < len(cells):
            self._move(level, *self._largest(level, sorted(set(cells) - whole)))
        return whole

    def _largest(self, level: int, cells: list[int]) -> tuple[Table, Table]:
        """Who stays in cells that cannot keep all, and who stood there."""
        most = self.layer.capacity.inner
        stood = self._rows(queries.standing(self.layer.name, level, cells))
        if not most:
            return stood[:0], stood
        reach = (CONTENT, DEEPEST)
        waits = self._rows(queries.waiting(self.layer.name, level, cells, most, reach))
        rows = np.concatenate([stood[stood["highest"] <= level], waits])
        rows.sort(order="held")
        group, ids, size = runs(rows["held"]), rows["building_id"], rows["size"]
        allowed = np.ones(rows.size, bool)
        return rows[are_largest(group, ids, size, rows["vertices"], allowed, most)], stood

    def _move(self, level: int, stay: Table, stood: Table) -> None:
        """Write who came to stay, and let go who stood there and may not stay."""
        come = stay[stay["level"] != level]
        go = stood[~np.isin(stood["building_id"], stay["building_id"])]
        for rows in (come, go):
            self.dirty |= {Key(level, cell) for cell in rows["held"].tolist()}
        self._leave(come[come["level"] != LOOSE])
        for identity in come["building_id"].tolist():
            self.loose.pop(identity, None)
        self.loose |= zip(go["building_id"].tolist(), go["place"].tolist(), strict=True)
        self._put(come, level, come["held"])
        self._put(go, LOOSE, go["place"] << 2)

    def _put(self, rows: Table, level: int, cells: Integers) -> None:
        if rows.size:
            ids = rows["building_id"].tolist()
            self.connection.execute(queries.move(self.layer.name, ids, level, cells.tolist()))

    def _rows(self, statement: Any) -> Table:
        found = numbers.read(self.connection, statement, {"held": "int8", **queries.NUMBERS})
        return _table(found)


def _extents(
    connection: Connection, layer: Layer, ids: list[int] | None = None
) -> tuple[dict[str, NDArray[Any]], Integers, Integers]:
    """What decides on the tiles of the layer's buildings, by id; those of no tile, and why."""
    found = numbers.read(connection, layer.extents(ids), EXTENT)
    if (np.diff(found["id"]) <= 0).any():
        order = np.argsort(found["id"])
        found = {name: values[order] for name, values in found.items()}
    placed = np.isfinite(found["west"]) & (found["units"] > 0)
    lost, bare = found["id"][~placed], found["units"][~placed] == 0
    if lost.size:
        found = {name: values[placed] for name, values in found.items()}
    longitude, latitude = (found["west"] + found["east"]) / 2, (found["south"] + found["north"]) / 2
    inputs = {
        "building_id": found["id"],
        "place": interleave(*columns_rows(longitude, latitude, DEEPEST)),
        "size": _diagonals(found),
        "weight": found["units"],
        "vertices": found["corners"] * np.int32(layer.corner_vertices),
    }
    return inputs, lost, np.where(bare, int(Reason.NO_STOREYS), int(Reason.NO_OUTLINE))


def _diagonals(found: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Size of each building in metres: the diagonal of its box and height."""
    north = (found["north"] - found["south"]) * METRES_A_DEGREE
    narrow = np.cos(np.radians(found["south"]))
    east = (found["east"] - found["west"]) * METRES_A_DEGREE * narrow
    size: NDArray[np.float64] = np.sqrt(north**2 + east**2 + found["height"] ** 2)
    return size


def _write(
    connection: Connection,
    layer: Layer,
    members: Members,
    order: Integers | None = None,
    *,
    frozen: bool = False,
) -> None:
    """Append members, in this order or in their own, a part at a time."""

    def part(places: "slice | Integers") -> dict[str, Any]:
        rows = {name: getattr(members, name)[places] for name in COLUMNS}
        inner = layer.capacity.inner
        rows["highest"] = (
            natural_level(rows["size"]) if inner else np.full(rows["size"].size, DEEPEST)
        )
        return {"tileset": layer.name, **rows}

    count = len(members) if order is None else order.size
    places = (slice(start, start + PART) for start in range(0, count, PART))
    batches = (part(place if order is None else order[place]) for place in places)
    numbers.write(connection, tile_member.fullname, batches, queries.TYPES, frozen=frozen)


def _name_lost(
    connection: Connection, layer: Layer, ids: list[int] | None, lost: Sequence[Integers]
) -> None:
    """Name the buildings of no tile among these, or all; `lost` are their ids and the reasons."""
    connection.execute(manifest.forget_lost(layer.name, ids))
    pairs = zip(*(values.tolist() for values in lost), strict=True)
    skips = [(NOWHERE, identity, reason) for identity, reason in pairs]
    if skips:
        write_skips(connection, layer, skips)


def _members(found: Mapping[str, NDArray[Any]]) -> Members:
    return Members(**{name: found[name] for name in COLUMNS})


def _table(found: Mapping[str, NDArray[Any]]) -> Table:
    rows = np.zeros(len(found["building_id"]), _ROW)
    for name, values in found.items():
        rows[name] = values
    return rows


def _keys(rows: Table) -> set[Key]:
    return {Key(*pair) for pair in rows[["level", "cell"]].tolist()}
