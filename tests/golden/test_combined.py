"""One root above all tilesets of a city: what it refers to, and from how far each is seen."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.golden.conftest import CITY
from tests.golden.conftest import write as written
from tiling.check.tileset import check
from tiling.disk import combined
from tiling.disk.folder import store
from tiling.formats import tiles3d


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a city's tilesets, as builds leave it, and an empty one."""
    folder = tmp_path_factory.mktemp("tiles")
    for name, (layer, rows) in CITY.items():
        written(folder / name / "golden", layer, rows)
        (folder / name / "current").symlink_to("golden")
    facts = tiles3d.Facts("Planned", "constant", 0.0, 0, "none")
    for path, content in tiles3d.files(facts, {}, None).items():
        store(folder / "planned" / "none" / path, content)
    (folder / "planned" / "current").symlink_to("none")
    return folder


def root(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)["root"]
    return found


def test_one_address_leads_to_every_tileset_that_holds_something(tiles: Path) -> None:
    report = check(combined.write(tiles))
    assert report.faults == []
    assert report.titles == ["", "Buildings", "Underground", "Units"]
    assert report.features == sum(len(rows["id"]) for _, rows in CITY.values())


def test_each_tileset_is_seen_from_as_far_as_by_itself(tiles: Path) -> None:
    found = root(combined.write(tiles).read_bytes())
    own = {
        name: json.loads((tiles / name / "current/tileset.json").read_bytes())["geometricError"]
        for name in CITY
    }
    told = {
        child["content"]["uri"].partition("/")[0]: child["geometricError"]
        for child in found["children"]
    }
    assert told == own
    assert told["units"] < told["buildings"] == found["geometricError"]


def test_it_has_the_schema_by_which_clients_read_all_subtrees(tiles: Path) -> None:
    document = json.loads(combined.write(tiles).read_bytes())
    for name in CITY:
        own = json.loads((tiles / name / "current/tileset.json").read_bytes())
        assert document["schema"] == own["schema"]


def test_a_root_without_that_schema_is_found(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles, tmp_path / "tiles", symlinks=True)
    place = combined.write(tmp_path / "tiles")
    document = json.loads(place.read_bytes())
    del document["schema"]
    place.write_text(json.dumps(document))
    assert {fault.rule for fault in check(place).faults} == {"20"}


def test_the_service_names_versions_so_that_tiles_can_be_kept(tiles: Path) -> None:
    found = [child["content"]["uri"] for child in root(combined.served(tiles))["children"]]
    names = ("buildings", "underground", "units")
    assert found == [f"{name}/tileset.json?v=golden" for name in names]


def test_a_new_version_of_one_tileset_is_a_new_version_of_the_root(
    tiles: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiles, tmp_path / "tiles", symlinks=True)
    before = json.loads(combined.served(tiles))["asset"]["tilesetVersion"]
    file = tmp_path / "tiles/units/current/tileset.json"
    document = json.loads(file.read_bytes())
    document["asset"]["tilesetVersion"] = "other"
    file.write_text(json.dumps(document))
    assert json.loads(combined.served(tmp_path / "tiles"))["asset"]["tilesetVersion"] != before


def test_a_fault_below_the_root_is_found_from_above(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles, tmp_path / "tiles", symlinks=True)
    place = combined.write(tmp_path / "tiles")
    next((tmp_path / "tiles/units").rglob("*.glb")).unlink()
    document = json.loads(place.read_bytes())
    document["root"]["children"][0]["boundingVolume"]["region"][0] += 1e-6
    place.write_text(json.dumps(document))
    assert {fault.rule for fault in check(place).faults} == {"5", "12", "19"}


def test_a_city_without_tilesets_has_an_empty_root(tmp_path: Path) -> None:
    assert check(combined.write(tmp_path)).faults == []
