"""Statements about kept tiles: found while they are true, kept, and cleared when they are not.

A tile says which transactions it shows (its snapshot); whoever changes what tiles show says in the
same transaction where (`vector_touched`). A tile is true unless a change where it lies is not in
its snapshot. So a change is seen with its commit, by every process, whoever is at work.

Once a sweep has cleared what is stale it forgets the changes. A tile that was begun before a sweep
is not kept after it: nobody would know any more what it lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    LargeBinary,
    Select,
    Text,
    TextClause,
    and_,
    cast,
    delete,
    exists,
    func,
    literal,
    literal_column,
    not_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.base import Executable, ReadOnlyColumnCollection

from cim.model.vector import Native, vector_state, vector_tile, vector_touched
from cim.store.queries.ready import Asked, Ready
from cim.store.queries.vector.drawing import DRAWINGS
from cim.store.queries.vector.matrices import MatrixSet, blocks

KEPT = [name for name, each in DRAWINGS.items() if each.kept]
"""Collections whose tiles are kept."""

SNAPSHOT = Native("pg_snapshot")
NOW: ColumnElement[str] = cast(func.pg_current_snapshot(), Text)
"""The snapshot of the statement, as a text."""

SERVER: Select[Any] = select(
    cast(literal_column("system_identifier"), Text)
).select_from(func.pg_control_system())  # fmt: skip
"""What tells one server's data folder from another's: transactions are numbered anew in each."""


@dataclass(frozen=True)
class Place:
    """One tile of one set."""

    matrices: MatrixSet
    z: int
    x: int
    y: int

    @property
    def zoom(self) -> int:
        """The zoom it is drawn at."""
        return self.matrices.zoom(self.z)

    @property
    def key(self) -> dict[str, Any]:
        """What it is kept under; sets that differ in numbers alone share their tiles."""
        own = self.matrices
        level = self.z - own.first if own.kept_as else self.z
        return {"matrices": own.kept_as or own.name, "z": level, "x": self.x, "y": self.y}

    @property
    def blocks(self) -> tuple[int, int, int, int]:
        """The blocks of the world that it shows something of."""
        return blocks(self.matrices.degrees(self.z, self.x, self.y))


Columns: TypeAlias = ReadOnlyColumnCollection[str, Any]


def _missed(change: Columns, snapshot: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a change is not shown by what has this snapshot."""
    return not_(func.pg_visible_in_snapshot(change.xid, snapshot))


def _over(tile: Columns, change: Columns) -> ColumnElement[bool]:
    """Whether a change lies where a tile does."""
    return and_(
        change.west <= tile.east,
        change.east >= tile.west,
        change.south <= tile.north,
        change.north >= tile.south,
    )


_FIND: Final = """
    SELECT t.collection, t.data, t.etag FROM platform.vector_tile t
    WHERE t.collection = ANY (:names) AND t.matrices = :matrices
      AND t.z = :z AND t.x = :x AND t.y = :y AND t.program = :program
      AND NOT EXISTS (
          SELECT FROM platform.vector_touched c
          WHERE c.collection = t.collection
            AND c.west <= t.east AND c.east >= t.west
            AND c.south <= t.north AND c.north >= t.south
            AND NOT pg_visible_in_snapshot(c.xid, t.snapshot))"""

_READY: Final = Ready(
    _FIND, names="text[]", matrices="text", z="smallint", x="int", y="int", program="text"
)


def find(names: Sequence[str], place: Place, program: str) -> Asked:
    """Kept tiles of these collections at a place that are true: `collection`, `data`, `etag`."""
    return _READY(names=list(names), program=program, **place.key)


def find_one(name: str, place: Place, program: str) -> TextClause:
    """The same of one collection, for commands."""
    return text(_FIND).bindparams(names=[name], program=program, **place.key)


