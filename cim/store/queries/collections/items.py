"""Statements about the features of a collection: pages by key, counts, extents.

A page goes on behind the last feature of the one before, by the values it is sorted by and its id:
no page costs more for being a late one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Executable,
    Float,
    LargeBinary,
    Numeric,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine

from cim.model.base import CITY, SRID
from cim.store.queries.collections.shape import Collection, Kind, Property

Form = Literal["geojson", "wkt", "wkb"]
Box = tuple[float, float, float, float]
Sight = Sequence[tuple[int, tuple[tuple[int, ...], tuple[int, ...]] | None]]
"""What a caller is cleared for: a level of secrecy, and the areas and grids, or None for all."""

TYPES: dict[Kind, TypeEngine[Any]] = {
    "integer": BigInteger(),
    "number": Float(),
    "string": Text(),
    "boolean": Boolean(),
    "date": Date(),
    "date-time": DateTime(timezone=True),
    "strings": ARRAY(Text),
}
"""As what a value of each kind is bound."""


@dataclass(frozen=True)
class Sort:
    """One property to sort by."""

    by: Property
    descending: bool = False


@dataclass(frozen=True)
class Ask:
    """What is asked of a collection, read and checked."""

    collection: Collection
    limit: int = 100
    where: tuple[ColumnElement[bool], ...] = ()
    box: Box | None = None
    """West, south, east and north of a box that features are to meet."""

    sort: tuple[Sort, ...] = ()
    after: tuple[Any, ...] | None = None
    """Values of the sorted properties and the id of the last feature that was answered."""

    shows: tuple[str, ...] | None = None
    """Names of the properties that are answered; None for all."""

    srid: int = SRID
    swapped: bool = False
    """Whether latitude or northing comes first."""

    sight: Sight = field(default=())
    gathered: bool = False
    """Whether few enough are sought to gather them all and sort them: the planner would walk along
    the ids, taking what is sought for spread evenly over them, which a loaded city's is not."""

    @property
    def properties(self) -> list[Property]:
        """Those that are answered."""
        every = self.collection.properties
        return [each for each in every.values() if self.shows is None or each.name in self.shows]


def bound(value: Any, kind: Kind) -> ColumnElement[Any]:
    """A value of a caller's as a parameter of the statement; one that is a parameter stays so."""
    return value if isinstance(value, BindParameter) else bindparam(None, value, TYPES[kind])


def shape(wkb: bytes) -> ColumnElement[Any]:
    """A geometry in CGCS2000 degrees as a parameter, with its system set.

    The name of ISO is used: GeoAlchemy2 takes the usual one for a column's value.
    """
    written = func.ST_WKBToSQL(bindparam(None, wkb, LargeBinary))
    return func.ST_SetSRID(written, literal_column(str(SRID)))


def meets(collection: Collection, wkb: bytes, *, upright: bool = False) -> ColumnElement[bool]:
    """Whether a feature meets a geometry, found by an index.

    Of one that is `upright`, a box, whatever lies inside by its own box meets it: only those across
    its edge are looked at closely.
    """
    return meeting(collection, shape(wkb), upright=upright)


def meeting(
    collection: Collection, other: ColumnElement[Any], *, upright: bool = False
) -> ColumnElement[bool]:
    """The same of a geometry that is in a statement already."""
    here = collection.geometry
    near = _nearby(collection, other)
    exact: ColumnElement[bool] = func.ST_Intersects(here, other)
    if not upright:
        return and_(near, exact)
    return and_(near, or_(here.op("@", is_comparison=True)(other), exact))


def lies_in(collection: Collection, wkb: bytes) -> ColumnElement[bool]:
    """Whether a feature lies in a polygon with all it has, found by an index."""
    other = shape(wkb)
    return and_(_nearby(collection, other), func.ST_CoveredBy(collection.geometry, other))


def _nearby(collection: Collection, other: ColumnElement[Any]) -> ColumnElement[bool]:
    """What an index answers of a geometry."""
    if collection.near is not None:
        return collection.near(other)
    return collection.geometry.op("&&", is_comparison=True)(other)


