"""The statement that makes a vector tile of one collection: bound numbers in, MVT out."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    LargeBinary,
    Select,
    Text,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
)
from sqlalchemy.sql.functions import Function

from cim.model.base import SRID
from cim.model.vector import vector_state
from cim.store.queries.collections.items import Ask, Sight, visible
from cim.store.queries.collections.shape import Property
from cim.store.queries.vector import cells
from cim.store.queries.vector.cells import CELL, number
from cim.store.queries.vector.drawing import (
    CELLS,
    FINE,
    FINEST,
    FULL,
    Drawing,
    level_shown,
)
from cim.store.queries.vector.keeping import NOW, Place
from cim.store.queries.vector.matrices import MARGIN, Box, blocks

METRES = 111_195.08
"""Of a degree of a great circle, on a sphere of 6,371,008.8 m."""


@dataclass(frozen=True)
class Asked:
    """A tile of one collection."""

    drawing: Drawing
    place: Place
    most: int
    """Features that it may have."""

    largest: bool = False
    """Whether the largest are chosen: sorting them takes a while, and nearly no tile needs it."""

    brief: bool = False
    """Whether it goes without the properties that are not in `brief`."""

    sight: Sight = ()

    @property
    def extent(self) -> int:
        """Steps of a coordinate across the tile."""
        return 4096 if self.place.zoom >= FINE else 1024

    @property
    def properties(self) -> list[Property]:
        """Those that its features have."""
        every = self.drawing.collection.properties
        if not self.drawing.brief or (self.place.zoom >= FULL and not self.brief):
            return list(every.values())
        return [every[name] for name in self.drawing.brief]


def made(asked: Asked) -> Select[Any]:
    """One row: what makes the tile, and what it shows.

    `drawn` (MVT, or NULL) with `count` features: where they are `most` there may be others;
    `cells` and `names` (MVT, or NULL); `snapshot` of what it shows; and `sweeps`, NULL where there
    was none.
    """
    zoom, drawing = asked.place.zoom, asked.drawing
    nothing = select(
        cast(null(), LargeBinary).label("drawn"), literal_column("0", Integer).label("count")
    )
    features = (_features(asked) if zoom >= drawing.first else nothing).subquery("drawing")
    state = select(vector_state).where(vector_state.c.collection == drawing.name)
    known = state.subquery("known")
    celled, named = drawing.celled(zoom), drawing.named and zoom >= drawing.first
    none = cast(null(), LargeBinary)
    return select(
        features.c.drawn,
        features.c.count,
        (_cells(asked).scalar_subquery() if celled else none).label("cells"),
        (_names(asked).scalar_subquery() if named else none).label("names"),
        (cast(known.c.counted, Text) if celled else NOW).label("snapshot"),
        known.c.sweeps,
    ).select_from(features.outerjoin(known, literal_column("true")))


def there(asked: Asked) -> Select[Any]:
    """How many features a tile may choose from."""
    ask = Ask(asked.drawing.collection, sight=asked.sight)
    found = select(func.count()).select_from(asked.drawing.collection.tables)
    return found.where(*_shown(asked, ask))


def note(asked: Asked, missing: int) -> Select[Any]:
    """A layer of one point in the middle of a tile that says how many features are left out."""
    west, south, east, north = asked.place.matrices.box(asked.place.z, asked.place.x, asked.place.y)
    middle: ColumnElement[Any] = Function(
        "ST_Point", number((west + east) / 2), number((south + north) / 2)
    )
    shape: ColumnElement[Any] = Function("ST_SetSRID", middle, number(asked.place.matrices.srid))
    row = select(
        _in_tile(asked, shape).label("geom"), literal(missing, BigInteger).label("count")
    ).limit(literal_column("1"))
    return _encoded(row, asked.drawing.left_name, asked.extent)


def _features(asked: Asked) -> Select[Any]:
    """The features as `drawn` and `count`."""
    here = asked.drawing.collection
    ask = Ask(here, sight=asked.sight)
    row = (
        select(
            here.key.label("id"),
            _in_tile(asked, _placed(asked, here.geometry)).label("geom"),
            *(_value(each).label(each.name) for each in asked.properties),
        )
        .select_from(here.tables)
        .where(*_shown(asked, ask))
        # The limit also keeps PostgreSQL from drawing each feature twice.
        .limit(literal(asked.most, BigInteger))
    )
    if asked.largest:
        row = row.order_by(*_largest_first(asked.drawing))
    return _encoded(row, asked.drawing.name, asked.extent, key="id")


def _names(asked: Asked) -> Select[Any]:
    """The layer of names: a point within each feature, in the one tile that it lies in."""
    here = asked.drawing.collection
    place = asked.place
    inside = (
        select(
            here.key.label("id"),
            _placed(asked, Function("ST_PointOnSurface", here.geometry)).label("middle"),
            *(here.properties[name].expression.label(name) for name in asked.drawing.labels),
        )
        .select_from(here.tables)
        .where(*_shown(asked, Ask(here, sight=asked.sight)))
        .limit(literal(asked.most, BigInteger))
        .subquery("inside")
    )
    west, south, east, north = place.matrices.box(place.z, place.x, place.y)
    x, y = func.ST_X(inside.c.middle), func.ST_Y(inside.c.middle)
    row = (
        select(
            inside.c.id,
            _in_tile(asked, inside.c.middle).label("geom"),
            *(inside.c[name] for name in asked.drawing.labels),
        )
        .where(x >= literal(west, Float), x < literal(east, Float))
        .where(y > literal(south, Float), y <= literal(north, Float))
        .limit(literal(asked.most, BigInteger))
    )
    encoded = _encoded(row, asked.drawing.names_name, asked.extent, key="id").subquery("names")
    return select(encoded.c.drawn)


def _encoded(row: Select[Any], name: str, extent: int, key: str | None = None) -> Select[Any]:
    """Rows with a column `geom` as a layer: `drawn`, and the `count` of rows."""
    rows = row.subquery("feature")
    words = [_word(name), number(extent), _word("geom"), *([_word(key)] if key else [])]
    drawn = Function("ST_AsMVT", literal_column("feature"), *words, type_=LargeBinary())
    columns: list[ColumnElement[Any]] = [
        drawn.label("drawn"),
        func.count().label("count"),
    ]
    return select(*columns).select_from(rows)


def _word(text: str) -> ColumnElement[str]:
    return literal_column(f"'{text}'", Text)


def _placed(asked: Asked, shape: ColumnElement[Any]) -> ColumnElement[Any]:
    srid = asked.place.matrices.srid
    return shape if srid == SRID else Function("ST_Transform", shape, number(srid))


def _envelope(box: Box, srid: int) -> ColumnElement[Any]:
    return Function(
        "ST_MakeEnvelope", *(literal(side, Float) for side in box), literal_column(str(srid))
    )


def _in_tile(asked: Asked, shape: ColumnElement[Any]) -> ColumnElement[Any]:
    """A geometry in the tile's own steps, cut at its margin; NULL where nothing is left of it."""
    place = asked.place
    bounds = _envelope(place.matrices.box(place.z, place.x, place.y), place.matrices.srid)
    steps = [number(asked.extent), number(int(asked.extent * MARGIN))]
    return Function(
        "ST_AsMVTGeom", shape, bounds, *steps, literal_column("true"), type_=LargeBinary()
    )


