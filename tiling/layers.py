"""The tilesets there are: what each holds, how it is cut and drawn.

To add a tileset, add its two statements to cim.store.queries.tiles and an entry to LAYERS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cim.store.queries import tiles
from tiling.metadata import Property
from tiling.tree import Capacity


@dataclass(frozen=True)
class Layer:
    """One tileset.

    `extents` selects a row for each building with its box, height, corners and, where it counts
    for more than one feature, `units`; `rows` selects the features tile by tile.  `faces` is how
    many faces stand on each corner; `inner_error` the geometric error above leaves, None for what
    the level says.
    """

    name: str
    title: str
    label: str
    properties: tuple[Property, ...]
    capacity: Capacity
    closed: bool
    inner_error: float | None
    colour: tuple[int, int, int]
    extents: Callable[[], Any]
    rows: Callable[[str], Any]

    @property
    def corner_vertices(self) -> int:
        """Vertices that each corner of an outline costs: four of its wall, one a cap."""
        return 6 if self.closed else 5


BUILDINGS = Layer(
    name="buildings",
    title="Buildings",
    label="building",
    properties=(
        Property("id", "building", "id of the building", "UINT32"),
        Property("height", "height", "roof above ground, m", "FLOAT32"),
        Property("floors", "storeys", "storeys above ground", "UINT16"),
        Property("use", "use", "code of list building_use", "ENUM", enum="building_use"),
        Property("year", "built", "year of completion", "INT16", no_data=-32768),
    ),
    capacity=Capacity(inner=500, leaf=1500),
    closed=False,
    inner_error=None,
    colour=(232, 228, 220),
    extents=tiles.building_extents,
    rows=tiles.building_rows,
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
        Property("generated", "generated", "the outline was generated, not surveyed", "BOOLEAN"),
    ),
    capacity=Capacity(inner=0, leaf=1500, highest_leaf=15),
    closed=True,
    inner_error=2.0,
    colour=(214, 220, 228),
    extents=tiles.unit_extents,
    rows=tiles.unit_rows,
)

LAYERS: dict[str, Layer] = {layer.name: layer for layer in (BUILDINGS, UNITS)}
"""Every tileset by its name."""