def visible(ask: Ask) -> ColumnElement[bool]:
    """What this caller may see of the collection."""
    here = ask.collection
    if here.secrecy is None:
        return true()
    allowed: list[ColumnElement[bool]] = [here.secrecy == literal_column("0")]
    for level, place in ask.sight:
        cleared = here.secrecy <= level
        if place is not None:
            areas, grids = place
            inside: list[ColumnElement[bool]] = [false()]
            if here.area is not None and areas:
                inside.append(here.area.in_(areas))
            if here.grid is not None and grids:
                inside.append(here.grid.in_(grids))
            cleared = and_(cleared, or_(*inside))
        allowed.append(cleared)
    return or_(*allowed)


def _matching(ask: Ask) -> list[ColumnElement[bool]]:
    found = [ask.collection.present, visible(ask), *ask.where]
    if ask.box is not None:
        edges = [bound(edge, "number") for edge in ask.box]
        box = func.ST_MakeEnvelope(*edges, literal_column(str(SRID)))
        found.append(meeting(ask.collection, box, upright=True))
    return found


def _placed(ask: Ask) -> ColumnElement[Any]:
    """The geometry in the system that was asked for, its axes in that system's order."""
    found = ask.collection.geometry
    if ask.srid not in (SRID, 4326):
        found = func.ST_Transform(found, literal_column(str(ask.srid)))
    return func.ST_FlipCoordinates(found) if ask.swapped else found


def digits(ask: Ask) -> int:
    """Decimals of a coordinate: centimetres in degrees, millimetres in metres."""
    return 7 if ask.srid in (SRID, 4326) else 3


def _drawn(ask: Ask, form: Form) -> ColumnElement[Any]:
    placed = _placed(ask)
    places: ColumnElement[int] = literal_column(str(digits(ask)))
    if form == "geojson":
        return func.ST_AsGeoJSON(placed, places, literal_column("0"))
    return func.ST_AsText(placed, places) if form == "wkt" else func.ST_AsBinary(placed)


def _object(properties: Sequence[Property]) -> ColumnElement[Any]:
    """Properties as the text of a JSON object; names are ours, never a caller's."""
    pairs = [part for each in properties for part in (_name(each.name), _as_json(each))]
    return cast(func.json_build_object(*pairs), Text)


def _as_json(each: Property) -> ColumnElement[Any]:
    """A property as JSON shows it; nine is 9.0 where there may be halves.

    Clients take the type of a column from the first values they see, and would round the others.
    """
    if each.kind != "number":
        return each.expression
    point: ColumnElement[Any] = literal_column("0.0")
    return cast(each.expression, Numeric) + point


def _name(name: str) -> ColumnElement[str]:
    return literal_column(f"'{name}'", Text)


def _key_of(ask: Ask) -> ColumnElement[Any]:
    """What the next page goes on behind, as the text of a JSON list."""
    parts = [sort.by.expression for sort in ask.sort]
    return cast(func.json_build_array(*parts, ask.collection.key), Text).label("place")


def features(ask: Ask, read: ColumnElement[int] | None = None) -> Select[Any]:
    """One page of features: `id`, `geometry` and `properties` as JSON texts, and `place`.

    One more than `limit` is asked for, which says whether there is another page; or `read`.
    """
    return _page(ask, [_drawn(ask, "geojson").label("geometry")], _object(ask.properties), read)


def table(ask: Ask, form: Literal["wkt", "wkb"]) -> Select[Any]:
    """One page as a table: `id`, `geometry`, and each property in a column of its own."""
    drawn = _drawn(ask, form).label("geometry")
    return _page(
        ask, [drawn, *(each.expression.label(f"p_{each.name}") for each in ask.properties)]
    )


def _page(
    ask: Ask,
    columns: list[ColumnElement[Any]],
    properties: ColumnElement[Any] | None = None,
    read: ColumnElement[int] | None = None,
) -> Select[Any]:
    """What is answered of one page.

    Where features are sought, or sorted, the page is found first and drawn then: PostgreSQL would
    write the properties of everything it sorts.
    """
    more = [] if properties is None else [properties.label("properties")]
    key = ask.collection.key
    drawn = select(key.label("id"), *columns, *more, _key_of(ask))
    if not (ask.where or ask.box or ask.sort):
        return _limited(ask, drawn.select_from(ask.collection.tables), read)
    sought = select(key.label("id"), *(sort.by.expression for sort in ask.sort))
    page = _limited(ask, sought.select_from(ask.collection.tables), read).subquery("page")
    tables = page.join(ask.collection.tables, key == page.c.id)
    return drawn.select_from(tables).order_by(*_order(ask, key))


