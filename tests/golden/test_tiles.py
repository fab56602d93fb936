"""The tiles themselves: the same bytes for ever, sound by every judge there is.

Where the bytes are meant to change, replace `digests.json` by what the failing test prints.
"""

import json
import subprocess
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from cim.crs.ecef import from_geodetic
from tiling.check.reading import read_glb
from tiling.check.rules import Content
from tiling.check.tileset import check
from tiling.city.layers import Layer
from tiling.formats import tiles3d
from tiling.formats.tree import ROOT, Key, interleave
from tiling.shapes.standing import STRAY

HERE = Path(__file__).parent
NODE = HERE.parents[1] / "scripts/node"

Tileset = tuple[Path, Layer, dict[str, Any]]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): blake2b(file.read_bytes(), digest_size=8).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def contents(folder: Path) -> list[Content]:
    """Every content with its frame, found from its path."""
    found = []
    for file in sorted(folder.rglob("*.glb")):
        head = file.relative_to(folder).parts[1]
        x, y = (np.array([int(part)]) for part in head.split("-"))
        frame = tiles3d.frame(Key(ROOT, int(interleave(x, y)[0])))
        matrix = np.array(frame.matrix()).reshape(4, 4).T
        found.append(Content(read_glb(file), matrix, None))
    return found


def test_the_bytes_are_the_golden_ones(tileset: Tileset) -> None:
    folder, layer, _ = tileset
    golden = json.loads((HERE / "digests.json").read_text())
    found = digests(folder)
    assert found == golden[layer.name], json.dumps({layer.name: found}, indent=1)


def test_the_order_of_the_rows_does_not_matter(
    tileset: Tileset, tmp_path: Path, writer: Callable[..., Path]
) -> None:
    folder, layer, rows = tileset
    order = np.random.default_rng(3).permutation(len(rows["id"]))
    mixed = {
        name: values[order] if isinstance(values, np.ndarray) else [values[i] for i in order]
        for name, values in rows.items()
    }
    writer(tmp_path, layer, mixed)
    assert digests(tmp_path) == digests(folder)


def test_the_tree_is_deep_enough_to_prove_something(tileset: Tileset) -> None:
    folder = tileset[0]
    assert len(list(folder.rglob("*.glb"))) > 10
    assert len(list(folder.rglob("5/*/*.subtree"))) >= 2  # subtrees below subtrees
    assert len(list((folder / "content").iterdir())) == 2  # two implicit trees


def test_our_own_check_finds_no_fault(tileset: Tileset) -> None:
    folder, _, rows = tileset
    report = check(folder)
    assert report.faults == []
    assert report.features == len(rows["id"])


