"""Solids as triangles: each surface in its plane, outward, and what cannot be drawn is named."""

import struct
from typing import Any

import numpy as np
import pytest
import shapely

from cim.crs.ecef import Frame
from tiling.shapes.mesh import GRID, Mesh, Reason
from tiling.shapes.solids import Solids, drawn, solids

LON, LAT = 113.75, 23.02
FRAME = Frame(LON, LAT)
DEGREE = 111_000.0

RING = [(0.0, 0.0), (10.0, 0.0), (10.0, 8.0), (0.0, 8.0)]
GABLED = [
    [(x, y, 0.0) for x, y in RING[::-1]],
    [(0, 0, 0), (10, 0, 0), (10, 0, 5), (0, 0, 5)],
    [(10, 8, 0), (0, 8, 0), (0, 8, 5), (10, 8, 5)],
    [(10, 0, 0), (10, 8, 0), (10, 8, 5), (10, 4, 8), (10, 0, 5)],
    [(0, 8, 0), (0, 0, 0), (0, 0, 5), (0, 4, 8), (0, 8, 5)],
    [(0, 0, 5), (10, 0, 5), (10, 4, 8), (0, 4, 8)],
    [(10, 8, 5), (0, 8, 5), (0, 4, 8), (10, 4, 8)],
]
"""A house with its ridge at 8 m; faces run counter-clockwise from outside."""

VOLUME = 10 * 8 * 5 + 10 * 8 * 3 / 2


def surfaces(faces: list[Any], lift: float = 0.0) -> bytes:
    """Faces in metres about the frame's origin, or (outer, holes …), as WKB in degrees."""
    east = DEGREE * np.cos(np.radians(LAT))

    def placed(ring: Any) -> list[tuple[float, float, float]]:
        return [(LON + x / east, LAT + y / DEGREE, z + lift) for x, y, z in ring]

    polygons = []
    for face in faces:
        outer, *holes = face if isinstance(face[0], list) else [face]
        polygons.append(shapely.Polygon(placed(outer), [placed(hole) for hole in holes]))
    wkb: bytes = shapely.to_wkb(shapely.multipolygons(polygons), output_dimension=3)
    return wkb


def made(*wkb: bytes | None, mesh: bool = False, shift: float = 0.0) -> Solids:
    count = len(wkb)
    return solids(list(wkb), np.full(count, mesh), np.full(count, shift), FRAME)


def corners(mesh: Mesh) -> np.ndarray[Any, Any]:
    """Corners of the triangles in metres, shape (m, 3, 3)."""
    return mesh.positions[mesh.triangles].astype(float) * GRID


def volume(mesh: Mesh) -> float:
    a, b, c = corners(mesh).swapaxes(0, 1)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def outward(mesh: Mesh) -> bool:
    """Whether each triangle runs counter-clockwise about its vertices' normal."""
    a, b, c = corners(mesh).swapaxes(0, 1)
    normals = mesh.normals[mesh.triangles].astype(float)
    assert (normals == normals[:, :1]).all()  # flat
    return bool((np.einsum("ij,ij->i", np.cross(b - a, c - a), normals[:, 0]) > 0).all())


def test_a_gabled_house_is_drawn_with_its_roof() -> None:
    found = made(surfaces(GABLED))
    assert found.reasons.tolist() == [Reason.FINE]
    assert len(found.mesh.triangles) == 2 * 5 + 3 * 2
    assert volume(found.mesh) == pytest.approx(VOLUME, rel=0.01)
    assert outward(found.mesh)
    assert found.region is not None
    assert (found.region[4], found.region[5]) == pytest.approx((0.0, 8.0), abs=0.03)


def test_heights_are_moved_up_to_the_ellipsoid() -> None:
    found = made(surfaces(GABLED, lift=30.0), shift=-4.0)
    assert found.region is not None
    assert (found.region[4], found.region[5]) == pytest.approx((26.0, 34.0), abs=0.03)
    assert found.mesh.positions[:, 2].min() * GRID == pytest.approx(26.0, abs=0.02)


def test_a_house_turned_inside_out_is_put_right() -> None:
    found = made(surfaces([face[::-1] for face in GABLED]))
    assert found.reasons.tolist() == [Reason.FINE]
    assert volume(found.mesh) == pytest.approx(VOLUME, rel=0.01)
    assert outward(found.mesh)


def test_faces_that_disagree_are_put_right() -> None:
    mixed = [face[::-1] if number % 3 == 1 else face for number, face in enumerate(GABLED)]
    found = made(surfaces(mixed))
    assert found.reasons.tolist() == [Reason.FINE]
    assert volume(found.mesh) == pytest.approx(VOLUME, rel=0.01)
    assert outward(found.mesh)


def test_parts_that_face_different_ways_are_each_put_right() -> None:
    other = [[(x + 30, y, z) for x, y, z in face[::-1]] for face in GABLED]
    found = made(surfaces([*GABLED, *other]))
    assert volume(found.mesh) == pytest.approx(2 * VOLUME, rel=0.01)
    assert outward(found.mesh)


