"""Footprints and heights that should never have been: drawn or named, and none breaks a tile."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, Engine, text

from cim.crs.geoid import geoid
from cim.settings import Settings
from tiling.check.census import compare
from tiling.check.reading import read_glb
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS
from tiling.run.build import build
from tiling.shapes.mesh import REASONS, Reason

HERE = (113.75, 23.02)
METRE = 9e-6
"""Degrees, about."""


def placed(shape: shapely.Geometry, number: int) -> shapely.Geometry:
    """A shape in metres, at a place of its own in town."""
    west, south = HERE[0] + number % 9 * 2e-3, HERE[1] + number // 9 * 2e-3
    return shapely.transform(shape, lambda points: points * METRE + [west, south])


def star(corners: int) -> shapely.Polygon:
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    away = np.where(np.arange(corners) % 2, 60.0, 45.0)
    return shapely.Polygon(np.column_stack([away * np.cos(turn), away * np.sin(turn)]))


def comb(teeth: int) -> shapely.Polygon:
    """A wall with thin slots: as many corners as a bad digitiser makes."""
    x = np.repeat(np.arange(2 * teeth) * 0.05, 2)
    y = np.tile([9.0, 0.5, 0.5, 9.0], teeth)
    return shapely.Polygon([*np.column_stack([x, y]).tolist(), (x[-1], 0.0), (0.0, 0.0)])


BOX = shapely.box(0, 0, 20, 10)
FINE, MAY = "drawn", "drawn or named"

SHAPES: dict[str, tuple[shapely.Geometry, str | Reason]] = {
    "a house": (BOX, FINE),
    "the same house again": (BOX, FINE),
    "another upon half of it": (shapely.box(10, 0, 30, 10), FINE),
    "10,000 corners": (star(10_000), FINE),
    "a comb of 1,000 teeth": (comb(1_000), FINE),
    "more than short indices reach": (star(13_200), FINE),
    "a line": (shapely.Polygon([(0, 0), (9, 0), (20, 0)]), Reason.NO_AREA),
    "a point, many times": (shapely.Polygon([(5, 5)] * 5), Reason.NO_AREA),
    "smaller than a hand": (shapely.box(0, 0, 0.04, 0.04), MAY),
    "a bow tie": (shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 11)]), MAY),
    "a figure of eight": (
        shapely.Polygon([(0, 0), (10, 0), (5, 5), (10, 10), (0, 10), (5, 5)]),
        MAY,
    ),
    "corners said twice and thrice": (
        shapely.Polygon([(0, 0), (0, 0), (9, 0), (9, 0), (9, 0), (9, 9), (0, 9), (0, 9)]),
        FINE,
    ),
    "a court that touches the wall": (
        shapely.Polygon([(0, 0), (30, 0), (30, 30), (0, 30)],
                        [[(0, 15), (15, 10), (15, 20)]]),
        MAY,
    ),
    "a court along the wall": (
        shapely.Polygon([(0, 0), (30, 0), (30, 30), (0, 30)],
                        [[(0, 10), (10, 10), (10, 20), (0, 20)]]),
        MAY,
    ),
    "a court as large as the house": (
        shapely.Polygon([(0, 0), (30, 0), (30, 30), (0, 30)],
                        [[(0, 0), (30, 0), (30, 30), (0, 30)]]),
        MAY,
    ),
    "a court through the wall": (
        shapely.Polygon([(0, 0), (30, 0), (30, 30), (0, 30)],
                        [[(20, 10), (40, 10), (40, 20), (20, 20)]]),
        Reason.NO_ROOF,
    ),
    "two courts upon each other": (
        shapely.Polygon([(0, 0), (30, 0), (30, 30), (0, 30)],
                        [[(5, 5), (15, 5), (15, 15), (5, 15)],
                         [(10, 10), (20, 10), (20, 20), (10, 20)]]),
        MAY,
    ),
    "three houses under one number": (
        shapely.MultiPolygon([shapely.box(0, 0, 5, 5), shapely.box(9, 0, 14, 5),
                              shapely.box(20, 0, 22, 30)]),
        FINE,
    ),
    "two parts upon each other": (
        shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(5, 5, 15, 15)]),
        MAY,
    ),
    "a house, and a speck without area": (
        shapely.MultiPolygon([BOX, shapely.Polygon([(40, 0), (41, 0), (42, 0)])]),
        FINE,
    ),
    "nothing": (shapely.MultiPolygon(), Reason.NO_OUTLINE),
}  # fmt: skip

ABROAD: dict[str, tuple[shapely.Geometry, str | Reason]] = {
    "across the antimeridian": (shapely.box(-179.9999, 10, 179.9999, 10.0001), Reason.NOWHERE),
    "beyond the antimeridian": (shapely.box(179.9999, 10, 180.0001, 10.0001), Reason.NOWHERE),
    "at the antimeridian": (shapely.box(179.9998, 10, 180, 10.0001), FINE),
    "beyond the other antimeridian": (shapely.box(-180, 10, -179.9998, 10.0001), FINE),
    "round the pole": (
        shapely.Polygon([(longitude, 89.9999) for longitude in range(-180, 180, 20)]),
        MAY,
    ),
    "near the south pole": (shapely.box(10.0, -89.9001, 10.04, -89.9), FINE),
    "over the pole": (shapely.box(10, 89.9999, 11, 90.0001), Reason.NOWHERE),
    "as wide as a province": (shapely.box(110, 20, 118, 26), Reason.TOO_WIDE),
    "in the sea off Africa": (shapely.box(0, 0, 0.0002, 0.0001), FINE),
}

HEIGHTS: dict[str, tuple[Any, Any, str | Reason]] = {
    "no height at all": (None, 5.0, MAY),
    "height 0": (0.0, 5.0, MAY),
    "a height below 0": (-12.0, 5.0, MAY),
    "a height that is no number": ("NaN", 5.0, MAY),
    "a height without end": ("Infinity", 5.0, MAY),
    "as high as the sky": (1e6, 5.0, Reason.TOO_HIGH),
    "on ground that is no number": (12.0, "NaN", MAY),
    "on ground without end": (12.0, "-Infinity", MAY),
    "on no ground": (12.0, None, MAY),
    "on ground far below": (12.0, -30_000.0, Reason.TOO_HIGH),
    "thinner than a hair": (1e-5, 5.0, MAY),
}


def put(connection: Connection, wkb: bytes, height: Any, ground: Any) -> int | str:
    """Insert a building; its id, or what the database said against it."""
    statement = text(
        "INSERT INTO city.building (footprint, footprint_area, height, height_method,"
        " floors_above, floors_method, ground_elev) VALUES"
        " (ST_SetSRID(CAST(:wkb AS geometry), 4490), 100, CAST(:height AS float8), 'given', 2,"
        " 'given', CAST(:ground AS float8)) RETURNING id"
    )
    values = {"wkb": wkb.hex(), "height": height, "ground": ground}
    try:
        with connection.begin_nested():
            return int(connection.execute(statement, values).scalar_one())
    except Exception as fault:
        return str(fault)


def several(shape: shapely.Geometry) -> bytes:
    if shape.geom_type == "Polygon":
        shape = shapely.multipolygons([shape])
    return bytes(shapely.to_wkb(shape))


@pytest.fixture(scope="module")
def rows(engine: Engine, settings: Settings) -> dict[str, int | str]:
    """Each row's id, or why the database would not have it."""
    found: dict[str, int | str] = {}
    with engine.begin() as connection:
        for number, (name, (shape, _)) in enumerate(SHAPES.items()):
            place = 0 if "house again" in name or "upon half" in name else number
            found[name] = put(connection, several(placed(shape, place)), 9.0, 5.0)
        for name, (shape, _) in ABROAD.items():
            found[name] = put(connection, several(shape), 9.0, 5.0)
        for number, (name, (height, ground, _)) in enumerate(HEIGHTS.items(), len(SHAPES)):
            found[name] = put(connection, several(placed(BOX, number)), height, ground)
        for name, value in (("a corner that is no number", np.nan), ("a corner at no end", np.inf)):
            corners = [113.75, 23.0, value, 23.0, 113.751, 23.001, 113.75, 23.0]
            polygon = struct.pack("<BIII8d", 1, 3, 1, 4, *corners)
            found[name] = put(connection, struct.pack("<BII", 1, 6, 1) + polygon, 9.0, 5.0)
    return found


