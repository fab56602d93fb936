"""Kernels of the tiler on hard real polygons, and the geoid on a real grid."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from cim.crs.geoid import read_grid
from tiling.rings import parse, signed_areas, tidy, triangle_areas, triangulate

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.fixture(scope="module")
def data() -> Path:
    if not DATA.is_dir():
        pytest.skip("../shared/data is absent: the real polygons and the geoid grid")
    return DATA


def test_hard_polygons_are_covered_by_their_triangles(data: Path) -> None:
    tried = 0
    for file in sorted((data / "geometry/earcut").rglob("*.json")):
        rings = json.loads(file.read_text())
        if not isinstance(rings, list) or not rings or len(rings[0]) < 3:
            continue
        polygon = shapely.Polygon(rings[0], [ring for ring in rings[1:] if len(ring) >= 3])
        if not polygon.is_valid:
            continue
        shape = parse([shapely.to_wkb(polygon)])
        shape, _ = tidy(shape.points, shape)
        triangles, _ = triangulate(shape.points, shape)
        covered = triangle_areas(shape.points, triangles).sum()
        assert covered == pytest.approx(signed_areas(shape.points, shape).sum(), rel=1e-6), (
            file.name
        )
        tried += 1
    assert tried >= 10


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
