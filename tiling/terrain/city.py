"""The city's rasters as its tiles are to show them: the plan, and the ground open."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import Connection

from cim.crs.geoid import CITY, ELLIPSOID, find_grid, read_grid
from cim.settings import Settings
from cim.store import terrain
from cim.store.queries import terrain as queries
from cim.terrain.layer import Layer
from tiling.terrain.holes import filled
from tiling.terrain.parts import Order, opened
from tiling.terrain.plan import Plan, Sheet, level_for, unit_for
from tiling.terrain.relief import Relief


@dataclass(frozen=True)
class City:
    """The rasters from the topmost down, the cells of each without a height, and the plan by them,
    but for what is shown beyond them."""

    layers: tuple[Layer, ...]
    holes: tuple[int, ...]
    plan: Plan


def city_of(settings: Settings, connection: Connection) -> City | None:
    """The city's rasters and their plan, None where it has none.

    Raises TilingError where a geoid grid that is needed is missing.
    """
    layers = terrain.layers(connection, settings)
    if not layers:
        return None
    rows = connection.execute(queries.LISTED).all()
    sheets = tuple(
        Sheet(row.digest + _lifted(settings, row.heights), layer.bounds, level_for(row.cell))
        for layer, row in zip(layers, rows, strict=True)
    )
    unit = unit_for(max(row.most for row in rows) - min(row.least for row in rows))
    holes = tuple(row.holes for row in rows)
    return City(tuple(layers), holes, Plan(sheets, unit, _shift(settings)))


def _shift(settings: Settings) -> str:
    """What lifts heights of the city's datum to the ellipsoid, by its content."""
    if settings.geoid_grid is None:
        return f"constant {settings.geoid_offset!r}"
    return _grid(find_grid(settings.geoid_grid))


def _lifted(settings: Settings, heights: str) -> str:
    """What else the heights of a raster depend on, if on anything."""
    if heights in (CITY, ELLIPSOID):
        return ""  # their cells, and the city's own geoid
    beside = settings.geoid_grid.parent if settings.geoid_grid else None
    return " " + _grid(find_grid(Path(heights), beside))


@lru_cache(maxsize=4)
def _grid(path: Path) -> str:
    known = read_grid(path)
    assert known.grid is not None  # it was read from a file
    place = repr((known.west, known.north, known.steps)).encode()
    return f"{path.name} {blake2b(place + known.grid.tobytes(), digest_size=12).hexdigest()}"


@contextmanager
def shown(
    settings: Settings, city: City, folder: Path, target: Path | None = None
) -> Iterator[tuple[Order, Relief]]:
    """The ground as it is shown, open: its order, with the plan complete, and the relief.

    What fills holes is in `folder`.
    """
    fillings = filled(zip(city.layers, city.holes, strict=True), folder)
    levels = [sheet.level for sheet in city.plan.sheets]
    order = Order(
        settings,
        (*city.layers, *(layer for _, layer in fillings)),
        (*levels, *(levels[place] for place, _ in fillings)),
        city.plan,
        target,
    )
    relief = opened(order)
    try:
        yield replace(order, plan=replace(city.plan, behind=relief.behind)), relief
    finally:
        relief.ground.close()