def test_khronos_validator_finds_neither_error_nor_warning(tileset: Tileset) -> None:
    files = [str(file) for file in sorted(tileset[0].rglob("*.glb"))]
    script = HERE / "validator/validate.mjs"
    run = subprocess.run(
        [str(NODE), "node", str(script)],
        input="\n".join(files),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"run `make .setup/validator`: {run.stderr}"
    assert json.loads(run.stdout) == {file: [] for file in files}


def test_no_corner_strays_from_where_it_is_on_earth(tileset: Tileset) -> None:
    folder, _, rows = tileset
    place = {identity: row for row, identity in enumerate(rows["id"].tolist())}
    seen = 0
    for content in contents(folder):
        positions, ids = content.positions, content.glb.column("id")
        for feature, identity in enumerate(ids.tolist()):
            row = place[identity]
            corners = shapely.get_coordinates(shapely.from_wkb(rows["outline"][row]))
            true = np.concatenate(
                [
                    from_geodetic(
                        *corners.T, np.full(len(corners), rows[end][row] + rows["shift"][row])
                    )
                    for end in ("bottom", "top")
                ]
            )
            made = positions[content.feature_ids == feature]
            apart = np.linalg.norm(true[:, None] - made[None], axis=2)
            assert apart.min(axis=1).max() < STRAY  # no corner is missing
            assert apart.min(axis=0).max() < STRAY  # none is anywhere else
            seen += 1
    assert seen == len(rows["id"])


def test_the_property_table_says_what_the_rows_say(tileset: Tileset) -> None:
    folder, layer, rows = tileset
    place = {identity: row for row, identity in enumerate(rows["id"].tolist())}
    for content in contents(folder):
        order = [place[identity] for identity in content.glb.column("id").tolist()]
        schema = content.glb.document["extensions"]["EXT_structural_metadata"]["schema"]
        described = schema["classes"][layer.label]["properties"]
        for item in layer.properties:
            found = content.glb.column(item.id).tolist()
            names = {
                value["value"]: value["name"]
                for value in schema.get("enums", {}).get(item.enum, {"values": []})["values"]
            }
            missing = described[item.id].get("noData")
            for value, row in zip(found, order, strict=True):
                told = names.get(value, value)
                known = rows[item.id][row]
                legal = known is not None and (not names or known in names.values())
                assert told == (known if legal else missing), (item.id, row)


def test_a_tile_tells_nothing_of_people_and_nothing_that_changes_daily(tileset: Tileset) -> None:
    folder, layer, _ = tileset
    told = {
        "buildings": {"building": {"id", "height", "floors", "use", "year", "state", "generated"}},
        "units": {
            "unit": {"id", "building_id", "storey_id", "storey_no", "kind", "generated"},
            "storey": {"id", "no", "building_id"},
            "building": {"id"},
        },
        "underground": {
            "storey": {"id", "building_id", "no", "kind", "use", "generated"},
            "building": {"id"},
        },
    }
    for content in contents(folder):
        tables = content.glb.document["extensions"]["EXT_structural_metadata"]["propertyTables"]
        found = {table["class"]: set(table["properties"]) for table in tables}
        assert found == told[layer.name]


def test_each_unit_is_known_by_its_storey_and_its_building_too(tileset: Tileset) -> None:
    folder, layer, _ = tileset
    if layer.name != "units":
        return
    for content in contents(folder):
        primitive = content.glb.document["meshes"][0]["primitives"][0]
        sets = primitive["extensions"]["EXT_mesh_features"]["featureIds"]
        assert [item["label"] for item in sets] == ["unit", "storey", "building"]
        unit, storey, building = (
            content.glb.accessor(primitive["attributes"][f"_FEATURE_ID_{item['attribute']}"])
            for item in sets
        )
        column = content.glb.column
        assert np.array_equal(column("storey_id")[unit], column("id", 1)[storey])
        assert np.array_equal(column("storey_no")[unit], column("no", 1)[storey])
        assert np.array_equal(column("building_id")[unit], column("id", 2)[building])
        assert np.array_equal(column("building_id", 1)[storey], column("id", 2)[building])


def test_underground_storeys_are_there(tileset: Tileset) -> None:
    folder, layer, rows = tileset
    column = {"units": "storey_no", "underground": "no"}.get(layer.name)
    if column:
        below = sum((content.glb.column(column) < 0).sum() for content in contents(folder))
        assert below == sum(number < 0 for number in rows[column]) > 0
    else:
        assert all((content.glb.column("floors") > 0).all() for content in contents(folder))


def test_the_shift_of_heights_is_written_into_the_tileset(tileset: Tileset) -> None:
    document = json.loads((tileset[0] / "tileset.json").read_text())
    said = document["metadata"]["properties"]
    assert (said["heightModel"], said["heightShift"]) == ("constant", -4.25)
    assert "EPSG:4490" in said["crs"] and "1985" in said["heightDatum"]


def test_an_empty_city_is_a_sound_tileset(tmp_path: Path) -> None:
    facts = tiles3d.Facts("Buildings", "constant", 0.0, 0, "empty")
    for path, content in tiles3d.files(facts, {}, None).items():
        (tmp_path / path).write_bytes(content)
    assert check(tmp_path).faults == []
