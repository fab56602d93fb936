"""Kernels of the tiler on hard real polygons, and the geoid on a real grid."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely

from cim.crs.ecef import Frame
from cim.crs.geoid import read_grid
from tiling.shapes.mesh import GRID, Reason, prisms
from tiling.shapes.rings import triangle_areas

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.fixture(scope="module")
def data() -> Path:
    if not DATA.is_dir():
        pytest.skip("../shared/data is absent: the real polygons and the geoid grid")
    return DATA


WIDE = 1000.0
"""Metres that each of the hard polygons is made to span."""

DEGREE = 111_000.0
HERE = Frame(113.75, 23.02)


def hard_polygons(data: Path) -> Iterator[tuple[str, shapely.Polygon]]:
    """earcut's own test polygons, scaled to WIDE, valid or not."""
    for file in sorted((data / "geometry/earcut").rglob("*.json")):
        rings = json.loads(file.read_text())
        if not isinstance(rings, list) or not rings or len(rings[0]) < 3:
            continue
        polygon = shapely.Polygon(rings[0], [ring for ring in rings[1:] if len(ring) >= 3])
        west, south, east, north = polygon.bounds
        scale = WIDE / max(east - west, north - south)
        yield (
            file.stem,
            shapely.transform(polygon, lambda p, o=(west, south), k=scale: (p - np.array(o)) * k),
        )


def roof(polygon: shapely.Polygon) -> tuple[Reason, float]:
    """What the tiler says of a polygon, and the area of the roof it gives it, m²."""
    placed = shapely.transform(polygon, lambda p: p / DEGREE + [113.75, 23.02])
    made = prisms([shapely.to_wkb(placed)], np.zeros(1), np.ones(1), HERE, closed=False)
    triangles = made.mesh.triangles
    caps = triangles[made.mesh.normals[triangles[:, 0], 2] > 0]
    return Reason(int(made.reasons[0])), float(
        triangle_areas(made.mesh.positions * GRID, caps).sum()
    )


def true_areas(polygon: shapely.Polygon) -> list[float]:
    """The area of a polygon on the ellipsoid; of one that crosses itself, all that it may mean."""
    placed = shapely.transform(polygon, lambda p: p / DEGREE + [113.75, 23.02])
    plan = shapely.transform(placed, lambda p: HERE.place(p[:, 0], p[:, 1])[0][:, :2])
    if plan.is_valid:
        return [plan.area]
    return [shapely.make_valid(plan, method=how).area for how in ("linework", "structure")]


def test_hard_polygons_get_a_roof_of_their_area_or_are_named(data: Path) -> None:
    covered, named = [], []
    for name, polygon in hard_polygons(data):
        reason, area = roof(polygon)
        if reason != Reason.FINE:
            assert reason in (Reason.NO_ROOF, Reason.NO_AREA), name
            named.append((name, polygon.is_valid))
            continue
        assert any(area == pytest.approx(true, rel=0.012) for true in true_areas(polygon)), name
        covered.append(name)
    assert len(covered) >= 45
    assert [name for name, valid in named if valid] == [
        "touching2"
    ]  # in whole steps its hole crosses its edge


def test_a_global_grid_gives_the_published_undulations(data: Path) -> None:
    grid = read_grid(data / "terrain/egm96_15.gtx")
    places = np.array([[113.75, 23.02], [86.925, 27.988], [0.0, 0.0], [-74.0, 40.7]])
    found = grid.height(places[:, 0], places[:, 1])
    assert found == pytest.approx([-4.98, -28.87, 17.16, -32.77], abs=0.05)


def test_a_global_grid_is_whole_at_the_antimeridian(data: Path) -> None:
    grid = read_grid(data / "terrain/egm96_15.gtx")
    around = grid.height(np.array([179.9, 180.0, -180.0, -179.9]), np.full(4, 10.0))
    assert around[1] == around[2]
    assert np.abs(np.diff(around)).max() < 0.2
