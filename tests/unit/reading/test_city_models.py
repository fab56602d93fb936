"""City models as CityJSON writes them: what is a building, what is under it, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely

from cim.errors import SourceError
from cim.load import readers
from cim.load.source import Batch, Source
from tests.citymodels import corners, document, houses, lines, solid

Refused = Callable[..., SourceError]


def read(path: Path) -> tuple[Source, Batch]:
    source = readers.read(path)
    (batch,) = source.batches
    return source, batch


def faces(batch: Batch, row: int = 0) -> list[int]:
    """How many surfaces each level of detail of a row has, the one to be shown first."""
    assert batch.solids is not None
    found = shapely.from_wkb(batch.solids.surfaces[row])
    return [shapely.get_num_geometries(part) for part in shapely.get_parts(found)]


def test_a_house_comes_with_its_footprint_its_solid_and_its_attributes(tmp_path: Path) -> None:
    source, batch = read(houses(tmp_path / "delft.city.json"))
    assert (source.crs, source.format, source.solids) == ("EPSG:4547", "CityJSON 2.0", True)
    assert source.fields == ["id", "naam", "bouwjaar"]
    assert batch.columns.to_pydict() == {
        "id": ["H0", "H1", "H2"], "naam": ["Huis 0", "Huis 1", "Huis 2"],
        "bouwjaar": [1990, 1991, 1992],
    }  # fmt: skip
    assert batch.geometry is not None and batch.solids is not None
    outline = shapely.from_wkb(batch.geometry[1])
    assert outline.area == pytest.approx(80.0)
    assert outline.bounds == pytest.approx((474_420.0, 2_546_800.0, 474_430.0, 2_546_808.0))
    assert faces(batch) == [7]
    assert batch.solids.lods.tolist() == ["2.2"] * 3
    assert (batch.solids.base[0], batch.solids.top[0]) == (20.0, 28.0)


def test_lines_say_what_the_document_says(tmp_path: Path) -> None:
    whole = houses(tmp_path / "a.city.json", 5)
    one, other = read(whole)[1], read(lines(tmp_path / "b.city.jsonl", whole))[1]
    assert one.columns.equals(other.columns)
    assert one.solids is not None and other.solids is not None
    assert one.solids.surfaces.tolist() == other.solids.surfaces.tolist()
    assert one.geometry is not None and other.geometry is not None
    assert one.geometry.tolist() == other.geometry.tolist()


def test_parts_belong_to_their_building_wherever_they_stand(tmp_path: Path) -> None:
    part = {"type": "BuildingPart", "parents": ["B"]}
    objects = {
        "P1": part | {"geometry": [solid(0)]},
        "other": {"type": "Building", "geometry": [solid(20)]},
        "B": {"type": "Building", "children": ["P1", "P2"], "attributes": {"height": 9}},
        "P2": part | {"geometry": [solid(10)]},
        "balcony": {"type": "BuildingInstallation", "parents": ["P2"], "geometry": []},
        "tree": {"type": "SolitaryVegetationObject"},
    }
    vertices = [*corners(0), *corners(10, ridge=12.0), *corners(100)]
    source, batch = read(document(tmp_path / "parts.json", objects, vertices))
    assert batch.columns.column("id").to_pylist() == ["other", "B"]
    assert batch.geometry is not None and batch.solids is not None
    assert shapely.from_wkb(batch.geometry[1]).area == pytest.approx(160.0)
    assert faces(batch, 1) == [14]
    assert batch.solids.top[1] == 32.0
    assert "not read: 1 SolitaryVegetationObject" in [en for en, _ in source.notes]


def test_the_highest_level_below_three_is_shown_and_all_are_kept(tmp_path: Path) -> None:
    geometry = [solid(0, lod) for lod in (1, "2.2", "1.3", 3.1)]
    objects = {"B": {"type": "Building", "geometry": geometry}}
    batch = read(document(tmp_path / "lods.json", objects, corners()))[1]
    assert batch.solids is not None
    assert batch.solids.lods.tolist() == ["2.2,1,1.3,3.1"]
    assert faces(batch) == [7, 7, 7, 7]


def test_without_a_word_of_the_ground_the_footprint_is_what_is_seen_from_above(
    tmp_path: Path,
) -> None:
    geometry = solid(0)
    del geometry["semantics"]
    objects = {"B": {"type": "Building", "geometry": [geometry]}}
    batch = read(document(tmp_path / "silent.json", objects, corners()))[1]
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[0]).area == pytest.approx(80.0)


def test_storeys_are_counted_where_the_building_does_not_say_how_many(tmp_path: Path) -> None:
    storey = {"type": "BuildingStorey", "parents": ["B"]}
    objects = {"B": {"type": "Building", "geometry": [solid()]}, "1": storey, "2": storey}
    batch = read(document(tmp_path / "storeys.json", objects, corners()))[1]
    assert batch.columns.to_pydict() == {"id": ["B"], "storeysAboveGround": [2]}


def test_a_template_is_put_where_it_is_used(tmp_path: Path) -> None:
    matrix = [1, 0, 0, 5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    instance = {"type": "GeometryInstance", "template": 0, "boundaries": [0],
                "transformationMatrix": matrix}  # fmt: skip
    shared = [[v / 1000 for v in place] for place in corners()]
    path = document(
        tmp_path / "templates.json", {"B": {"type": "Building", "geometry": [instance]}},
        [[1000, 0, 0]], **{"geometry-templates": {
            "templates": [solid()], "vertices-templates": shared}},
    )  # fmt: skip
    batch = read(path)[1]
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[0]).bounds[0] == pytest.approx(474_406.0)


def test_heights_of_a_compound_system_are_named(tmp_path: Path) -> None:
    path = tmp_path / "nap.json"
    house = {"B": {"type": "Building", "geometry": [solid()]}}
    where = {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/7415"}
    source, _ = read(document(path, house, corners(), metadata=where))
    assert source.crs == "EPSG:28992"
    assert "NAP height" in source.notes[0][0]


@pytest.mark.parametrize(
    "name",
    [
        "https://www.opengis.net/def/crs/EPSG/0/7415",
        "http://www.opengis.net/def/crs/EPSG/6.12/7415",
        "urn:ogc:def:crs:EPSG::7415",
        "urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709",
        "EPSG:28992+5709",
    ],
)
def test_a_system_is_known_by_every_name_it_goes_by(tmp_path: Path, name: str) -> None:
    house = {"B": {"type": "Building", "geometry": [solid()]}}
    path = document(tmp_path / "a.json", house, corners(), metadata={"referenceSystem": name})
    assert readers.read(path).crs == "EPSG:28992"


def test_heights_in_feet_are_refused(tmp_path: Path, refused: Refused) -> None:
    house = {"B": {"type": "Building", "geometry": [solid()]}}
    where = {"referenceSystem": "EPSG:2263+6360"}
    refused(document(tmp_path / "feet.json", house, corners(), metadata=where), "foot")


def test_vertices_that_were_moved_already_are_not_moved_again(tmp_path: Path) -> None:
    moved = [[x + 474_400_000, y + 2_546_800_000, z] for x, y, z in corners()]
    extent = [474_400.0, 2_546_800.0, 20.0, 474_410.0, 2_546_808.0, 28.0]
    said = {"referenceSystem": "EPSG:4547", "geographicalExtent": extent}
    house = {"B": {"type": "Building", "geometry": [solid()]}}
    source, batch = read(document(tmp_path / "twice.json", house, moved, metadata=said))
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[0]).bounds[0] == pytest.approx(474_400.0)
    assert any("taken as they stand" in en for en, _ in source.notes)


@pytest.mark.parametrize(
    "fault",
    [
        {"type": "Solid", "lod": "2", "boundaries": [[[[0, 1, 99]]]]},
        {"type": "Solid", "lod": "2", "boundaries": [[0, 1, 2]]},
        {"type": "Solid", "lod": "2"},
        {"type": "Solid", "lod": "2", "boundaries": [[[["a", "b", "c"]]]]},
        {"lod": "2", "boundaries": []},
        "a house",
    ],
)
def test_a_building_that_cannot_be_read_is_one_broken_row(tmp_path: Path, fault: Any) -> None:
    objects = {
        "good": {"type": "Building", "geometry": [solid()]},
        "bad": {"type": "Building", "geometry": [fault]},
    }
    batch = read(document(tmp_path / "one.json", objects, corners()))[1]
    assert batch.broken is not None
    assert batch.broken.tolist() == [None, "broken_geometry"]


def test_an_id_that_comes_twice_is_told_at_the_second(tmp_path: Path) -> None:
    whole = houses(tmp_path / "a.city.json", 1)
    path = lines(tmp_path / "b.city.jsonl", whole)
    path.write_text(path.read_text("utf-8") + path.read_text("utf-8").splitlines()[1] + "\n")
    batch = read(path)[1]
    assert batch.broken is not None
    assert batch.broken.tolist() == [None, "duplicate"]


def test_an_attribute_called_id_does_not_hide_the_key(tmp_path: Path) -> None:
    item = {"type": "Building", "attributes": {"id": 7, "levels": "2"}, "geometry": [solid()]}
    more = item | {"attributes": {"id": 8, "levels": 3.0}}
    path = document(tmp_path / "id.json", {"B": item, "C": more}, corners())
    assert read(path)[1].columns.to_pydict() == {
        "id": ["B", "C"], "id_": [7, 8], "levels": ["2", "3"],
    }  # fmt: skip


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("lined", [False, True])
def test_a_model_that_is_cut_off_is_refused(
    tmp_path: Path, refused: Refused, share: float, lined: bool
) -> None:
    path = houses(tmp_path / "whole.city.json", 40)
    if lined:
        path = lines(tmp_path / "whole.city.jsonl", path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ({"version": "0.9"}, "CityJSON 0.9"),
        ({"type": "CityJSONExtension"}, "CityJSONExtension"),
        ({"type": "CityJSONFeature"}, "line of type CityJSON"),
        ({"transform": {"scale": ["a", 1, 1], "translate": [0, 0, 0]}}, "transform"),
    ],
)
def test_what_is_no_city_model_is_refused_in_a_sentence(
    tmp_path: Path, header: dict[str, Any], word: str
) -> None:
    house = {"B": {"type": "Building", "geometry": [solid()]}}
    path = document(tmp_path / "odd.city.json", house, corners(), **header)
    with pytest.raises(SourceError, match=word) as fault:
        list(readers.read(path).batches)
    assert fault.value.zh != str(fault.value)


def test_a_system_that_nobody_knows_is_told_and_may_be_said(tmp_path: Path) -> None:
    house = {"B": {"type": "Building", "geometry": [solid()]}}
    where = {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/9999999"}
    source, _ = read(document(tmp_path / "odd.json", house, corners(), metadata=where))
    assert source.crs is None
    assert "EPSG:9999999" in source.notes[0][0]


def test_a_model_without_buildings_says_what_it_has(tmp_path: Path, refused: Refused) -> None:
    path = document(tmp_path / "trees.json", {"t": {"type": "PlantCover"}}, corners())
    refused(path, "without buildings", "PlantCover")


def test_vertices_that_are_no_numbers_are_refused(tmp_path: Path, refused: Refused) -> None:
    house = {"B": {"type": "Building", "geometry": [solid()]}}
    refused(document(tmp_path / "v.json", house, [[1, 2], [3, 4]]), "vertex")


def test_json_that_is_no_city_model_is_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    point = {"type": "Feature", "properties": {"name": "x"},
             "geometry": {"type": "Point", "coordinates": [113.0, 23.0]}}  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [point]}))
    assert readers.read(path).format == "GeoJSON"
