"""Tiles of terrain: what a reader of others' making gets back, and what neighbours share."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from quantized_mesh_tile.terrain import TerrainTile

from cim.crs import ecef
from cim.crs.geoid import Geoid
from cim.settings import Settings
from cim.terrain.ground import Ground
from cim.terrain.layer import Layer
from tiling.terrain import quantized
from tiling.terrain.plan import QUARTERS, SIDE, level_for, unit_for
from tiling.terrain.relief import Relief, joined, triangulated

WEST, NORTH, CELL, CELLS = 113.0, 23.5, 0.001, 400
BOX = (WEST, NORTH - CELL * CELLS, WEST + CELL * CELLS, NORTH)
LEVEL, X, Y = 12, 6672, 2576  # a tile in the middle of it
UNIT = 0.125


def hills(folder: Path) -> Path:
    """Hills of 400 m in wgs84 degrees."""
    row, column = np.mgrid[0:CELLS, 0:CELLS]
    values = 500 + 200 * np.sin(column / 9) + 200 * np.cos(row / 7)
    path = folder / "hills.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=CELLS, height=CELLS, count=1, dtype="float32",
        crs="EPSG:4326", transform=Affine(CELL, 0, WEST, 0, -CELL, NORTH),
    ) as file:  # fmt: skip
        file.write(values.astype("float32"), 1)
    return path


@pytest.fixture
def relief(tmp_path: Path) -> Iterator[Relief]:
    layer = Layer(hills(tmp_path), "EPSG:4326", "1985", BOX)
    with Ground(Settings(_env_file=None), [layer]) as ground:
        yield Relief(ground, Geoid("constant", -4.0), BOX, UNIT, [LEVEL])


def bounds(level: int, x: int, y: int) -> tuple[float, float, float, float]:
    step = 180 / 2**level
    return x * step - 180, y * step - 90, (x + 1) * step - 180, (y + 1) * step - 90


def mesh(relief: Relief, level: int, x: int, y: int, error: float = 0.5) -> quantized.Mesh:
    return triangulated(relief.nodes((level, x, y)), UNIT, bounds(level, x, y), error)


def read(content: bytes, level: int, x: int, y: int) -> TerrainTile:
    west, south, east, north = bounds(level, x, y)
    tile = TerrainTile(west=west, south=south, east=east, north=north)
    tile.fromBytesIO(BytesIO(content), hasLighting=True)
    return tile


def vertices(tile: TerrainTile) -> np.ndarray:
    return np.array(tile.getVerticesCoordinates())


def test_a_reader_of_others_making_gets_the_vertices_back(relief: Relief) -> None:
    drawn = mesh(relief, LEVEL, X, Y)
    tile = read(quantized.write(drawn), LEVEL, X, Y)
    found = vertices(tile)
    points = ecef.from_geodetic(*found.T)
    order = np.lexsort(points.T)
    assert np.allclose(points[order], drawn.points[np.lexsort(drawn.points.T)], atol=1e-6)
    corners = found[np.array(tile.indices).reshape(-1, 3)][:, :, :2]
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
    assert (areas > 0).all(), "counter-clockwise"
    assert areas.sum() == pytest.approx((180 / 2**LEVEL) ** 2), "the tile is covered, and once"
    assert (found[:, 2] >= tile.header["minimumHeight"]).all()
    assert (found[:, 2] <= tile.header["maximumHeight"]).all()


def test_neighbours_share_every_vertex_of_their_border(relief: Relief) -> None:
    here = vertices(read(quantized.write(mesh(relief, LEVEL, X, Y)), LEVEL, X, Y))
    for axis, (x, y) in enumerate([(X + 1, Y), (X, Y + 1)]):
        there = vertices(read(quantized.write(mesh(relief, LEVEL, x, y)), LEVEL, x, y))
        border = bounds(LEVEL, x, y)[axis]
        mine, its = (v[v[:, axis] == border] for v in (here, there))
        assert len(mine) == SIDE + 1
        mine, its = (v[np.argsort(v[:, 1 - axis])] for v in (mine, its))
        assert np.array_equal(mine[:, :2], its[:, :2])
        assert np.abs(mine[:, 2] - its[:, 2]).max() < 1e-9


def test_a_tile_has_every_second_node_of_those_below_it(relief: Relief) -> None:
    above = (LEVEL - 1, X // 2, Y // 2)
    parts = [relief.nodes((LEVEL, X // 2 * 2 + right, Y // 2 * 2 + up)) for right, up in QUARTERS]
    made, asked = joined(relief, above, parts), relief.nodes(above)
    assert np.array_equal(made.height, asked.height)
    assert np.array_equal(made.normal, asked.normal)
    half = joined(relief, above, [parts[0], None, None, parts[3]])
    assert np.array_equal(half.height, asked.height)


def test_triangles_stay_within_the_error_that_is_allowed(relief: Relief) -> None:
    nodes = relief.nodes((LEVEL, X, Y))
    sizes = []
    for error in (0.5, 5.0, 50.0):
        drawn = mesh(relief, LEVEL, X, Y, error)
        sizes.append(len(drawn.triangles))
        column = np.rint(drawn.across / quantized.MOST * SIDE).astype(int)
        row = np.rint(drawn.up / quantized.MOST * SIDE).astype(int)
        off = 0.0
        for corners in drawn.triangles[:400]:
            (a, b, c), heights = np.column_stack([column, row])[corners], drawn.height[corners]
            inner = [(i, j) for i in range(SIDE + 1) for j in range(SIDE + 1)
                     if min(a[0], b[0], c[0]) <= i <= max(a[0], b[0], c[0])
                     and min(a[1], b[1], c[1]) <= j <= max(a[1], b[1], c[1])]  # fmt: skip
            share = np.linalg.solve(
                np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]]),
                np.array([[i, j, 1] for i, j in inner]).T,
            )
            within = (share >= -1e-9).all(axis=0)
            there = np.array(inner)[within]
            told = heights @ share[:, within]
            off = max(off, np.abs(told - nodes.height[there[:, 1], there[:, 0]]).max() * UNIT)
        assert off <= 2 * error, "each split is judged by its own middle: errors may add up"
    assert sizes[0] > sizes[1] > sizes[2]


def test_normals_look_away_from_the_slope(relief: Relief) -> None:
    drawn = mesh(relief, LEVEL, X, Y)
    tile = read(quantized.write(drawn), LEVEL, X, Y)
    found, order = vertices(tile), {}
    for place, (lon, lat) in enumerate(zip(drawn.across, drawn.up, strict=True)):
        order[int(lon), int(lat)] = place
    west, south, east, north = bounds(LEVEL, X, Y)
    across = np.rint((found[:, 0] - west) / (east - west) * quantized.MOST).astype(int)
    up = np.rint((found[:, 1] - south) / (north - south) * quantized.MOST).astype(int)
    normal = quantized.oct_decoded(drawn.normal)
    meant = normal[[order[pair] for pair in zip(across.tolist(), up.tolist(), strict=True)]]
    assert np.abs(np.linalg.norm(meant, axis=1) - 1).max() < 1e-9
    assert np.allclose(np.array(tile.vLight), meant, atol=1e-6), (
        "as a reader of others' making has it"
    )
    column, row = (np.rint(of * (SIDE / quantized.MOST)).astype(int) for of in (across, up))
    column, row = column + X * SIDE, row + Y * SIDE
    around = [
        ecef.from_geodetic(
            (column + right) * 180 / 64 / 2**LEVEL - 180, (row + north) * 180 / 64 / 2**LEVEL - 90,
            relief.heights(column + right, row + north, LEVEL),
        )
        for right, north in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]  # fmt: skip
    true = np.cross(around[0] - around[1], around[2] - around[3])
    true /= np.linalg.norm(true, axis=1)[:, None]
    assert (np.sum(true * meant, axis=1) > 0.999).all()
    # and the faces look where their vertices do
    points = drawn.points[drawn.triangles]
    faces = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    faces /= np.linalg.norm(faces, axis=1)[:, None]
    assert np.sum(faces * normal[drawn.triangles[:, 0]], axis=1).mean() > 0.97


def test_beyond_the_rasters_the_ground_goes_on_as_at_their_border(relief: Relief) -> None:
    column = np.array([(180 + 179) * 64 * 2**LEVEL // 180])
    row = np.array([int((90 + 23.3) * 64 * 2**LEVEL / 180)])
    far = relief.heights(column, row, LEVEL)
    border = relief.ground.heights(np.array([BOX[2]]), row * 180 / 64 / 2**LEVEL - 90)
    assert far == pytest.approx(border - 4.0)


def test_no_horizon_hides_a_point_that_can_be_seen() -> None:
    rng = np.random.default_rng(5)
    lon, lat = 10 + rng.random(50) * 2, 47 + rng.random(50) * 2
    points = ecef.from_geodetic(lon, lat, rng.random(50) * 4000)
    hidden = quantized.horizon_point(points.mean(axis=0), points)
    radii = np.array([ecef.SEMI_MAJOR] * 2 + [ecef.SEMI_MAJOR * (1 - ecef.FLATTENING)])

    def visible(eye: np.ndarray, target: np.ndarray) -> bool:
        toward, far = target - eye, float(eye @ eye) - 1
        depth = -float(toward @ eye)
        return not (depth > far and depth**2 / float(toward @ toward) > far)

    seen = 0
    for angle in np.linspace(0, 180, 200):
        eye = ecef.from_geodetic(np.array([11.0 + angle]), np.array([48.0]), np.array([3e5]))[0]
        if any(visible(eye / radii, point / radii) for point in points):
            seen += 1
            assert visible(eye / radii, hidden)
        elif angle > 60:
            assert not visible(eye / radii, hidden)
    assert 5 < seen < 100


def test_a_plain_of_one_height_is_written_too() -> None:
    assert quantized.quantized(np.array([40, 40]), UNIT)[:2] == (5.0, 5.0)
    assert unit_for(0) == 2.0**-6
    assert level_for(1e9) == 0
