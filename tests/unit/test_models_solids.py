"""What is cut from a solid agrees with what it holds, however its faces are turned."""

import numpy as np
import pytest
import shapely
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from cim.load.models import solids

Mesh = tuple[solids.Vertices, solids.Faces]


def extruded(outline: shapely.Polygon, height: float, bottom: float = 0.0) -> Mesh:
    mesh = trimesh.creation.extrude_polygon(outline, height, engine="earcut")
    lifted = np.asarray(mesh.vertices) + np.array([0, 0, bottom])
    return lifted, np.asarray(mesh.faces, np.int64)


def house(width: float, depth: float, eaves: float, ridge: float) -> Mesh:
    """A box under a gable roof."""
    profile = np.array([[0, 0], [depth, 0], [depth, eaves], [depth / 2, ridge], [0, eaves]])
    front = np.column_stack([np.zeros(5), profile])
    back = np.column_stack([np.full(5, width), profile])
    sides = [(n, (n + 1) % 5) for n in range(5)]
    walls = [t for a, b in sides for t in ((a, b, b + 5), (a, b + 5, a + 5))]
    gables = [t for n in (1, 2, 3) for t in ((0, n + 1, n), (5, 5 + n, 6 + n))]
    return np.vstack([front, back]).astype(float), np.array(walls + gables, np.int64)


L_SHAPE = shapely.Polygon([(0, 0), (8, 0), (8, 3), (3, 3), (3, 6), (0, 6)])


def test_a_section_of_a_prism_is_its_outline_and_not_its_box() -> None:
    vertices, faces = extruded(L_SHAPE, 2.8, bottom=3.1)
    cut = solids.section(vertices, faces, 4.5)
    assert shapely.symmetric_difference(cut, L_SHAPE).area == pytest.approx(0, abs=1e-6)
    assert solids.volume(vertices, faces) == pytest.approx(L_SHAPE.area * 2.8)


def test_a_court_in_a_solid_stays_a_hole() -> None:
    ring = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))
    vertices, faces = extruded(ring, 3.0)
    cut = solids.section(vertices, faces, 1.0)
    assert cut.area == pytest.approx(96) and len(cut.interiors) == 1
    assert solids.volume(vertices, faces) == pytest.approx(288)


def test_faces_turned_at_random_change_neither_volume_nor_section() -> None:
    vertices, faces = extruded(L_SHAPE, 2.8)
    turned = faces.copy()
    turned[::3] = turned[::3, ::-1]
    assert solids.volume(vertices, turned) == pytest.approx(L_SHAPE.area * 2.8)
    assert solids.section(vertices, turned, 1.4).area == pytest.approx(L_SHAPE.area)


def test_corners_that_are_not_shared_are_welded() -> None:
    vertices, faces = extruded(L_SHAPE, 2.8)
    soup = vertices[faces].reshape(-1, 3)
    loose = np.arange(len(soup)).reshape(-1, 3)
    assert solids.volume(soup, loose) == pytest.approx(L_SHAPE.area * 2.8)


def test_an_open_solid_is_measured_by_its_sections() -> None:
    vertices, faces = extruded(shapely.box(0, 0, 4, 5), 3.0)
    top = (vertices[faces][:, :, 2] > 2.9).all(axis=1)
    assert solids.volume(vertices, faces[~top]) == pytest.approx(60, rel=1e-3)


def test_two_bodies_of_one_room_both_count() -> None:
    one, two = extruded(shapely.box(0, 0, 2, 2), 3.0), extruded(shapely.box(5, 0, 6, 2), 3.0)
    vertices = np.vstack([one[0], two[0]])
    faces = np.vstack([one[1], two[1] + len(one[0])])
    assert solids.volume(vertices, faces) == pytest.approx(18)
    assert len(shapely.get_parts(solids.section(vertices, faces, 1.5))) == 2


@given(st.floats(2, 30), st.floats(2, 30), st.floats(0.5, 4), st.floats(0.5, 6))
def test_under_a_roof_the_mean_section_holds_what_the_solid_holds(
    width: float, depth: float, eaves: float, rise: float
) -> None:
    vertices, faces = house(width, depth, eaves, eaves + rise)
    content = solids.volume(vertices, faces)
    assert content == pytest.approx(width * depth * (eaves + rise / 2), rel=1e-9)
    cut, _ = solids.mean_section(vertices, faces, content)
    assert cut.area * (eaves + rise) == pytest.approx(content, rel=0.01)


def test_a_plane_through_corners_or_beside_the_solid_is_no_trouble() -> None:
    vertices, faces = extruded(L_SHAPE, 3.0)
    assert solids.section(vertices, faces, 0.0).area == pytest.approx(L_SHAPE.area)
    assert solids.section(vertices, faces, 9.0).is_empty
    assert solids.footprint(vertices, faces).area == pytest.approx(L_SHAPE.area)
