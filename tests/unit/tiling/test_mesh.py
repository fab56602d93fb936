"""Prisms, judged by trimesh: closed, outward, and as large as area times height says."""

import struct

import numpy as np
import pytest
import shapely
import trimesh
from hypothesis import example, given
from hypothesis import strategies as st

from cim.crs.ecef import Frame
from cim.geometry.wkb import Blobs
from tiling.shapes.mesh import FULL, GRID, Prisms, Reason, prisms
from tiling.shapes.standing import STRAY

HERE = Frame(113.75, 23.02)
DEGREE = 111_000.0


def place(shape: shapely.Geometry) -> shapely.Geometry:
    """A shape in metres as degrees about HERE."""
    return shapely.transform(shape, lambda points: points / DEGREE + [113.75, 23.02])


def raised(*shapes: shapely.Geometry, height: float = 10.0, closed: bool = True) -> Prisms:
    bottom = np.zeros(len(shapes))
    wkb = [shapely.to_wkb(place(shape)) for shape in shapes]
    return prisms(wkb, bottom, bottom + height, HERE, closed=closed)


def positions(made: Prisms) -> np.ndarray:
    """Metres."""
    return made.mesh.positions * GRID


def normals(made: Prisms) -> np.ndarray:
    return made.mesh.normals / FULL


def solid(made: Prisms) -> trimesh.Trimesh:
    mesh = trimesh.Trimesh(positions(made), made.mesh.triangles, process=False)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