def test_a_wall_with_a_window_has_a_hole() -> None:
    window = [(3.0, 0.0, 1.0), (3.0, 0.0, 3.0), (6.0, 0.0, 3.0), (6.0, 0.0, 1.0)]
    found = made(surfaces([GABLED[0], [GABLED[1], window], *GABLED[2:]]))
    a, b, c = corners(found.mesh).swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    south = np.abs(found.mesh.normals[found.mesh.triangles[:, 0]][:, 1]) > 120
    south &= found.mesh.normals[found.mesh.triangles[:, 0]][:, 1] < 0
    assert area[south].sum() == pytest.approx(10 * 5 - 3 * 2, rel=0.01)


@pytest.mark.parametrize("left_out", [[0], [4], [0, 3]])
def test_without_its_floor_or_a_wall_to_a_neighbour_it_is_still_drawn(left_out: list[int]) -> None:
    found = made(surfaces([f for n, f in enumerate(GABLED) if n not in left_out]))
    assert found.reasons.tolist() == [Reason.FINE]
    assert outward(found.mesh)


FLAT = [[(0, 0, 0), (10, 0, 0), (10, 8, 0), (0, 8, 0)]]
ROOFLESS = GABLED[:5]
ROOF_ALONE = [GABLED[0], *GABLED[5:]]
BULGING = [*GABLED[:5], [(0, 0, 5), (10, 0, 5), (10, 4, 8), (5, 2, 9), (0, 4, 8)], GABLED[6]]
BOW_TIE = [*GABLED[:6], [(10, 8, 5), (0, 4, 8), (10, 4, 8), (0, 8, 5)]]
FAR_UP = [[(x, y, z + 50_000) for x, y, z in face] for face in GABLED]


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        (FLAT, Reason.SOLID_FLAT),
        (ROOFLESS, Reason.SOLID_OPEN),
        (ROOF_ALONE, Reason.SOLID_OPEN),
        (BULGING, Reason.SOLID_UNEVEN),
        (BOW_TIE, Reason.SOLID_CROSSED),
        (FAR_UP, Reason.SOLID_UNREADABLE),
    ],
)
def test_what_cannot_be_drawn_is_named(faces: list[Any], reason: Reason) -> None:
    found = made(surfaces(faces), surfaces(GABLED))
    assert found.reasons.tolist() == [reason, Reason.FINE]
    assert set(found.mesh.features.tolist()) == {1}
    assert reason.drawn


def test_what_is_no_surface_is_named() -> None:
    flat = shapely.to_wkb(shapely.box(LON, LAT, LON + 1e-4, LAT + 1e-4))
    torn = struct.pack("<bI", 1, 1006)
    found = made(flat, torn, None)
    unreadable = Reason.SOLID_UNREADABLE
    assert found.reasons.tolist() == [unreadable, unreadable, Reason.NO_SOLID]
    assert found.region is None


def test_a_mesh_is_taken_as_it_is() -> None:
    assert made(surfaces(ROOFLESS), mesh=True).reasons.tolist() == [Reason.FINE]


def rows(count: int, **more: Any) -> dict[str, Any]:
    square = shapely.to_wkb(shapely.box(LON, LAT, LON + 1e-4, LAT + 1e-4))
    return {"outline": [square] * count, "id": np.arange(count), "shift": np.zeros(count), **more}


def test_buildings_with_and_without_solids_stand_in_one_mesh() -> None:
    ends = np.zeros(3), np.full(3, 4.0)
    some = rows(3, solid=[None, surfaces(GABLED), surfaces(ROOFLESS)])
    found, why = drawn(some, ends, FRAME, "id", closed=False)
    assert found.reasons.tolist() == [Reason.FINE] * 3
    assert why.tolist() == [Reason.NO_SOLID, Reason.FINE, Reason.SOLID_OPEN]
    tops = [found.mesh.positions[found.mesh.features == n, 2].max() * GRID for n in range(3)]
    assert tops == pytest.approx([4.0, 8.0, 4.0], abs=0.02)
    assert found.region[5] == pytest.approx(8.0, abs=0.03)


def test_a_building_with_neither_outline_nor_solid_is_left_out() -> None:
    ends = np.zeros(2), np.full(2, 4.0)
    some = rows(2, solid=[surfaces(ROOFLESS), surfaces(GABLED)])
    some["outline"] = [None, None]
    found, _ = drawn(some, ends, FRAME, "id", closed=False)
    assert found.reasons.tolist() == [Reason.NO_OUTLINE, Reason.FINE]
    assert set(found.mesh.features.tolist()) == {0}


def test_prisms_alone_are_what_they_were() -> None:
    ends = np.zeros(2), np.full(2, 4.0)
    one, _ = drawn(rows(2), ends, FRAME, "id", closed=False)
    other, _ = drawn(rows(2, solid=[None, None]), ends, FRAME, "id", closed=False)
    for name in ("positions", "normals", "features", "triangles"):
        assert np.array_equal(getattr(one.mesh, name), getattr(other.mesh, name))
    assert one.region == other.region
