"""Files of outlines as people have them: whole, in parts, cut off, and as traps."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyogrio.raw import write

from cim.errors import SourceError, UnknownFormat
from cim.load import readers

Houses = Callable[..., Path]
Names = Callable[..., list[str]]
Refused = Callable[..., SourceError]

NAMES = ["1栋", "2栋", "3栋"]
SUFFIXES = [".gpkg", ".fgb", ".geojson", ".geojsonl", ".shp", ".gml", ".kml", ".gdb"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_under_a_chinese_name_and_nothing_is_written_beside(
    tmp_path: Path, suffix: str, houses: Houses, names: Names
) -> None:
    folder = tmp_path / "东莞 市" / "楼宇"
    folder.mkdir(parents=True)
    path = houses(folder / f"房屋{suffix}")
    before = sorted(os.listdir(folder))
    assert names(path) == NAMES
    assert readers.layers(path) == [readers.read(path).layer]
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".gdb"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 0.995])
def test_a_file_that_is_cut_off_is_refused_never_half_read(
    tmp_path: Path, suffix: str, share: float, houses: Houses, refused: Refused
) -> None:
    path = houses(tmp_path / f"houses{suffix}", [f"{n}栋" for n in range(500)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.995])
@pytest.mark.parametrize("part", [".dbf", ".shx"])
def test_so_is_a_shapefile_of_which_a_part_is(
    tmp_path: Path, part: str, share: float, houses: Houses, refused: Refused
) -> None:
    path = houses(tmp_path / "houses.shp", [f"{n}栋" for n in range(500)])
    data = path.with_suffix(part).read_bytes()
    path.with_suffix(part).write_bytes(data[: int(len(data) * share)])
    refused(path, f"houses{part} is cut off")


@pytest.mark.parametrize("ending", [".gdbtable", ".gdbtablx"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_so_is_a_geodatabase_of_which_a_table_is(
    tmp_path: Path, ending: str, share: float, houses: Houses, refused: Refused
) -> None:
    path = houses(tmp_path / "houses.gdb", [f"{n}栋" for n in range(500)])
    table = max(path.glob("*.gdbtable"), key=lambda item: item.stat().st_size)
    data = table.with_suffix(ending).read_bytes()
    table.with_suffix(ending).write_bytes(data[: int(len(data) * share)])
    assert "/" not in str(refused(path))


def test_lines_of_geojson_are_all_json_or_none_is_read(
    tmp_path: Path, houses: Houses, refused: Refused
) -> None:
    path = houses(tmp_path / "houses.geojsonl")
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([lines[0], lines[1][:-5], lines[2]]), "utf-8")
    refused(path, "line 2")


def test_a_shapefile_without_its_projection_is_read_and_asks_for_it(
    tmp_path: Path, houses: Houses, names: Names
) -> None:
    path = houses(tmp_path / "houses.shp")
    path.with_suffix(".prj").unlink()
    assert readers.read(path).crs is None
    assert names(path) == NAMES


def test_a_shapefile_without_its_table_has_outlines_alone_and_says_so(
    tmp_path: Path, houses: Houses
) -> None:
    path = houses(tmp_path / "houses.shp")
    path.with_suffix(".dbf").unlink()
    source = readers.read(path)
    assert ".dbf" in source.notes[0][0]
    assert sum(len(batch) for batch in source.batches) == 3


@pytest.mark.parametrize(("said", "written"), [("UTF-8", "GBK"), ("GBK", "UTF-8")])
def test_an_encoding_that_is_not_the_one_said_is_told(
    tmp_path: Path, said: str, written: str, houses: Houses, names: Names
) -> None:
    path = houses(tmp_path / "houses.shp", ["松山湖楼宇", "莞城", "南城"], encoding=written)
    path.with_suffix(".cpg").write_text(said)
    source = readers.read(path)
    assert names(path) == ["松山湖楼宇", "莞城", "南城"]
    assert said.replace("GBK", "GB18030") in source.notes[0][0]


def test_a_shapefile_in_big5_that_does_not_say_so_is_read(
    tmp_path: Path, houses: Houses, names: Names
) -> None:
    there = ["信義區市府路一號", "苓雅區四維三路", "臺灣大道三段"]
    path = houses(tmp_path / "houses.shp", there, encoding="CP950")
    path.with_suffix(".cpg").unlink()
    with path.with_suffix(".dbf").open("r+b") as table:
        table.seek(29)
        table.write(b"\0")  # the language
    assert names(path) == there


def test_names_of_columns_are_those_that_the_format_leaves(tmp_path: Path) -> None:
    path = tmp_path / "long.shp"
    columns = [np.array(NAMES, dtype=object)] * 2
    squares = shapely.to_wkb(np.array([shapely.box(113, 23, 114, 24)] * 3))
    write(
        path, squares, columns, ["floors_abo", "floors_bel"],
        geometry_type="Polygon", crs="EPSG:4490", driver="ESRI Shapefile",
    )  # fmt: skip
    assert readers.read(path).fields == ["floors_abo", "floors_bel"]


@pytest.mark.parametrize("suffix", [".gpkg", ".csv", ".xlsx"])
def test_a_part_of_a_shapefile_is_told_from_an_unknown_file(
    tmp_path: Path, suffix: str, houses: Houses
) -> None:
    path = houses(tmp_path / "houses.shp")
    with pytest.raises(UnknownFormat, match=r"name houses\.shp instead"):
        readers.read(path.with_suffix(".dbf"))
    with pytest.raises(UnknownFormat, match=suffix):
        readers.read(tmp_path / shutil.copy(path, tmp_path / "houses.dwg"))


def test_layers_without_geometry_do_not_make_a_file_of_several(
    tmp_path: Path, houses: Houses, names: Names
) -> None:
    path = houses(tmp_path / "houses.gpkg", layer="楼宇")
    write(path, None, [np.array(["x"], dtype=object)], ["style"], layer="layer_styles", append=True)
    source = readers.read(path)
    assert (source.layer, source.layers) == ("楼宇", ("楼宇", "layer_styles"))
    assert "layer_styles" in source.notes[0][0]
    assert names(path) == NAMES


# What is no file of the kind it is called


def city_model(path: Path) -> None:
    path.write_text(json.dumps({"type": "CityJSON", "version": "2.0", "CityObjects": {}}))


def a_list(path: Path) -> None:
    path.write_text('[{"name": "x"}]')


def a_number(path: Path) -> None:
    path.write_text("17")


def a_program(path: Path) -> None:
    path.write_text('{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline read x"}')


def a_virtual_layer(path: Path) -> None:
    path.write_text("<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>")


def gbk_json(path: Path) -> None:
    text = '{"type": "Feature", "properties": {"名称": "莞城"}, "geometry": null}'
    path.write_bytes(text.encode("gbk"))


def a_page(path: Path) -> None:
    path.write_text("<html><body>404</body></html>")


def deep(path: Path) -> None:
    path.write_text('{"type":"FeatureCollection","features":' + "[" * 100_000)


NO_GEOJSON = {
    city_model: "CityJSON", a_list: "", a_number: "GeoJSON", a_program: "GeoJSON",
    a_virtual_layer: "GeoJSON", gbk_json: "UTF-8", a_page: "GeoJSON", deep: "",
}  # fmt: skip


@pytest.mark.parametrize(("make", "word"), NO_GEOJSON.items())
@pytest.mark.parametrize("suffix", [".json", ".geojson"])
def test_json_that_is_no_geojson_is_refused(
    tmp_path: Path, make: Callable[[Path], None], word: str, suffix: str, refused: Refused
) -> None:
    path = tmp_path / f"a{suffix}"
    make(path)
    refused(path, word)


def test_a_mark_before_geojson_is_no_harm(tmp_path: Path, houses: Houses, names: Names) -> None:
    path = houses(tmp_path / "a.geojson")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert names(path) == NAMES


def test_a_city_model_in_xml_is_refused_as_one(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "city.gml"
    path.write_text('<CityModel xmlns="http://www.opengis.net/citygml/2.0"></CityModel>')
    refused(path, "CityGML")


def test_endless_columns_are_refused(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "wide.geojson"
    row = {f"c{n}": n for n in range(20_000)}
    feature = {"type": "Feature", "properties": row, "geometry": None}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    refused(path, "20,000 columns")


# What is no file


def test_folders_pipes_devices_and_broken_links_are_told(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "folder.gpkg").mkdir()
    refused(tmp_path / "folder.gpkg", "is a folder")
    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", "pipe")
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    refused(tmp_path / "device.csv", "device")
    (tmp_path / "link.csv").symlink_to(tmp_path / "nothing.csv")
    refused(tmp_path / "link.csv", "link to a file that is not there")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    refused(tmp_path / "loop.csv", "cannot be opened")
    refused(tmp_path / ("x" * 300 + ".csv"), "cannot be opened")
    refused(tmp_path / "nothing.csv", "no such file")


def test_a_link_to_a_file_is_followed(tmp_path: Path, houses: Houses, names: Names) -> None:
    houses(tmp_path / "houses.gpkg")
    (tmp_path / "link.gpkg").symlink_to(tmp_path / "houses.gpkg")
    assert names(tmp_path / "link.gpkg") == NAMES


@pytest.mark.parametrize("suffix", [".csv", ".geojson", ".gpkg", ".shp", ".parquet"])
def test_a_file_that_grows_while_it_is_read_is_refused_at_its_end(
    tmp_path: Path, suffix: str, houses: Houses
) -> None:
    path = tmp_path / f"houses{suffix}"
    if suffix == ".csv":
        path.write_text("name\nA1\nA2\n")
    elif suffix == ".parquet":
        pq.write_table(pa.table({"name": NAMES}), path)
    else:
        houses(path)
    source = readers.read(path)
    next(source.batches)
    with (path.with_suffix(".dbf") if suffix == ".shp" else path).open("ab") as file:
        file.write(b"A3\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        list(source.batches)


def test_a_part_that_is_no_file_is_told_too(
    tmp_path: Path, houses: Houses, refused: Refused
) -> None:
    path = houses(tmp_path / "houses.shp")
    path.with_suffix(".dbf").unlink()
    path.with_suffix(".dbf").symlink_to("/nowhere")
    refused(path, "a part of it")
    path.with_suffix(".dbf").unlink()
    os.mkfifo(path.with_suffix(".dbf"))
    with pytest.raises(SourceError, match=r"houses\.dbf is a device or a pipe"):
        readers.read(path)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".gdb"])
def test_a_file_with_any_bytes_changed_is_read_or_refused(
    tmp_path: Path, suffix: str, houses: Houses
) -> None:
    path = houses(tmp_path / f"houses{suffix}", [f"{n}栋" for n in range(20)])
    data = path.read_bytes()
    chance = np.random.default_rng(11)
    for _ in range(100):
        changed = bytearray(data)
        for place in chance.integers(0, len(data), chance.integers(1, 10)):
            changed[place] = chance.integers(256)
        path.write_bytes(changed)
        try:
            for batch in readers.read(path).batches:
                assert len(batch.row_no) == len(batch)
        except SourceError as error:
            assert error.zh != str(error)
