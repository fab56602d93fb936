"""Parts of the city as tilesets of their own: what they may be named by, and their records."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Delete,
    Select,
    Table,
    any_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
)

from cim.model.places import admin_area, estate, grid
from cim.model.platform import tile, tile_member, tile_skip, tile_touched, tileset
from cim.store.queries.tiles.which import PLACES

KEPT = (tile, tile_member, tile_skip, tile_touched)
"""The tables that say what is in a tileset, by its name in column `tileset`."""


def called(name: str, code: str | None) -> CompoundSelect[Any]:
    """Areas, grids and estates of a name or code: of, id, code, name, drawn and rank, by rank.

    `code` is the name as the short form of an administrative code, where it is one.  A code ranks
    before a name; `drawn` says whether there is an outline.
    """
    a, g, e = admin_area.c, grid.c, estate.c
    is_code = a.code == (code or name)
    areas = _place(admin_area, a.code, a.name, case((is_code, 0), else_=2)).where(
        or_(is_code, a.name == name, a.short_name == name)
    )
    grids = _place(grid, g.code, _grid(), case((g.code == name, 1), else_=3)).where(
        or_(g.code == name, g.name == name)
    )
    estates = _place(estate, literal(""), e.name, literal(4)).where(
        or_(e.name == name, literal(name) == any_(e.aliases))
    )
    return union_all(areas, grids, estates).order_by("rank", "code", "id")


def numbered(of: str, identity: int) -> Select[Any]:
    """The place of that id in one of PLACES, as `called` says it."""
    table = PLACES[of]
    code = table.c.code if "code" in table.c else literal("")
    name = _grid() if table is grid else table.c.name
    return _place(table, code, name, literal(0)).where(table.c.id == identity)


def recorded(name: str | None = None) -> Select[Any]:
    """Name, base and selection of the parts that were built, or of the one of that name."""
    c = tileset.c
    found = select(c.name, c.base, c.selection).where(c.base.is_not(None)).order_by(c.name)
    return found if name is None else found.where(c.name == name)


def known(name: str) -> Select[Any]:
    """Whether anything is kept of a tileset of that name."""
    kept = [select(table.c.tileset).where(table.c.tileset == name).exists() for table in KEPT]
    return select(or_(select(tileset.c.name).where(tileset.c.name == name).exists(), *kept))


def count(extents: Select[Any]) -> Select[Any]:
    """How many buildings a tileset has of which these are the extents."""
    return select(func.count()).select_from(extents.subquery())


def forget(name: str) -> list[Delete]:
    """Take all away that is kept of a tileset."""
    kept = [delete(table).where(table.c.tileset == name) for table in KEPT]
    return [*kept, delete(tileset).where(tileset.c.name == name)]


def _grid() -> ColumnElement[str]:
    """What a grid is called; many have no name."""
    return func.coalesce(grid.c.name, grid.c.kind)


def _place(
    table: Table,
    code: ColumnElement[Any],
    name: ColumnElement[Any],
    rank: ColumnElement[int],
) -> Select[Any]:
    return select(
        literal(table.name).label("of"),
        table.c.id,
        code.label("code"),
        name.label("name"),
        table.c.geom.is_not(None).label("drawn"),
        rank.label("rank"),
    ).where(table.c.ended_at.is_(None))