def keep(
    name: str, place: Place, *, program: str, snapshot: str, sweeps: int, etag: str, data: bytes
) -> Executable:
    """Keep a tile, unless there was a sweep since it was begun.

    One that shows nothing is kept only where another collection has a tile: there are more empty
    places in the world than there is room.
    """
    held = select(vector_state.c.collection).where(
        vector_state.c.collection == name, vector_state.c.sweeps == sweeps
    )
    if not data:
        tile = vector_tile.c
        here = [tile[column] == value for column, value in place.key.items()]
        held = held.where(
            exists().where(tile.collection.in_(KEPT), *here, func.length(tile.data) > 0)
        )
    state = held.with_for_update(read=True).cte("state")
    values = {
        **{name_: literal(value, vector_tile.c[name_].type) for name_, value in place.key.items()},
        "program": literal(program, Text),
        "snapshot": cast(literal(snapshot, Text), SNAPSHOT),
        "etag": literal(etag, Text),
        "data": literal(data, LargeBinary),
        **dict(zip(("west", "south", "east", "north"), map(literal, place.blocks), strict=True)),
    }
    made = postgresql.insert(vector_tile).from_select(
        ["collection", *values], select(state.c.collection, *values.values())
    )
    changed = {column: made.excluded[column] for column in ("program", "snapshot", "etag", "data")}
    return made.on_conflict_do_update(
        index_elements=list(vector_tile.primary_key.columns), set_=changed
    )


def finish(name: str, snapshot: str, *, cells: bool) -> Executable:
    """Write down that a collection was swept, and by what snapshot its cells are counted."""
    done = update(vector_state).where(vector_state.c.collection == name)
    done = done.values(sweeps=vector_state.c.sweeps + 1)
    return done.values(counted=cast(literal(snapshot, Text), SNAPSHOT)) if cells else done


def forget(names: Sequence[str]) -> Executable:
    """Let go of every kept tile of these collections."""
    return delete(vector_tile).where(vector_tile.c.collection.in_(names))


def begin(name: str) -> Executable:
    """Have a row for the state of a collection."""
    return postgresql.insert(vector_state).values(collection=name).on_conflict_do_nothing()


def state(name: str) -> Select[Any]:
    """How far a collection is: `sweeps`, NULL before the first, whether it is `counted`; `told`."""
    known = select(vector_state).where(vector_state.c.collection == name).subquery("known")
    told = (
        select(func.count().label("told"))
        .where(vector_touched.c.collection == name)
        .subquery("changes")
    )
    return select(
        known.c.sweeps, known.c.counted.is_not(None).label("counted"), told.c.told
    ).select_from(told.outerjoin(known, true()))


def lock(name: str) -> Select[Any]:
    """The state of a collection, `sweeps` and `counted`, for this transaction alone."""
    return (
        select(vector_state.c.sweeps, cast(vector_state.c.counted, Text).label("counted"))
        .where(vector_state.c.collection == name)
        .with_for_update()
    )


def sweep(name: str, counted: str | None, most: int) -> Select[Any]:
    """Clear the stale tiles of a collection and forget its changes, while its state is locked.

    One row: `snapshot`, which shows every change that is forgotten, and `xs` and `ys`, the blocks
    that cells counted by `counted` lack; where they are more than `most`, `many` is true.
    """
    gone = (
        delete(vector_touched)
        .where(vector_touched.c.collection == name)
        .returning(*vector_touched.c)
        .cte("gone")
    )
    tile, change = vector_tile.c, gone.c
    cleared = (
        delete(vector_tile)
        .where(
            tile.collection == name,
            exists().where(_over(tile, change), _missed(change, tile.snapshot)),
        )
        .returning(tile.z)
        .cte("cleared")
    )
    behind: ColumnElement[bool] = true()
    if counted is not None:
        behind = _missed(change, cast(literal(counted, Text), SNAPSHOT))
    size = (change.east - change.west + 1) * (change.north - change.south + 1)
    many = select(func.coalesce(func.sum(cast(size, BigInteger)), 0) > most).where(behind)
    xs = func.generate_series(change.west, change.east).table_valued("x").render_derived()
    ys = func.generate_series(change.south, change.north).table_valued("y").render_derived()
    lacking = (
        select(xs.c.x, ys.c.y)
        .select_from(gone.join(xs, true()).join(ys, true()))
        .where(behind, not_(many.scalar_subquery()))
        .distinct()
        .subquery("lacking")
    )
    return select(
        NOW.label("snapshot"),
        many.scalar_subquery().label("many"),
        func.array_agg(lacking.c.x).label("xs"),
        func.array_agg(lacking.c.y).label("ys"),
        select(func.count()).select_from(cleared).scalar_subquery().label("cleared"),
    )