def _limited(ask: Ask, statement: Select[Any], read: ColumnElement[int] | None) -> Select[Any]:
    """The features of one page, in their order."""
    key: ColumnElement[Any] = ask.collection.key
    most = ask.limit + 1 if read is None else read
    found = statement.where(*_matching(ask)).limit(most)
    if ask.after is not None:
        found = found.where(_behind(ask, ask.after))
    return found.order_by(*_order(ask, key + literal_column("0") if ask.gathered else key))


def _order(ask: Ask, key: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [*map(_ordered, ask.sort), key]


def _ordered(sort: Sort) -> ColumnElement[Any]:
    """As an index orders: what has no value comes last, and first where the order is turned."""
    return sort.by.expression.desc() if sort.descending else sort.by.expression.asc()


def _behind(ask: Ask, after: Sequence[Any]) -> ColumnElement[bool]:
    """The condition of what comes after a place in the order.

    Where every value is there and all go up it is one comparison of rows, which an index answers;
    else it is spelled out, led by a bound on the first value.
    """
    key = ask.collection.key
    values = [bound(v, s.by.kind) for s, v in zip(ask.sort, after[:-1], strict=True)]
    last = bound(after[-1], "integer")
    if all(sort.by.required and not sort.descending for sort in ask.sort):
        return tuple_(*(s.by.expression for s in ask.sort), key) > tuple_(*values, last)
    steps: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for sort, value, given in zip(ask.sort, values, after[:-1], strict=True):
        steps.append(and_(*same, _later(sort, value, given)))
        same.append(_equal(sort, value, given))
    steps.append(and_(*same, key > last))
    return and_(_no_sooner(ask.sort[0], values[0], after[0]), or_(*steps))


def _equal(sort: Sort, value: ColumnElement[Any], given: Any) -> ColumnElement[bool]:
    return sort.by.expression.is_(None) if given is None else sort.by.expression == value


def _later(sort: Sort, value: ColumnElement[Any], given: Any) -> ColumnElement[bool]:
    here = sort.by.expression
    if given is None:
        return here.is_not(None) if sort.descending else false()
    if sort.descending:
        return here < value
    return here > value if sort.by.required else or_(here > value, here.is_(None))


def _no_sooner(sort: Sort, value: ColumnElement[Any], given: Any) -> ColumnElement[bool]:
    """What an index can begin at."""
    here = sort.by.expression
    if given is None:
        return true() if sort.descending else here.is_(None)
    if sort.descending:
        return here <= value
    return here >= value if sort.by.required else or_(here >= value, here.is_(None))


def feature(ask: Ask, key: int) -> Select[Any]:
    """One feature by its id, as `features` answers it."""
    return (
        select(
            ask.collection.key.label("id"),
            _drawn(ask, "geojson").label("geometry"),
            _object(ask.properties).label("properties"),
        )
        .select_from(ask.collection.tables)
        .where(*_matching(ask), ask.collection.key == bound(key, "integer"))
    )


def count(ask: Ask) -> Select[Any]:
    """How many features match, whatever the page."""
    return select(func.count()).select_from(ask.collection.tables).where(*_matching(ask))


class _Plan(Executable, ClauseElement):
    """The plan of a statement as JSON, without running it."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Plan)
def _explain(element: _Plan, compiler: Any, **how: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **how)}"


def estimate(ask: Ask) -> Executable:
    """The planner's guess at how many features match: `[0]["Plan"]["Plan Rows"]` of its JSON."""
    nothing: ColumnElement[int] = literal_column("1")
    return _Plan(select(nothing).select_from(ask.collection.tables).where(*_matching(ask)))


def extent(collection: Collection) -> Select[Any]:
    """West, south, east and north of a collection, NULL where it is empty.

    Of a table with an index on its geometry it is what the index holds, which takes no time.
    """
    column = collection.geometry
    own = getattr(column, "table", None)
    if not isinstance(own, Table):  # made of other tables: as wide as the buildings
        box: ColumnElement[Any] = _known(CITY, "building", "footprint")
    else:
        found = select(func.ST_Extent(column)).select_from(own).scalar_subquery()
        box = func.coalesce(_known(own.schema or CITY, own.name, column.name), found)
    edges = (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)
    return select(*(edge(box).label(name) for edge, name in zip(edges, "wsen", strict=True)))


def _known(schema: str, table: str, column: str) -> ColumnElement[Any]:
    return func.ST_EstimatedExtent(*(literal(word, Text) for word in (schema, table, column)))
