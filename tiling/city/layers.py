"""The tilesets there are: what each holds, how it is cut and drawn.

To add a tileset, add its statements to cim.store.queries (tiles, tile_rows), how its rows are
joined to tiling.city.rows, and an entry to LAYERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Select

from cim.store.queries.tiles import leaves as tiles
from cim.store.queries.tiles import rows as tile_rows
from cim.store.queries.tiles.rows import Query
from cim.store.queries.tiles.which import PLANNED as TO_BE
from cim.store.queries.tiles.which import STATES, THERE, Which
from tiling.city import rows
from tiling.city.rows import Pieces
from tiling.formats.metadata import Class, Property, Table
from tiling.formats.tree import Capacity


@dataclass(frozen=True)
class Above:
    """What a tileset's features are parts of: storeys, buildings.

    Features that have the same in the rows' column `key` are of the same one; its properties are
    read from the first of them.
    """

    of: Class
    key: str


@dataclass(frozen=True)
class Layer:
    """One tileset.

    `extents` selects a row for each building, or each of some ids, with its box, height, corners
    and `units`, the features it counts for (0: it is named as left out); `rows` reads the features
    of some buildings in pieces, which `join` makes one of, with the building's id in the column
    `owner`.
    `inner_error` is the geometric error above leaves, None for what the level says; `order` names
    the columns by which features stand in a tile, so that what repeats is near what it repeats;
    `above` what they are parts of.  `colour` is sRGB, with a share of 255 where it is not opaque.
    `which` are the buildings it is about; `base` is the tileset that it is a part of, if it is one.
    `outlined` tells whether tiles say which edges are lines.
    """

    name: str
    title: str
    label: str
    properties: tuple[Property, ...]
    capacity: Capacity
    closed: bool
    inner_error: float | None
    colour: tuple[int, ...]
    extents: Callable[..., Any]
    rows: Callable[..., dict[str, Query]]
    join: Callable[[Pieces], dict[str, Any]]
    owner: str
    order: tuple[str, ...] = ("id",)
    above: tuple[Above, ...] = ()
    which: Which = THERE
    base: str | None = None
    outlined: bool = True

    def part(self, name: str, which: Which) -> "Layer":
        """A tileset of its own, of these buildings alone."""
        return replace(
            self,
            name=name,
            title=name,
            extents=partial(self.extents, which=which),
            rows=partial(self.rows, which=which),
            which=which,
            base=self.name,
        )

    def table(self, lists: Mapping[str, tuple[str, ...]]) -> Table:
        """The property table of its features; `lists` are the codes of each list it names."""
        own = Class(self.label, self.title, self.properties)
        return Table(own, (own, *(item.of for item in self.above)), lists)

    def reads(self) -> list[Select[Any]]:
        """All statements by which it is read."""
        return [self.extents(), *(query.statement for query in self.rows([]).values())]

    @property
    def corner_vertices(self) -> int:
        """Vertices that each corner of an outline costs: four of its wall, one a cap."""
        return 6 if self.closed else 5


STOREY = Class(
    "storey",
    "Storeys",
    (
        Property("id", "storey", "id of the storey", "UINT32", column="storey_id"),
        Property("no", "storey number", "-2, -1, 1 … n", "INT16", column="storey_no"),
        Property("building_id", "building", "id of its building", "UINT32"),
    ),
)

BUILDING = Class(
    "building",
    "Buildings",
    (Property("id", "building", "id of the building", "UINT32", column="building_id"),),
)

BUILDINGS = Layer(
    name="buildings",
    title="Buildings",
    label="building",
    properties=(
        Property("id", "building", "id of the building", "UINT32"),
        Property("height", "height", "roof above ground, m", "FLOAT32"),
        Property("floors", "storeys", "storeys above ground", "UINT16"),
        Property("use", "use", "code of list building_use", "ENUM", enum="building_use"),
        Property("year", "built", "year of completion", "INT16", no_data=tile_rows.NO_YEAR),
        Property("state", "state", "what may become of it", "ENUM", enum="state", codes=STATES),
        Property("generated", "generated", "1: the height was made, not given", "UINT8"),
    ),
    capacity=Capacity(inner=500, leaf=1500),
    closed=False,
    inner_error=None,
    colour=(232, 228, 220),
    extents=tiles.building_extents,
    rows=tile_rows.building_rows,
    join=rows.buildings,
    owner="id",
)

UNITS = Layer(
    name="units",
    title="Units",
    label="unit",
    properties=(
        Property("id", "unit", "id of the unit", "UINT32"),
        Property("building_id", "building", "id of its building", "UINT32"),
        Property("storey_id", "storey", "id of its storey", "UINT32"),
        Property("storey_no", "storey number", "-2, -1, 1 … n", "INT16"),
        Property("kind", "kind", "code of list unit_kind", "ENUM", enum="unit_kind"),
        Property("generated", "generated", "1: the outline was made, not surveyed", "UINT8"),
    ),
    capacity=Capacity(inner=0, leaf=1500, highest_leaf=15),
    closed=True,
    inner_error=2.0,
    colour=(214, 220, 228),
    extents=tiles.unit_extents,
    rows=tile_rows.unit_rows,
    join=rows.units,
    owner="building_id",
    order=("building_id", "storey_no", "id"),
    above=(Above(STOREY, "storey_id"), Above(BUILDING, "building_id")),
)

PLANNED = replace(
    BUILDINGS,
    name="planned",
    title="Planned",
    colour=(92, 138, 190, 140),
    extents=partial(tiles.building_extents, which=TO_BE),
    rows=partial(tile_rows.building_rows, which=TO_BE),
    which=TO_BE,
)

UNDERGROUND = Layer(
    name="underground",
    title="Underground",
    label="storey",
    properties=(
        Property("id", "storey", "id of the storey", "UINT32"),
        Property("building_id", "building", "id of its building", "UINT32"),
        Property("no", "storey number", "-1, -2 …", "INT16"),
        Property("kind", "kind", "what most of its units are", "ENUM", enum="unit_kind"),
        Property("use", "use", "code of list building_use", "ENUM", enum="building_use"),
        Property("generated", "generated", "1: made of a number of storeys, not given", "UINT8"),
    ),
    capacity=Capacity(inner=200, leaf=1500),
    closed=True,
    inner_error=None,
    colour=(178, 166, 150),
    extents=tiles.storey_extents,
    rows=tile_rows.storey_rows,
    join=rows.storeys,
    owner="building_id",
    order=("building_id", "no", "id"),
    above=(Above(BUILDING, "building_id"),),
)

TERRAIN = "terrain"
"""What the tiles of the ground go by among the tilesets; they are no 3D Tiles."""

LAYERS: dict[str, Layer] = {layer.name: layer for layer in (BUILDINGS, UNITS, PLANNED, UNDERGROUND)}
"""Every tileset of the whole city by its name; what is planned one day by schemes comes here."""
