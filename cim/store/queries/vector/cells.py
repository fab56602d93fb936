"""Statements about cells: how many features of a collection lie where, and what they add up to.

A feature is counted in the cell of the middle of its box. Cells are counted block by block anew
where something changed, so they are exact.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.functions import Function

from cim.model.base import SRID
from cim.model.vector import vector_cell
from cim.store.queries.vector.drawing import FINEST, Drawing
from cim.store.queries.vector.matrices import BLOCKS

FINER = FINEST - BLOCKS
"""Steps from the level of blocks to that of cells."""

CELL = 360 / 2**FINEST
"""Degrees of a cell."""


def number(value: float) -> ColumnElement[Any]:
    """A number of ours, written into the statement."""
    return literal_column(repr(value))


def _above(side: ColumnElement[int], steps: int) -> ColumnElement[int]:
    """The column or row so many levels above."""
    return side.op(">>", return_type=Integer())(number(steps))


def _middle(drawing: Drawing) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Column and row of the cell that a feature is counted in."""
    shape = drawing.collection.geometry
    x: ColumnElement[Any]
    y: ColumnElement[Any]
    if drawing.collection.geometry_kind == "Point":
        x, y = func.ST_X(shape), func.ST_Y(shape)
    else:
        x = (func.ST_XMin(shape) + func.ST_XMax(shape)) / number(2.0)
        y = (func.ST_YMin(shape) + func.ST_YMax(shape)) / number(2.0)
    return (
        cast(func.floor((x + number(180.0)) / number(CELL)), Integer),
        cast(func.floor((y + number(90.0)) / number(CELL)), Integer),
    )


def _sums(drawing: Drawing) -> ColumnElement[Any]:
    added = [
        func.coalesce(func.sum(cast(drawing.collection.properties[name].expression, Float)), 0.0)
        for name in drawing.summed
    ]
    return cast(array(added, type_=Float), ARRAY(Float))


def _counted(drawing: Drawing, source: FromClause, *where: ColumnElement[bool]) -> Executable:
    x, y = _middle(drawing)
    here = drawing.collection
    counted = (
        select(literal(here.name), x.label("x"), y.label("y"), func.count(), _sums(drawing))
        .select_from(source)
        .where(here.present, here.geometry.is_not(None), *where)
        .group_by(literal_column("2"), literal_column("3"))
    )
    return insert(vector_cell).from_select(["collection", "x", "y", "count", "sums"], counted)


def forget(drawing: Drawing, blocks: tuple[Sequence[int], Sequence[int]] | None) -> Executable:
    """Let go of the cells of these blocks, or of all."""
    cell = vector_cell.c
    gone = delete(vector_cell).where(cell.collection == drawing.name)
    if blocks is None:
        return gone
    lacking = _lacking(blocks)
    return gone.where(
        tuple_(_above(cell.x, FINER), _above(cell.y, FINER)).in_(select(lacking.c.x, lacking.c.y))
    )


def count(drawing: Drawing, blocks: tuple[Sequence[int], Sequence[int]] | None) -> Executable:
    """Count the features of these blocks, or all."""
    here = drawing.collection
    if blocks is None:
        return _counted(drawing, here.tables)
    lacking = _lacking(blocks)
    side = 360 / 2**BLOCKS
    west = lacking.c.x * number(side) - number(180.0)
    south = lacking.c.y * number(side) - number(90.0)
    area: ColumnElement[Any] = Function(
        "ST_MakeEnvelope", west, south, west + number(side), south + number(side), number(SRID)
    )
    x, y = _middle(drawing)
    there = and_(_above(x, FINER) == lacking.c.x, _above(y, FINER) == lacking.c.y)
    met = here.geometry.op("&&", is_comparison=True)(area)
    return _counted(drawing, lacking.join(here.tables, met), there)


def _lacking(blocks: tuple[Sequence[int], Sequence[int]]) -> FromClause:
    xs, ys = (bindparam(None, list(side), ARRAY(Integer)) for side in blocks)
    return func.unnest(xs, ys).table_valued("x", "y", name="lacking").render_derived()


def within(drawing: Drawing, bounds: tuple[int, int, int, int], finer: int) -> Select[Any]:
    """Cells of a level `finer` steps above the finest that lie in these finest cells.

    `x`, `y`, `count`, and each sum under its property's name.
    """
    cell = vector_cell.c
    west, south, east, north = bounds
    x, y = _above(cell.x, finer), _above(cell.y, finer)
    sums = [func.sum(cell.sums[n + 1]).label(name) for n, name in enumerate(drawing.summed)]
    columns: list[ColumnElement[Any]] = [x.label("x"), y.label("y")]
    columns += [func.sum(cell.count).label("count"), *sums]
    return (
        select(*columns)
        .where(
            cell.collection == drawing.name,
            cell.x.between(west, east),
            cell.y.between(south, north),
        )
        .group_by(literal_column("1"), literal_column("2"))
    )
