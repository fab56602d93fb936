"""Statements about one object that is changed by hand."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    LargeBinary,
    Select,
    Table,
    TextClause,
    Update,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    update,
)

from cim.model.base import SRID
from cim.model.buildings import storey, unit
from cim.model.places import admin_area, grid
from cim.model.reference import source_system
from cim.store.queries.collections.shape import Collection

PATIENCE: Final = ("SET LOCAL lock_timeout = '5s'", "SET LOCAL statement_timeout = '60s'")
"""How long an edit waits for others, and may take."""

SHAPES: Final = ("geom", "footprint", "outline")


def _shape(table: Table) -> Any:
    found = next((table.c[name] for name in SHAPES if name in table.c), None)
    return literal(None, LargeBinary) if found is None else func.ST_AsBinary(found)


def locked(table: Table, key: int) -> Select[Any]:
    """A row with its geometry as WKB (`shape`), locked; others that wait see what it becomes."""
    plain = [column for column in table.c if column.name not in SHAPES]
    return (
        select(*plain, _shape(table).label("shape"))
        .where(table.c.id == bindparam(None, key, BigInteger))
        .with_for_update(of=table)
    )


def by_key(table: Table, source: str, ext_id: str) -> Select[Any]:
    """The row of a key in a source."""
    plain = [column for column in table.c if column.name not in SHAPES]
    return (
        select(*plain)
        .join(source_system, source_system.c.id == table.c.source_id)
        .where(source_system.c.name == source, table.c.ext_id == ext_id)
    )


def ended(table: Table, key: int) -> Update:
    """End a row."""
    now = func.now()
    return update(table).where(table.c.id == key).values(ended_at=now, updated_at=now)


def source_of(id: int) -> Select[Any]:
    """The name of a source."""
    return select(source_system.c.name).where(source_system.c.id == id)


def source(name: str) -> TextClause:
    """The id of a source, made where there is none of the name."""
    return text("""
        WITH made AS (INSERT INTO city.source_system (name) VALUES (:name)
                      ON CONFLICT (name) DO NOTHING RETURNING id)
        SELECT id FROM made UNION ALL SELECT id FROM city.source_system WHERE name = :name
        LIMIT 1""").bindparams(name=name)


def name_it(table: Table, key: int, source_id: int, ext_id: str) -> Update:
    """Give a row the key by which files know it."""
    return update(table).where(table.c.id == key).values(source_id=source_id, ext_id=ext_id)


def storey_of(key: int) -> Select[Any]:
    """The building of a unit, and what its storey is called."""
    return (
        select(unit.c.building_id, storey.c.label)
        .join(storey, storey.c.id == unit.c.storey_id)
        .where(unit.c.id == key)
    )


def shown(collection: Collection, key: int) -> Select[Any]:
    """The geometry that is shown of an object, WKB."""
    return (
        select(func.ST_AsBinary(collection.geometry))
        .select_from(collection.tables)
        .where(collection.key == key)
    )


def there(table: Table, key: int) -> Select[Any]:
    """Whether an object is there and has not ended."""
    return select(func.count()).where(table.c.id == key, table.c.ended_at.is_(None))


def put(rows: str, values: Mapping[str, Any], types: Mapping[str, str]) -> str:
    """Write values into the staged row, as far as it has such columns."""
    names = [name for name in values if name in types]
    listed = ", ".join(f"{name} = CAST(:{name} AS {types[name]})" for name in names)
    return f"UPDATE {rows} SET {listed}"


def take_turn(kind: str) -> TextClause:
    """Whether nobody loads this kind now; then the turn is taken."""
    return text(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('cimtwin load ' || :kind, 0))"
    ).bindparams(kind=kind)


def standing_in(collection: Collection, key: int) -> Select[Any]:
    """The ids of `areas` and `grids` that an object stands in, where it has a place."""
    point = (
        select(func.ST_SetSRID(func.ST_PointOnSurface(collection.geometry), SRID))
        .select_from(collection.tables)
        .where(collection.key == key)
        .scalar_subquery()
    )

    def ids(table: Table) -> Any:
        inside = func.ST_Intersects(table.c.geom, point)
        own = table.c.id == key if collection.key.table is table else None
        holds = inside if own is None else or_(inside, own)
        found = select(table.c.id).where(table.c.ended_at.is_(None), holds)
        return func.array(found.scalar_subquery())

    return select(ids(admin_area).label("areas"), ids(grid).label("grids"))
