"""Statements about the tiles of a tileset: which there are, which are to be built, what is in them.

A tile's state: PUBLISHED; BUILT since, its file stands in the version in the making; or DIRTY.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Integer,
    Select,
    TextClause,
    Update,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)

from cim.model.platform import tile, tile_skip, tile_touched, tileset

PUBLISHED, BUILT, DIRTY = 0, 1, 2

NUMBERS = {"level": "int2", "cell": "int8", "state": "int2", "size": "int4", "packed": "int4"}
NUMBERS |= {"features": "int4", "west": "float8", "south": "float8", "east": "float8"}
NUMBERS |= {"north": "float8", "low": "float8", "high": "float8"}
"""The columns of `tiles`, as they are read."""

_MARK = """
    INSERT INTO platform.tile (tileset, level, cell, state)
    SELECT :name, k.level, k.cell, :state
    FROM unnest(CAST(:levels AS smallint[]), CAST(:cells AS bigint[])) k(level, cell)
    ON CONFLICT (tileset, level, cell) DO UPDATE SET state = excluded.state"""

_DONE = """
    UPDATE platform.tile t
    SET state = :state, digest = d.digest, size = d.size, packed = d.packed,
        features = d.features, region = ARRAY[d.west, d.south, d.east, d.north, d.low, d.high]
    FROM unnest(CAST(:level AS smallint[]), CAST(:cell AS bigint[]), CAST(:digest AS bytea[]),
                CAST(:size AS int[]), CAST(:packed AS int[]), CAST(:features AS int[]),
                CAST(:west AS float8[]), CAST(:south AS float8[]), CAST(:east AS float8[]),
                CAST(:north AS float8[]), CAST(:low AS float8[]), CAST(:high AS float8[]))
         d(level, cell, digest, size, packed, features, west, south, east, north, low, high)
    WHERE t.tileset = :name AND t.level = d.level AND t.cell = d.cell"""

_FORGET_SKIPS = """
    DELETE FROM platform.tile_skip s
    USING unnest(CAST(:levels AS smallint[]), CAST(:cells AS bigint[])) k(level, cell)
    WHERE s.tileset = :name AND s.level = k.level AND s.cell = k.cell"""

_SUM = """
    SELECT sha256(coalesce(string_agg(
        convert_to(level || '/' || cell || ':', 'UTF8') || digest, ''::bytea ORDER BY level, cell
    ), ''::bytea)) FROM platform.tile WHERE tileset = :name"""

SKIP_TYPES = {"tileset": "text", "object_id": "int8", "reason_en": "text", "reason_zh": "text"}
SKIP_TYPES |= {"level": "int2", "cell": "int8", "drawn": "bool"}
"""The columns of platform.tile_skip, as they are copied in."""

LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('tileset ' || :name, 0))")
"""The lock of a tileset, kept until the connection ends: one run at a time on any machine."""

UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended('tileset ' || :name, 0))")

SNAPSHOT = text("SELECT pg_export_snapshot()")
"""The name under which others may see the city as this transaction does."""


def see(snapshot: str) -> str:
    """Let a transaction that has just begun see the city as another one does."""
    return f"SET TRANSACTION SNAPSHOT '{snapshot}'"


def mark(name: str, levels: Sequence[int], cells: Sequence[int]) -> TextClause:
    """These tiles are to be built, whether they were there or not."""
    values = {"levels": list(levels), "cells": list(cells)}
    return text(_MARK).bindparams(name=name, state=DIRTY, **values)


def mark_all(name: str, states: Sequence[int] = (PUBLISHED, BUILT)) -> Update:
    """All tiles in these states are to be built."""
    return update(tile).where(tile.c.tileset == name, tile.c.state.in_(states)).values(state=DIRTY)


def done(name: str, rows: dict[str, list[Any]]) -> TextClause:
    """These tiles are built; `rows` has a list for each of their columns."""
    return text(_DONE).bindparams(name=name, state=BUILT, **rows)


def states(name: str) -> Select[Any]:
    """The states that tiles are in."""
    return select(tile.c.state).where(tile.c.tileset == name).distinct()


def open_tiles(name: str) -> Select[Any]:
    """How many tiles are not published as they are."""
    return select(func.count()).where(tile.c.tileset == name, tile.c.state != PUBLISHED)


def keys(name: str, state: int) -> Select[Any]:
    """Level and cell of the tiles in a state, in order."""
    return (
        select(tile.c.level, tile.c.cell)
        .where(tile.c.tileset == name, tile.c.state == state)
        .order_by(tile.c.level, tile.c.cell)
    )


def built(name: str) -> Select[Any]:
    """Level, cell and digest of the tiles in the making, but the empty ones."""
    c = tile.c
    return select(c.level, c.cell, c.digest).where(
        c.tileset == name, c.state == BUILT, c.features > 0
    )


def empty(name: str) -> Select[Any]:
    """Level and cell of the tiles that are no more: nothing is in them, or nothing to be drawn."""
    return select(tile.c.level, tile.c.cell).where(tile.c.tileset == name, _gone())


def drop_empty(name: str) -> Delete:
    """Take the tiles away that are no more."""
    return delete(tile).where(tile.c.tileset == name, _gone())


def _gone() -> Any:
    return or_(tile.c.state == DIRTY, tile.c.features == 0)


def settle(name: str) -> Update:
    """What is built is published."""
    return update(tile).where(tile.c.tileset == name, tile.c.state == BUILT).values(state=PUBLISHED)


def tiles(name: str) -> Select[Any]:
    """Every tile with what is known of it, in order."""
    c = tile.c
    sides: list[ColumnElement[float]] = [
        literal_column(f"region[{n + 1}]").label(side)
        for n, side in enumerate(("west", "south", "east", "north", "low", "high"))
    ]
    return (
        select(c.level, c.cell, c.state, c.size, c.packed, c.features, *sides)
        .where(c.tileset == name)
        .order_by(c.level, c.cell)
    )


def digest(name: str) -> TextClause:
    """A digest over all tiles and theirs."""
    return text(_SUM).bindparams(name=name)


def forget_skips(name: str, levels: Sequence[int], cells: Sequence[int]) -> TextClause:
    """Forget what these tiles left out."""
    return text(_FORGET_SKIPS).bindparams(name=name, levels=list(levels), cells=list(cells))


def forget_all_skips(name: str) -> Delete:
    """Forget what a tileset left out."""
    return delete(tile_skip).where(tile_skip.c.tileset == name)


def forget_lost(name: str, ids: Sequence[int] | None) -> Delete:
    """Forget that these buildings, or any, could not be put into a tile."""
    gone = delete(tile_skip).where(tile_skip.c.tileset == name, tile_skip.c.level < 0)
    return gone if ids is None else gone.where(tile_skip.c.object_id.in_(ids))


def skips(name: str) -> Select[Any]:
    """How many features are left out for each reason."""
    return (
        select(tile_skip.c.reason_en, tile_skip.c.reason_zh, func.count())
        .where(tile_skip.c.tileset == name)
        .group_by(tile_skip.c.reason_en, tile_skip.c.reason_zh)
        .order_by(func.count().desc(), tile_skip.c.reason_en)
    )


def recorded(name: str) -> Select[Any]:
    """A tileset as it was last published."""
    return select(tileset).where(tileset.c.name == name)


def names() -> Select[Any]:
    """The tilesets that were built."""
    return select(tileset.c.name).order_by(tileset.c.name)


def touched() -> Select[Any]:
    """The tilesets of which something was touched."""
    return select(tileset.c.name).where(
        select(literal_column("1", Integer))
        .where(tile_touched.c.tileset == tileset.c.name)
        .exists()
    )


def touched_most(name: str, many: int) -> TextClause:
    """Whether all of a tileset was touched, or more than so many."""
    statement = """
        SELECT count(*) > :many OR bool_or(building_id IS NULL) FROM (
            SELECT building_id FROM platform.tile_touched WHERE tileset = :name
            LIMIT :many + 1) t"""
    return text(statement).bindparams(name=name, many=many)


def one() -> Select[Any]:
    """A tile that holds something: its digest, its state, and the tileset's version.

    It takes `name`, `level` and `cell` when it is run.
    """
    c = tile.c
    return (
        select(c.digest, c.state, tileset.c.version)
        .join(tileset, tileset.c.name == c.tileset)
        .where(c.tileset == bindparam("name"), c.level == bindparam("level"))
        .where(c.cell == bindparam("cell"), c.features > 0)
    )
