"""Lines of tiles, as a reader finds them: rings and the edges of walls, each of them once."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import assume, given
from hypothesis import strategies as st

from cim.crs.ecef import Frame
from tiling.check.reading import Glb, parse_content
from tiling.city.layers import BUILDINGS, UNITS, Layer
from tiling.city.tile import build_tile
from tiling.formats.tiles3d import place
from tiling.formats.tree import Key, columns_rows, interleave
from tiling.shapes.mesh import Reason, prisms

HERE = (113.75, 23.02)
DEGREE = 111_000.0
LEVEL = 17
KEY = Key(LEVEL, int(interleave(*columns_rows(np.array([HERE[0]]), np.array([HERE[1]]), LEVEL))[0]))
NAME = "EXT_mesh_primitive_edge_visibility"
HIDDEN, HARD = 0, 2

Corner = tuple[int, int, int]
Line = tuple[Corner, Corner]


def tile(layer: Layer, *shapes: shapely.Geometry, solid: shapely.Geometry | None = None) -> Glb:
    """A tile of outlines in metres, 12 m high."""
    count = len(shapes)
    rows = {
        "id": np.arange(count) + 1,
        "outline": [shapely.to_wkb(moved(shape)) for shape in shapes],
        "bottom": np.zeros(count),
        "top": np.full(count, 12.0),
        "shift": np.zeros(count),
        "height": [12.0] * count,
        "floors": [4] * count,
        "year": [2000] * count,
        "generated": [False] * count,
    }
    rows |= {name: ["residential"] * count for name in ("use", "kind")}
    rows |= {"state": ["existing"] * count, "storey_no": np.ones(count, int)}
    rows |= {name: np.ones(count, int) for name in ("storey_id", "building_id")}
    if solid is not None:
        rows["solid"] = [shapely.to_wkb(moved(solid))] + [None] * (count - 1)
    lists = {"building_use": ("residential",), "unit_kind": ("residential",)}
    return parse_content(build_tile(layer, layer.table(lists), KEY, rows).content)


def moved(shape: shapely.Geometry) -> shapely.Geometry:
    def degrees(points: np.ndarray) -> np.ndarray:
        points = points.copy()
        points[:, :2] = points[:, :2] / DEGREE + HERE
        return points

    return shapely.transform(shape, degrees, include_z=shape.has_z)


def lines(glb: Glb) -> list[Line]:
    """What a reader draws: the ends, in steps, of each edge that is to be seen."""
    primitive = glb.document["meshes"][0]["primitives"][0]
    triangles = glb.accessor(primitive["indices"]).reshape(-1, 3)
    positions = glb.accessor(primitive["attributes"]["POSITION"]).astype(int)
    bits = np.unpackbits(
        glb.accessor(primitive["extensions"][NAME]["visibility"]), bitorder="little"
    )
    assert bits.size == -(-6 * len(triangles) // 8) * 8 and not bits[6 * len(triangles) :].any()
    codes = bits[: 6 * len(triangles)].reshape(-1, 3, 2) @ [1, 2]
    assert set(np.unique(codes)) <= {HIDDEN, HARD}
    found = []
    for triangle, edge in np.argwhere(codes == HARD).tolist():
        ends = triangles[triangle, edge], triangles[triangle, (edge + 1) % 3]
        one, other = sorted(tuple(positions[end].tolist()) for end in ends)
        found.append((one, other))
    return found


def expected(*shapes: shapely.Geometry) -> tuple[int, int, int]:
    """How many lines lie along rings, how many stand at corners that turn by 15 degrees, and how
    many corners are too near to that."""
    along = upright = doubtful = 0
    for shape in shapes:
        for part in getattr(shape, "geoms", [shape]):
            for ring in (part.exterior, *part.interiors):
                steps = np.diff(np.array(ring.coords), axis=0)
                after = np.roll(steps, -1, axis=0)
                cross = steps[:, 0] * after[:, 1] - steps[:, 1] * after[:, 0]
                turn = np.degrees(np.arctan2(cross, (steps * after).sum(axis=1)))
                doubtful += int((np.abs(np.abs(turn) - 15) < 1).sum())
                along += 2 * len(steps)
                upright += int((np.abs(turn) > 15).sum())
    return along, upright, doubtful


@st.composite
def outlines(draw: st.DrawFn) -> shapely.Polygon:
    """Stars of few and many corners, some with a courtyard."""
    corners = draw(st.integers(3, 12))
    reach = draw(st.lists(st.sampled_from([9.0, 14.0, 20.0]), min_size=corners, max_size=corners))
    angles = np.arange(corners) * 2 * np.pi / corners
    ring = np.array(reach)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    hole = [shapely.box(-1, -1, 1, 1).exterior.coords] if draw(st.booleans()) else []
    return shapely.Polygon(ring, hole)


@given(st.lists(outlines(), min_size=1, max_size=3), st.sampled_from([BUILDINGS, UNITS]))
def test_lines_are_the_rings_and_the_edges_between_walls_each_once(
    shapes: list[shapely.Polygon], layer: Layer
) -> None:
    along, upright, doubtful = expected(*shapes)
    assume(not doubtful)
    apart = [shapely.affinity.translate(shape, 60.0 * n) for n, shape in enumerate(shapes)]
    drawn = lines(tile(layer, *apart))
    assert max(Counter(drawn).values()) == 1
    # glTF is y up: a line along a ring stays on its height, one between walls on its place.
    level = [one for one in drawn if one[0][1] == one[1][1]]
    assert (len(level), len(drawn) - len(level)) == (along, upright)
    places = ring_lines(apart)
    assert {tuple(sorted(((x, z), (u, w)))) for (x, _, z), (u, _, w) in level} == places
    for low, high in (one for one in drawn if one[0][1] != one[1][1]):
        assert (low[0], low[2]) == (high[0], high[2])


def ring_lines(shapes: list[shapely.Polygon]) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    """Sides of rings as they lie in the tile, in steps from its corner."""
    made = prisms(
        [shapely.to_wkb(moved(shape)) for shape in shapes],
        np.zeros(len(shapes)),
        np.full(len(shapes), 12.0),
        place(KEY),
        closed=False,
    )
    assert set(made.reasons.tolist()) == {Reason.FINE}
    low, high = made.mesh.positions.min(axis=0), made.mesh.positions.max(axis=0)
    frame: Frame = place(KEY)
    found = set()
    for shape in shapes:
        for ring in (shape.exterior, *shape.interiors):
            degrees = shapely.get_coordinates(moved(shapely.LinearRing(ring)))
            ground, up = frame.place(degrees[:, 0], degrees[:, 1])
            assert np.abs(12.0 * up[:, :2]).max() < 0.005  # so near the middle, tops do not lean
            steps = np.rint(ground / 0.01).astype(int)
            flat = [(x - int(low[0]), int(high[1]) - y) for x, y, _ in steps.tolist()]
            found |= {tuple(sorted(pair)) for pair in pairwise(flat)}
    return found


def test_a_round_tower_has_rings_and_no_lines_up_its_wall() -> None:
    tower = shapely.Point(0, 0).buffer(15, quad_segs=16)
    assert len(lines(tile(BUILDINGS, tower))) == 2 * 64


def test_a_corner_on_a_straight_side_is_no_line() -> None:
    box = shapely.Polygon([(0, 0), (5, 0), (10, 0), (10, 10), (0, 10)])
    assert len(lines(tile(BUILDINGS, box))) == 2 * 5 + 4


def house(width: float = 10.0) -> shapely.Geometry:
    """A gable roof whose one slope is cut in two pieces that lie in one plane."""
    low = [(0, 0, 0), (width, 0, 0), (width, 8, 0), (0, 8, 0)]
    high = [(x, y, 6.0) for x, y, _ in low]
    ridge = [(0, 4, 9.0), (width, 4, 9.0)]
    half = width / 2
    faces = [
        low[::-1],
        [low[0], low[1], high[1], high[0]],
        [low[2], low[3], high[3], high[2]],
        [low[1], low[2], high[2], ridge[1], high[1]],
        [low[3], low[0], high[0], ridge[0], high[3]],
        [high[0], (half, 0, 6.0), (half, 4, 9.0), ridge[0]],
        [(half, 0, 6.0), high[1], ridge[1], (half, 4, 9.0)],
        [high[2], high[3], ridge[0], ridge[1]],
    ]
    return shapely.multipolygons([shapely.Polygon(face) for face in faces])


def test_a_solid_has_the_edges_between_its_surfaces_but_none_between_two_in_one_plane() -> None:
    drawn = lines(tile(BUILDINGS, shapely.box(0, 0, 10, 8), solid=house()))
    assert max(Counter(drawn).values()) == 1
    # 4 below, 4 up the corners, 4 slanting, 2 eaves and the ridge; where one of two faces has a
    # corner in the middle of a side, that side is there whole and in halves: an eave, the ridge.
    assert len(drawn) == 4 + 4 + 4 + 2 + 1 + 2 + 2
    half = [one for one in drawn if one[0][0] == one[1][0] and one[0][1] != one[1][1]]
    assert len({one[0][0] for one in half if one[0][2] != one[1][2]}) == 2  # gables, not the middle


@pytest.mark.parametrize("layer", [BUILDINGS, UNITS])
def test_a_tile_without_lines_is_the_same_but_for_them(layer: Layer) -> None:
    shapes = [shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 25)]
    with_lines = tile(layer, *shapes)
    plain = tile(replace(layer, outlined=False), *shapes)
    primitive = plain.document["meshes"][0]["primitives"][0]
    assert NAME not in primitive["extensions"] and NAME not in plain.document["extensionsUsed"]
    assert NAME in with_lines.document["extensionsUsed"]
    for number in range(len(plain.document["accessors"])):
        assert (plain.accessor(number) == with_lines.accessor(number)).all()