@pytest.fixture(scope="module")
def built(engine: Engine, settings: Settings, rows: dict[str, int | str]) -> dict[int, Reason]:
    """What became of each building: FINE, or the reason it is named with."""
    done = build(settings, engine, BUILDINGS)
    report = check(done.path / "current")
    assert report.faults == []
    with engine.connect() as connection:
        assert compare(connection, "buildings", report, geoid(settings)) == []
        named = connection.execute(
            text("SELECT object_id, reason_en, reason_zh FROM platform.tile_skip")
        ).all()
    reasons = {sentences: reason for reason, sentences in REASONS.items()}
    found = {row.object_id: reasons[row.reason_en, row.reason_zh] for row in named}
    for file in (done.path / "current").rglob("*.glb"):
        for id in read_glb(file).column("id").tolist():
            assert id not in found, "drawn twice, or drawn and named"
            found[id] = Reason.FINE
    return found


def expected() -> Iterator[tuple[str, str | Reason]]:
    yield from ((name, wish) for name, (_, wish) in (SHAPES | ABROAD).items())
    yield from ((name, wish) for name, (_, _, wish) in HEIGHTS.items())
    yield "a corner that is no number", Reason.NOWHERE
    yield "a corner at no end", Reason.NOWHERE


@pytest.mark.parametrize(("name", "wish"), list(expected()), ids=str)
def test_whatever_a_row_says_it_is_drawn_or_named(
    rows: dict[str, int | str], built: dict[int, Reason], name: str, wish: str | Reason
) -> None:
    id = rows[name]
    if isinstance(id, str):
        assert wish != FINE and "constraint" in id, id
        return
    became = built[id]
    if wish == FINE:
        assert became == Reason.FINE
    elif isinstance(wish, Reason):
        assert became == wish


def test_nothing_is_lost(
    engine: Engine, rows: dict[str, int | str], built: dict[int, Reason]
) -> None:
    with engine.connect() as connection:
        present = set(connection.scalars(text("SELECT id FROM city.building")).all())
    assert set(built) == present == {id for id in rows.values() if isinstance(id, int)}
    assert len(present) > 35