def plan_areas(made: Prisms, count: int) -> np.ndarray:
    """Area of each feature's undersides, as triangles in the frame's plane."""
    triangles = made.mesh.triangles
    down = triangles[normals(made)[triangles[:, 0], 2] < -0.9]
    a, b, c = (positions(made)[down[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.bincount(made.mesh.features[down[:, 0]], area, minlength=count)


def plan_area(made: Prisms) -> float:
    """The same of all of them."""
    return float(plan_areas(made, 1).sum())


def rises(made: Prisms) -> np.ndarray:
    """Metres from each feature's underside up to its roof, the same at each of its corners."""
    upward, downward = (made.mesh.normals[:, 2] == FULL * side for side in (1, -1))
    rise = (made.mesh.positions[upward] - made.mesh.positions[downward])[:, 2]
    features = made.mesh.features[upward]
    found = rise[np.unique(features, return_index=True)[1]]
    assert np.array_equal(rise, found[features])
    return found * GRID


SHAPES = {
    "square": shapely.box(0, 0, 10, 10),
    "clockwise": shapely.box(0, 0, 10, 10, ccw=False),
    "L": shapely.Polygon([(0, 0), (20, 0), (20, 5), (5, 5), (5, 20), (0, 20)]),
    "U": shapely.Polygon([(0, 0), (20, 0), (20, 20), (15, 20), (15, 5), (5, 5), (5, 20), (0, 20)]),
    "courtyard": shapely.box(0, 0, 30, 30).difference(shapely.box(10, 10, 20, 20)),
    "two courtyards": shapely.Polygon(
        shapely.box(0, 0, 30, 30).exterior.coords,
        [shapely.box(2, 2, 9, 9).exterior.coords, shapely.box(15, 15, 22, 28).exterior.coords],
    ),
    "needle": shapely.Polygon([(0, 0), (50, 0.2), (50, 0.4)]),
    "round": shapely.Point(0, 0).buffer(20, quad_segs=700),
    "ten thousand corners": shapely.Polygon(
        [
            ((300 + i % 2) * np.cos(i * np.pi / 5000), (300 + i % 2) * np.sin(i * np.pi / 5000))
            for i in range(10_000)
        ]
    ),
    "two towers": shapely.MultiPolygon([shapely.box(0, 0, 5, 5), shapely.box(9, 9, 15, 15)]),
    "repeated corners": shapely.Polygon([(0, 0), (0, 0), (9, 0), (9, 0), (9, 9), (0, 9), (0, 9)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_prism_is_closed_and_its_volume_is_area_times_height(name: str) -> None:
    made = raised(SHAPES[name])
    assert made.reasons.tolist() == [Reason.FINE]
    mesh = solid(made)
    assert mesh.is_watertight and mesh.is_winding_consistent
    metres = SHAPES[name].area * np.cos(np.radians(23.02)) * 111_319.49 * 110_750 / DEGREE**2
    rounding = SHAPES[name].length * GRID / 2 * 10
    assert mesh.volume == pytest.approx(metres * 10, rel=2e-3, abs=rounding)


@st.composite
def star(draw: st.DrawFn) -> shapely.Polygon:
    """A polygon round the origin with any radius in any direction, a hole in some."""
    radii = draw(st.lists(st.floats(3, 60), min_size=3, max_size=40))
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    holes = [ring * 0.9] if len(radii) > 6 and draw(st.booleans()) else []
    return shapely.Polygon(ring * np.array(radii)[:, None], holes)


@given(st.lists(star(), min_size=1, max_size=5), st.floats(0.5, 300))
def test_any_outlines_become_closed_solids_facing_outward(
    shapes: list[shapely.Polygon], height: float
) -> None:
    apart = [
        shapely.transform(shape, lambda points, n=number: points + np.array([200.0 * n, 0]))
        for number, shape in enumerate(shapes)
    ]
    made = raised(*apart, height=height)
    assert (made.reasons == Reason.FINE).all()
    mesh = solid(made)
    rise = rises(made)
    assert np.abs(rise - height).max() <= GRID
    assert mesh.volume == pytest.approx(plan_areas(made, len(shapes)) @ rise, rel=1e-6)
    face = mesh.face_normals
    given_normals = normals(made)[made.mesh.triangles[:, 0]]
    wide = mesh.area_faces > 1e-6
    assert (np.einsum("ij,ij->i", face, given_normals)[wide] > 0.99).all()
    assert np.array_equal(np.unique(made.mesh.features), np.arange(len(shapes)))


def corners_in_frame(shape: shapely.Geometry, heights: tuple[float, ...]) -> np.ndarray:
    """Where corners are on the ellipsoid at each height, in metres of the frame."""
    ground, up = HERE.place(*shapely.get_coordinates(place(shape)).T)
    return np.concatenate([ground + height * up for height in heights])


def farthest(made: Prisms, true: np.ndarray) -> float:
    """How far the vertex that is farthest off is from the nearest true corner, and back."""
    apart = np.linalg.norm(true[:, None] - positions(made)[None], axis=2)
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))


@given(star(), st.floats(-3000, 3000), st.floats(-40, 80), st.floats(1, 300))
def test_a_roof_is_its_underside_moved_and_no_corner_strays(
    shape: shapely.Polygon, east: float, bottom: float, height: float
) -> None:
    """Three kilometres from the tile's middle a tower's top is 14 cm further out than its foot."""
    there = shapely.transform(shape, lambda points: points + np.array([east, 0.0]))
    made = prisms([shapely.to_wkb(place(there))], np.full(1, bottom), np.full(1, bottom + height),
                  HERE, closed=True)  # fmt: skip
    upward, downward = (made.mesh.normals[:, 2] == FULL * side for side in (1, -1))
    move = made.mesh.positions[upward] - made.mesh.positions[downward]
    assert len(np.unique(move, axis=0)) == 1
    assert farthest(made, corners_in_frame(there, (bottom, bottom + height))) < STRAY


def test_a_long_viaduct_follows_the_ellipsoid_corner_by_corner() -> None:
    deck = shapely.segmentize(shapely.box(0, 0, 9000, 30), 500)
    made = prisms([shapely.to_wkb(place(deck))], np.full(1, 90.0), np.full(1, 95.0),
                  HERE, closed=True)  # fmt: skip
    assert farthest(made, corners_in_frame(deck, (90.0, 95.0))) < GRID * np.sqrt(3) / 2


def test_flats_of_one_building_share_their_corners_wherever_they_are() -> None:
    flats = [shapely.box(x, 0, x + 7.3, 11.1) for x in np.arange(0, 73, 7.3) + 4000]
    outlines = [shapely.to_wkb(place(flat)) for flat in flats]
    ends = np.full(len(flats), 291.0), np.full(len(flats), 294.0)
    of = np.zeros(len(flats), int)
    made = prisms(outlines, *ends, HERE, closed=True, groups=of)
    assert len(np.unique(made.mesh.positions, axis=0)) == 4 * (len(flats) + 1)


def test_a_building_without_an_underside_has_the_same_walls_and_roof() -> None:
    whole, open_below = raised(SHAPES["U"]), raised(SHAPES["U"], closed=False)
    kept = len(open_below.mesh.positions)
    assert np.array_equal(whole.mesh.positions[:kept], open_below.mesh.positions)
    assert open_below.mesh.normals[:, 2].min() > -0.01


def corner_at(longitude: float) -> bytes:
    """A triangle with a corner there, as the bytes say it: shapely would not write it."""
    head = struct.pack("<BIII", 1, 3, 1, 4)
    return head + struct.pack("<8d", 113.75, 23.02, longitude, 23.02, 113.76, 23.03, 113.75, 23.02)


@pytest.mark.parametrize(
    ("outline", "bottom", "top", "reason"),
    [
        (None, 0, 9, Reason.NO_OUTLINE),
        (b"nonsense", 0, 9, Reason.NO_OUTLINE),
        (shapely.to_wkb(shapely.Point(113.75, 23.02)), 0, 9, Reason.NO_OUTLINE),
        (shapely.to_wkb(shapely.Polygon()), 0, 9, Reason.NO_OUTLINE),
        (shapely.to_wkb(place(SHAPES["square"])), 9, 9, Reason.NO_HEIGHT),
        (shapely.to_wkb(place(SHAPES["square"])), 9, 0, Reason.NO_HEIGHT),
        (shapely.to_wkb(place(SHAPES["square"])), np.nan, 9, Reason.NO_ELEVATION),
        (shapely.to_wkb(place(shapely.box(0, 0, 0, 5))), 0, 9, Reason.NO_AREA),
        (shapely.to_wkb(place(shapely.box(0, 0, 1e-3, 1e-3))), 0, 9, Reason.NO_AREA),
        (shapely.to_wkb(shapely.box(113.7, 23, 114.5, 23.1)), 0, 9, Reason.TOO_WIDE),
        (shapely.to_wkb(shapely.box(95, 23, 130, 23.1)), 0, 9, Reason.TOO_WIDE),
        (shapely.to_wkb(shapely.box(-179.9, 23, 179.9, 23.1)), 0, 9, Reason.NOWHERE),
        (shapely.to_wkb(shapely.box(179.9, 23, 180.1, 23.1)), 0, 9, Reason.NOWHERE),
        (shapely.to_wkb(shapely.box(113, 89, 114, 91)), 0, 9, Reason.NOWHERE),
        (corner_at(np.nan), 0, 9, Reason.NOWHERE),
        (corner_at(np.inf), 0, 9, Reason.NOWHERE),
        (shapely.to_wkb(place(SHAPES["square"])), 0, 1e6, Reason.TOO_HIGH),
        (shapely.to_wkb(place(SHAPES["square"])), 0, np.inf, Reason.NO_ELEVATION),
    ],
)
def test_what_cannot_be_raised_is_left_out_with_its_reason_and_stops_nobody(
    outline: bytes | None, bottom: float, top: float, reason: Reason
) -> None:
    good = shapely.to_wkb(place(SHAPES["L"]))
    made = prisms(
        [good, outline, good],
        np.array([0, bottom, 0.0]),
        np.array([9, top, 9.0]),
        HERE,
        closed=True,
    )
    assert made.reasons.tolist() == [Reason.FINE, reason, Reason.FINE]
    assert np.unique(made.mesh.features).tolist() == [0, 1]
    assert solid(made).volume == pytest.approx(2 * solid(raised(SHAPES["L"], height=9)).volume)


def test_an_outline_that_crosses_itself_is_left_out_or_filled_but_never_half_of_either() -> None:
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 11)])
    pentagram = shapely.Polygon(
        [(np.cos(turn), np.sin(turn)) for turn in np.arange(5) * 4 * np.pi / 5]
    )
    made = raised(bow, pentagram, SHAPES["square"])
    assert made.reasons[2] == Reason.FINE
    assert set(made.reasons[:2].tolist()) <= {Reason.FINE, Reason.NO_ROOF}
    assert made.mesh.features.max() == (made.reasons == Reason.FINE).sum() - 1


@given(
    st.lists(
        st.tuples(st.integers(-40, 40), st.integers(-40, 40)) | st.sampled_from([(0, 0), (9, 9)]),
        min_size=3,
        max_size=12,
    )
)
@example([(0, -10), (0, 10), (20, 10), (0, 0), (10, 10)])  # turns left everywhere, and twice round
@example([(10, 0), (0, 10), (0, 0), (10, 0), (0, 10), (0, 0)])
def test_scribble_becomes_a_whole_solid_or_is_named(scribble: list[tuple[int, int]]) -> None:
    shape = shapely.Polygon(scribble)
    made = raised(shape, SHAPES["square"])
    assert made.reasons[1] == Reason.FINE
    if made.reasons[0] != Reason.FINE:
        assert made.reasons[0] in (Reason.NO_ROOF, Reason.NO_AREA)
        return
    alone = raised(shape)
    plan = shapely.transform(
        place(shape), lambda p: np.rint(HERE.place(p[:, 0], p[:, 1])[0][:, :2] / GRID) * GRID
    )
    meant = [shapely.make_valid(plan, method=how).area for how in ("linework", "structure")]
    rounding = shape.length * GRID
    assert any(plan_area(alone) == pytest.approx(true, rel=0.012, abs=rounding) for true in meant)


def test_walls_a_step_wide_have_a_normal_wherever_their_foot_is() -> None:
    """Far from the tile's middle, below the ellipsoid, corners a step apart fall together."""
    starts = np.arange(470, 480, 0.0031)
    notched = [
        shapely.Polygon([(x, 0), (x + 9, 0), (x + 9, 9), (x + 0.01, 9), (x + 0.01, 5), (x, 5)])
        for x in starts
    ]
    outlines = [shapely.to_wkb(place(shape)) for shape in notched]
    bottom = np.full(len(outlines), -33.0)
    made = prisms(outlines, bottom, bottom + 12, HERE, closed=False)
    assert np.abs(np.linalg.norm(normals(made), axis=1) - 1).max() < 0.02


def test_a_house_near_the_pole_is_a_house() -> None:
    far = Frame(10.0, 89.9)
    box = shapely.box(9.98, 89.9, 10.02, 89.9001)
    made = prisms([shapely.to_wkb(box)], np.zeros(1), np.full(1, 5.0), far, closed=True)
    assert made.reasons.tolist() == [Reason.FINE]
    across = 0.04 * np.pi / 180 * np.cos(np.radians(89.90005)) * 6_399_594
    assert solid(made).volume == pytest.approx(across * 0.0001 * 111_694 * 5, rel=2e-3)


def test_a_ring_round_the_pole_is_named() -> None:
    ring = [(longitude, 89.9999) for longitude in range(-180, 180, 20)]
    made = prisms([shapely.to_wkb(shapely.Polygon(ring))], np.zeros(1), np.ones(1),
                  Frame(0.1, 89.9), closed=True)  # fmt: skip
    assert made.reasons.tolist() == [Reason.NOWHERE]


def test_features_that_share_an_outline_are_laid_out_once_and_stand_apart() -> None:
    outlines = [shapely.to_wkb(place(SHAPES[name])) for name in ("L", "two towers", "courtyard")]
    stored = np.frombuffer(b"".join(outlines), np.uint8)
    ends = np.cumsum([len(wkb) for wkb in outlines])
    starts = ends - [len(wkb) for wkb in outlines]
    rows = np.array([1, 0, 1, 2, 1])
    shared = Blobs(stored, starts[rows], ends[rows])
    bottom = np.arange(5) * 3.0
    top = bottom + np.array([3.0, 0.0, 3.0, 3.0, 3.0])  # the second has no height
    once = prisms(shared, bottom, top, HERE, closed=True)
    apart = prisms(list(shared), bottom, top, HERE, closed=True)
    assert once.reasons.tolist() == apart.reasons.tolist() == [0, Reason.NO_HEIGHT, 0, 0, 0]
    assert once.region == apart.region
    for name in ("positions", "normals", "features", "triangles"):
        assert np.array_equal(getattr(once.mesh, name), getattr(apart.mesh, name)), name


def test_a_thorn_thinner_than_a_hair_is_cut_off() -> None:
    thorn = [(-10.78, 0), (-10.78, -9.9), (-8e-6, -9.9), (-2.5e-5, -19.8), (0, 0)]
    made = raised(shapely.Polygon(thorn))
    assert made.reasons.tolist() == [Reason.FINE]
    assert solid(made).is_watertight
    assert solid(made).volume == pytest.approx(
        solid(raised(shapely.box(-10.78, -9.9, 0, 0))).volume
    )


def test_the_region_is_that_of_the_features_that_have_a_mesh() -> None:
    made = prisms(
        [shapely.to_wkb(shapely.box(1, 1, 1.1, 1.2)), shapely.to_wkb(shapely.box(1, 1, 1.5, 1.5))],
        np.array([3.0, 7.0]),
        np.array([9.0, 7.0]),
        Frame(1.0, 1.0),
        closed=False,
    )
    assert made.region[:4] == pytest.approx((1.0, 1.0, 1.1, 1.2), abs=3e-7)
    assert made.region[4:] == pytest.approx((3.0, 9.0), abs=2 * STRAY)