def _shown(asked: Asked, ask: Ask) -> list[ColumnElement[bool]]:
    """The conditions of what is drawn."""
    drawing, place = asked.drawing, asked.place
    here = drawing.collection
    around = _envelope(place.matrices.degrees(place.z, place.x, place.y), SRID)
    found = [here.present, visible(ask), here.geometry.op("&&", is_comparison=True)(around)]
    if here.near is not None:
        found.append(here.near(around))
    level = level_shown(drawing, place.zoom)
    if level is not None:
        found.append(here.properties["level"].expression <= number(level))
    if place.zoom < drawing.every and drawing.pixels:
        point = 360 / 2**place.zoom / 512
        least = drawing.pixels * point ** (2 if drawing.size == "area" else 1)
        found.append(_size(drawing) >= literal(least, Float))
    return found


def _size(drawing: Drawing) -> ColumnElement[Any]:
    """Of the box around a feature in degrees: its area, or the longer of its sides."""
    shape = drawing.collection.geometry
    wide = func.ST_XMax(shape) - func.ST_XMin(shape)
    high = func.ST_YMax(shape) - func.ST_YMin(shape)
    return wide * high if drawing.size == "area" else func.greatest(wide, high)


def _largest_first(drawing: Drawing) -> list[ColumnElement[Any]]:
    key = drawing.collection.key
    return [key] if drawing.size == "none" else [_size(drawing).desc(), key]


def _value(each: Property) -> ColumnElement[Any]:
    """A property as tiles have them: numbers, texts and truths."""
    if each.kind == "strings":
        return func.array_to_string(each.expression, _word(";"))
    if each.kind in ("date", "date-time"):  # as JSON writes them
        return func.to_json(each.expression).op("#>>")(_word("{}"))
    return each.expression


def _cells(asked: Asked) -> Select[Any]:
    """The layer of counts: squares with `count`, the sums, and what follows from them."""
    drawing, place = asked.drawing, asked.place
    box = place.matrices.degrees(place.z, place.x, place.y)
    finer = max(FINEST - place.zoom - CELLS, 0)
    bounds = tuple(side << cells.FINER for side in blocks(box))
    last = 2**cells.FINER - 1
    found = cells.within(
        drawing, (bounds[0], bounds[1], bounds[2] + last, bounds[3] + last), finer
    ).subquery("cell")
    side = CELL * 2**finer
    west = found.c.x * number(side) - number(180.0)
    south = found.c.y * number(side) - number(90.0)
    square: ColumnElement[Any] = Function(
        "ST_MakeEnvelope", west, south, west + number(side), south + number(side), number(SRID)
    )
    sums = [found.c[name] for name in drawing.summed]
    ground = func.cos(func.radians(south + number(side / 2))) * number((side * METRES) ** 2)
    more = [
        (found.c[name] / ground).label(label)
        for name, label in (("footprint_area", "density"), ("gross_area", "far"))
        if name in drawing.summed
    ]
    row = select(
        _in_tile(asked, _placed(asked, square)).label("geom"),
        cast(found.c.count, BigInteger).label("count"),
        *sums,
        *more,
    ).limit(literal_column("100000"))
    encoded = _encoded(row, drawing.cells_name, asked.extent).subquery("cells")
    return select(encoded.c.drawn)
