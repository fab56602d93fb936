"""Statements about which tile each building is in: all of a tileset, or the few around a change."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Select,
    TextClause,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
)

from cim.model.platform import tile_member

Ids: TypeAlias = Sequence[int] | Select[tuple[int]]
"""Ids, or the statement that selects them."""

TYPES = {
    "tileset": "text",
    "building_id": "int8",
    "level": "int2",
    "cell": "int8",
    "place": "int8",
    "size": "float8",
    "weight": "int4",
    "vertices": "int4",
    "highest": "int2",
}
"""The columns of platform.tile_member, as they are copied in."""

NUMBERS = {name: kind for name, kind in TYPES.items() if name != "tileset"}
"""Those that are read back."""

_FIELDS = ", ".join(f"m.{name}" for name in NUMBERS)

_HELD = """
    SELECT {fields} FROM platform.tile_member m
    JOIN unnest({levels}, {cells}) k(level, cell)
      ON m.level = k.level AND m.cell = k.cell
    WHERE m.tileset = :name ORDER BY m.level, m.cell, m.building_id"""

_BELOW = """
    SELECT c.cell AS held, m.*
    FROM unnest({cells}) c(cell)
    CROSS JOIN LATERAL (
        SELECT {fields} FROM generate_series(CAST(:level AS int), :loose) l(level)
        CROSS JOIN LATERAL (
            SELECT * FROM platform.tile_member m
            WHERE m.tileset = :name AND m.level = l.level
              AND m.cell >= c.cell << 2 * (l.level - :level)
              AND m.cell < (c.cell + 1) << 2 * (l.level - :level)
            LIMIT :most) m
        LIMIT :most) m"""

_WAITING = """
    SELECT c.cell AS held, m.*
    FROM unnest({cells}) c(cell)
    CROSS JOIN LATERAL (
        SELECT {fields} FROM generate_series(:first, CAST(:level AS int)) h(highest)
        CROSS JOIN LATERAL (
            SELECT * FROM platform.tile_member m
            WHERE m.tileset = :name AND m.highest = h.highest AND m.level > m.highest
              AND m.level > :level
              AND m.place >= c.cell << 2 * (:deepest - :level)
              AND m.place < (c.cell + 1) << 2 * (:deepest - :level)
            ORDER BY m.size DESC, m.building_id LIMIT :most) m) m"""

_MOVE = """
    UPDATE platform.tile_member m SET level = :level, cell = t.cell
    FROM unnest({ids}, {cells}) t(id, cell)
    WHERE m.tileset = :name AND m.building_id = t.id"""

_TAKE = """
    WITH taken AS (DELETE FROM platform.tile_touched WHERE tileset = :name RETURNING building_id)
    SELECT DISTINCT building_id FROM taken"""


def members(name: str) -> Select[Any]:
    """Every member of a tileset, tile by tile."""
    c = tile_member.c
    return (
        select(*(c[column] for column in NUMBERS))
        .where(c.tileset == name)
        .order_by(c.level, c.cell, c.building_id)
    )


def members_of_buildings(name: str, ids: Sequence[int]) -> Select[Any]:
    """What is kept of these buildings."""
    return members(name).where(tile_member.c.building_id == any_of(ids))


def any_of(ids: Ids) -> ColumnElement[int]:
    """`= ANY` of integers, written into the statement: the plan is made for so many.

    What a statement selects is looked for first, and then each of it by the index.
    """
    if isinstance(ids, Select):
        return func.any(func.array(ids.scalar_subquery()), type_=BigInteger)
    return literal_column(f"ANY ({_array(ids)})")


def in_runs(column: ColumnElement[int], ids: Ids) -> ColumnElement[bool]:
    """Whether a column has one of these ids, looked for run by run in an index.

    Buildings side by side mostly came side by side too: a run of ids is one way down the index, and
    the statement is short.  For a join of many rows with others this is not: the plan cannot know
    how many rows a run has.
    """
    if isinstance(ids, Select):
        return column == any_of(ids)
    found = np.unique(np.asarray(ids, np.int64))
    begins = np.flatnonzero(np.diff(found, prepend=found[:1] - 2) != 1)
    ends = np.append(begins[1:], found.size) - 1
    first, last = _array(found[begins].tolist()), _array(found[ends[ends >= 0]].tolist())
    runs = func.unnest(literal_column(first), literal_column(last))
    run = runs.table_valued("first", "last").render_derived(name="run")
    return and_(column >= run.c.first, column <= run.c.last)


def in_tile() -> Select[tuple[int]]:
    """The ids of the buildings in one tile; it takes `name`, `level` and `cell` when it is run."""
    c = tile_member.c
    return select(c.building_id).where(
        c.tileset == bindparam("name", ""),
        c.level == bindparam("level", 0),
        c.cell == bindparam("cell", 0, BigInteger),
    )


def _array(values: Sequence[int], kind: str = "bigint") -> str:
    """Integers as an array.

    >>> _array([1, 2], "smallint")
    "CAST('{1,2}' AS smallint[])"
    """
    return f"CAST('{{{','.join(str(int(value)) for value in values)}}}' AS {kind}[])"


def held(name: str, levels: Sequence[int], cells: Sequence[int]) -> TextClause:
    """The members of these tiles, tile by tile."""
    arrays = {"levels": _array(levels, "smallint"), "cells": _array(cells)}
    return text(_HELD.format(fields=_FIELDS, **arrays)).bindparams(name=name)


def standing(name: str, level: int, cells: Sequence[int]) -> Select[Any]:
    """The members of tiles of one level, with `held`, their cell."""
    c = tile_member.c
    chosen = c.tileset == name, c.level == level, c.cell == any_of(cells)
    return select(c.cell.label("held"), *(c[column] for column in NUMBERS)).where(*chosen)


def below(name: str, level: int, cells: Sequence[int], most: int | None, loose: int) -> TextClause:
    """Of each of these cells the members that stand there or lower, no more than `most` of them."""
    values = {"name": name, "level": level, "most": most, "loose": loose}
    return text(_BELOW.format(fields=_FIELDS, cells=_array(cells))).bindparams(**values)


def waiting(
    name: str, level: int, cells: Sequence[int], most: int, levels: tuple[int, int]
) -> TextClause:
    """Of each of these cells the largest of those that stand lower and might stand there.

    `most` of each of the sizes; `levels` are the highest and the deepest with content.
    """
    first, deepest = levels
    values = {"name": name, "level": level, "most": most, "first": first, "deepest": deepest}
    return text(_WAITING.format(fields=_FIELDS, cells=_array(cells))).bindparams(**values)


def move(name: str, ids: Sequence[int], level: int, cells: Sequence[int]) -> TextClause:
    """Put members into other tiles of one level."""
    arrays = {"ids": _array(ids), "cells": _array(cells)}
    return text(_MOVE.format(**arrays)).bindparams(name=name, level=level)


def count(name: str, most: int) -> Select[Any]:
    """How many members a tileset has, counted no further than `most`."""
    some = select(tile_member.c.level).where(tile_member.c.tileset == name).limit(most).subquery()
    return select(func.count()).select_from(some)


def forget(name: str, ids: Sequence[int] | None = None) -> Delete:
    """Take members away: all of a tileset, or those of these buildings."""
    gone = delete(tile_member).where(tile_member.c.tileset == name)
    return gone if ids is None else gone.where(tile_member.c.building_id == any_of(ids))


def take(name: str) -> TextClause:
    """The buildings touched since this was last asked, NULL for all; their marks are gone then."""
    return text(_TAKE).bindparams(name=name)
