"""Meshes beside buildings: put on a place or on a footprint, again, and refused."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import trimesh
from sqlalchemy import Connection, text

from cim.errors import CimError, NotFound, SourceError
from cim.intake.bringing import bring
from cim.load import meshes, pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings
from tests.citymodels import corners, document, solid


@pytest.fixture
def building(connection: Connection, settings: Settings, tmp_path: Path) -> int:
    """A house of 10 by 8 m with a solid, its foot at 20 m."""
    item = {"type": "Building", "geometry": [solid()]}
    path = document(tmp_path / "one.city.json", {"B": item}, corners())
    pipeline.load(connection, settings, KINDS["buildings"], path)
    return int(connection.execute(text("SELECT id FROM city.building")).scalar_one())


@pytest.fixture
def load(connection: Connection, settings: Settings) -> Any:
    def run(path: Path, **ask: Any) -> Report:
        return meshes.load(connection, settings, path, Request(**ask))

    return run


def tower(path: Path, sides: tuple[float, float, float] = (10.0, 8.0, 30.0)) -> Path:
    """A box that stands on 0, z up; in glTF y is up, as it says."""
    box = trimesh.creation.box(sides)
    box.apply_translation([100.0, 50.0, sides[2] / 2])
    if path.suffix in (".glb", ".gltf"):
        box.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    if path.suffix == ".gltf":
        path.write_text(json.dumps(in_one_file(box.export(file_type="gltf"))))
    else:
        box.export(path)
    return path


def in_one_file(files: dict[str, bytes]) -> dict[str, Any]:
    """A glTF with its buffers in it."""
    whole: dict[str, Any] = json.loads(files["model.gltf"])
    for buffer in whole["buffers"]:
        data = base64.b64encode(files[buffer["uri"]]).decode()
        buffer["uri"] = f"data:application/octet-stream;base64,{data}"
    return whole


def shown(connection: Connection) -> list[tuple[Any, ...]]:
    """Kind, current, surfaces, lowest and highest z of what there is of buildings."""
    sql = """SELECT kind, is_current, ST_NumGeometries(geom), round(ST_ZMin(geom)::numeric, 3),
                    round(ST_ZMax(geom)::numeric, 3) FROM city.building_geom ORDER BY kind"""
    return [(*row[:3], float(row[3]), float(row[4])) for row in connection.execute(text(sql))]


@pytest.mark.parametrize("suffix", meshes.ENDINGS)
def test_a_mesh_of_every_format_is_laid_on_its_building(
    connection: Connection, load: Any, building: int, tmp_path: Path, suffix: str
) -> None:
    report = load(tower(tmp_path / f"tower{suffix}"), building=building)
    assert report.counts.new == 1
    assert shown(connection) == [("mesh", True, 12, 20.0, 50.0), ("solid", False, 7, 20.0, 28.0)]
    covered = """SELECT ST_Area(ST_Intersection(b.footprint, o.outline)) / ST_Area(b.footprint)
                 FROM city.building b, (SELECT ST_ConvexHull(ST_Force2D(geom)) AS outline
                 FROM city.building_geom WHERE kind = 'mesh') o"""
    assert connection.execute(text(covered)).scalar_one() > 0.99


def test_its_matrix_takes_the_file_to_the_place(
    connection: Connection, load: Any, building: int, tmp_path: Path
) -> None:
    place = connection.execute(
        text("SELECT ST_X(ST_Centroid(footprint)), ST_Y(ST_Centroid(footprint)) FROM city.building")
    ).one()
    load(tower(tmp_path / "a.glb"), at=f"{place[0]!r},{place[1]!r},25,90", building=building)
    kept = connection.execute(
        text("SELECT model_matrix, ST_AsBinary(geom) FROM city.building_geom WHERE kind = 'mesh'")
    ).one()
    matrix = np.array(kept[0]).reshape(4, 4).T
    top_south_west = matrix @ [95.0, 30.0, -46.0, 1.0]  # in glTF: x, y up, z south
    assert top_south_west[:3] == pytest.approx([-4.0, 5.0, 30.0], abs=1e-6)
    heights = shapely.get_coordinates(shapely.from_wkb(kept[1]), include_z=True)[:, 2]
    assert (heights.min(), heights.max()) == pytest.approx((25.0, 55.0))


def test_again_is_unchanged_and_another_takes_its_place(
    connection: Connection, load: Any, building: int, tmp_path: Path
) -> None:
    path = tower(tmp_path / "tower.obj")
    assert load(path, building=building).counts.new == 1
    assert load(path, building=building).counts.unchanged == 1
    assert load(tower(path, (10, 8, 40)), building=building).counts.changed == 1
    assert shown(connection)[0] == ("mesh", True, 12, 20.0, 60.0)
    said = "SELECT op, before FROM platform.change WHERE object_type = 'building' AND op = 'update'"
    assert len(connection.execute(text(said)).all()) == 2


def test_a_city_model_loaded_later_does_not_push_the_mesh_away(
    connection: Connection, settings: Settings, load: Any, building: int, tmp_path: Path
) -> None:
    load(tower(tmp_path / "tower.stl"), building=building)
    item = {"type": "Building", "geometry": [solid()]}
    path = document(tmp_path / "one.city.json", {"B": item}, corners(ridge=9.0))
    connection.execute(text("DISCARD TEMP"))
    assert pipeline.load(connection, settings, KINDS["buildings"], path).counts.changed == 1
    assert shown(connection) == [("mesh", True, 12, 20.0, 50.0), ("solid", False, 7, 20.0, 29.0)]


def test_the_file_is_kept_with_the_data_but_not_of_a_trial(
    settings: Settings, engine: Any, tmp_path: Path
) -> None:
    path = document(
        tmp_path / "one.city.json", {"B": {"type": "Building", "geometry": [solid()]}}, corners()
    )
    bring(settings, KINDS["buildings"], path, Request(), units=None, keep=True)
    with engine.connect() as connection:
        number = connection.execute(text("SELECT id FROM city.building")).scalar_one()
    mesh, ask = tower(tmp_path / "tower.ply"), Request(building=number)
    bring(settings, meshes.KIND, mesh, ask, units=None, keep=False)
    assert not (settings.data_dir / "meshes").exists()
    bring(settings, meshes.KIND, mesh, ask, units=None, keep=True)
    with engine.begin() as connection:
        uri = connection.execute(
            text("SELECT asset_uri FROM city.building_geom WHERE is_current")
        ).scalar_one()
        connection.execute(text("TRUNCATE city.building CASCADE"))
    assert (settings.data_dir / uri).read_bytes() == mesh.read_bytes()


def cut_off(path: Path) -> None:
    tower(path.with_suffix(".glb")).rename(path)
    path.write_bytes(path.read_bytes()[:200])


def a_picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))


def points_alone(path: Path) -> None:
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")


def millimetres(path: Path) -> None:
    tower(path.with_suffix(".obj"), (10_000, 8_000, 30_000)).rename(path)


def too_many(path: Path) -> None:
    trimesh.creation.icosphere(7, radius=9.0).export(path)


def no_numbers(path: Path) -> None:
    path.write_text("v nan 0 0\nv 10 0 0\nv 0 10 0\nf 1 2 3\n")


def other_file(path: Path) -> None:
    files = trimesh.creation.box((9, 9, 9)).export(file_type="gltf")
    for name, content in files.items():
        (path if name == "model.gltf" else path.with_name(name)).write_bytes(content)


def far_corner(path: Path) -> None:
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")


@pytest.mark.parametrize(
    ("name", "make", "word"),
    [
        ("cut.glb", cut_off, "damaged"),
        ("picture.stl", a_picture, "damaged|triangles"),
        ("points.obj", points_alone, "triangles"),
        ("huge.obj", millimetres, "--scale 0.001"),
        ("fine.ply", too_many, "triangles"),
        ("nan.obj", no_numbers, "damaged|triangles"),
        ("corner.obj", far_corner, "damaged"),
        ("parts.gltf", other_file, "damaged|triangles"),
    ],
)
def test_what_is_no_mesh_of_a_building_is_refused_in_a_sentence(
    load: Any, building: int, tmp_path: Path, name: str, make: Any, word: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(SourceError, match=word) as refused:
        load(tmp_path / name, building=building)
    assert name in str(refused.value) and refused.value.zh != str(refused.value)


@pytest.mark.parametrize(
    ("ask", "kind", "word"),
    [
        ({}, SourceError, "which building"),
        ({"building": 999_999}, NotFound, "999999"),
        ({"at": "10,50"}, NotFound, "No building stands"),
        ({"at": "here"}, SourceError, "LON,LAT"),
    ],
)
def test_a_mesh_without_a_building_is_refused(
    load: Any, building: int, tmp_path: Path, ask: dict[str, Any], kind: Any, word: str
) -> None:
    with pytest.raises(CimError, match=word) as refused:
        load(tower(tmp_path / "tower.obj"), **ask)
    assert isinstance(refused.value, kind)


CURRENT = "SELECT kind, lod FROM city.building_geom WHERE is_current"
LAST = """SELECT op, before FROM platform.change WHERE object_type = 'building'
          ORDER BY id DESC LIMIT 1"""


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql))]


def model(path: Path, *levels: str) -> Path:
    """The house in these levels of detail."""
    item = {"type": "Building", "geometry": [solid(0, lod) for lod in levels]}
    return document(path, {"B": item}, corners())


def test_a_mesh_that_is_taken_back_leaves_what_was_there_before(
    connection: Connection, load: Any, building: int, tmp_path: Path
) -> None:
    path = tower(tmp_path / "tower.glb")
    load(path, building=building, source="designers")
    report = meshes.end(connection, "designers")
    assert report.counts.ended == 1
    assert report.notes[0][0] == f"building {building} is drawn as its solid in LoD2.2 again"
    assert rows(connection, CURRENT) == [("solid", "2.2")]
    assert rows(connection, LAST) == [("update", {"mesh": "shown"})]
    with pytest.raises(NotFound, match="designers"):
        meshes.end(connection, "designers")
    assert load(path, building=building, source="designers").counts.changed == 1
    assert rows(connection, CURRENT) == [("mesh", None)]
    assert meshes.end(connection, "tower.glb", building).counts.ended == 1


def test_of_several_levels_the_one_that_was_shown_is_shown_again(
    connection: Connection, settings: Settings, load: Any, building: int, tmp_path: Path
) -> None:
    levels = model(tmp_path / "one.city.json", "1", "2.2", "3")
    connection.execute(text("DISCARD TEMP"))
    pipeline.load(connection, settings, KINDS["buildings"], levels)
    connection.execute(text("UPDATE city.building_geom SET is_current = false"))
    connection.execute(text("UPDATE city.building_geom SET is_current = true WHERE lod = '1'"))
    load(tower(tmp_path / "tower.glb"), building=building)
    meshes.end(connection, "tower")
    assert rows(connection, CURRENT) == [("solid", "1")]


def test_a_building_without_a_solid_is_its_prism_again(
    connection: Connection, load: Any, building: int, tmp_path: Path
) -> None:
    connection.execute(text("DELETE FROM city.building_geom"))
    load(tower(tmp_path / "tower.glb"), building=building)
    report = meshes.end(connection, "tower")
    assert report.notes[0][0] == f"building {building} is drawn as its prism again"
    assert rows(connection, CURRENT) == []
