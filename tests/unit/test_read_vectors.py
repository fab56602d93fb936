"""Files of outlines as people have them: whole, in parts, cut off, in archives, and as traps."""

import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyogrio.raw import write

from cim.errors import SourceError, UnknownFormat
from cim.load import readers
from cim.load.readers import archive
from cim.load.source import BATCH_ROWS

DRIVERS = {
    ".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON", ".geojsonl": "GeoJSONSeq",
    ".shp": "ESRI Shapefile", ".gml": "GML", ".kml": "KML", ".gdb": "OpenFileGDB",
}  # fmt: skip
NAMES = ["1栋", "2栋", "3栋"]


def outlines(count: int) -> list[shapely.Polygon]:
    return [shapely.box(113 + n * 1e-4, 23, 113.00005 + n * 1e-4, 23.0001) for n in range(count)]


def houses(
    path: Path, names: list[str] | None = None, crs: str | None = "EPSG:4326", **options: Any
) -> Path:
    names = names or NAMES
    geometry = shapely.to_wkb(np.array(outlines(len(names)), dtype=object))
    write(
        path, geometry, [np.array(names, dtype=object)], ["name"], geometry_type="Polygon",
        crs=crs, driver=DRIVERS[path.suffix], **options,
    )  # fmt: skip
    return path


def names(path: Path, **options: Any) -> list[str]:
    found = []
    for batch in readers.read(path, **options).batches:
        assert len(batch) <= BATCH_ROWS
        assert batch.geometry is not None
        key = next(n for n in batch.columns.schema.names if n.lower() == "name")
        found += batch.columns.column(key).to_pylist()
    return sorted(found) if path.suffix in (".fgb", ".zip") else found  # that one sorts by place


def refused(path: Path, *words: str, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as fault:
        for _ in readers.read(path, **options).batches:
            pass
    assert fault.value.zh != str(fault.value)
    assert path.name in str(fault.value)
    for word in words:
        assert word in str(fault.value)
    return fault.value


@pytest.mark.parametrize("suffix", DRIVERS)
def test_every_format_is_read_under_a_chinese_name_and_nothing_is_written_beside(
    tmp_path: Path, suffix: str
) -> None:
    folder = tmp_path / "东莞 市" / "楼宇"
    folder.mkdir(parents=True)
    path = houses(folder / f"房屋{suffix}")
    before = sorted(os.listdir(folder))
    assert names(path) == NAMES
    assert readers.layers(path) == [readers.read(path).layer]
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("suffix", [s for s in DRIVERS if s != ".gdb"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 0.995])
def test_a_file_that_is_cut_off_is_refused_never_half_read(
    tmp_path: Path, suffix: str, share: float
) -> None:
    path = houses(tmp_path / f"houses{suffix}", [f"{n}栋" for n in range(500)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.995])
@pytest.mark.parametrize("part", [".dbf", ".shx"])
def test_so_is_a_shapefile_of_which_a_part_is(tmp_path: Path, part: str, share: float) -> None:
    path = houses(tmp_path / "houses.shp", [f"{n}栋" for n in range(500)])
    data = path.with_suffix(part).read_bytes()
    path.with_suffix(part).write_bytes(data[: int(len(data) * share)])
    refused(path, f"houses{part} is cut off")


def test_lines_of_geojson_are_all_json_or_none_is_read(tmp_path: Path) -> None:
    path = houses(tmp_path / "houses.geojsonl")
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([lines[0], lines[1][:-5], lines[2]]), "utf-8")
    refused(path, "line 2")


def test_a_shapefile_without_its_projection_is_read_and_asks_for_it(tmp_path: Path) -> None:
    path = houses(tmp_path / "houses.shp")
    path.with_suffix(".prj").unlink()
    assert readers.read(path).crs is None
    assert names(path) == NAMES


def test_a_shapefile_without_its_table_has_outlines_alone_and_says_so(tmp_path: Path) -> None:
    path = houses(tmp_path / "houses.shp")
    path.with_suffix(".dbf").unlink()
    source = readers.read(path)
    assert ".dbf" in source.notes[0][0]
    assert sum(len(batch) for batch in source.batches) == 3


@pytest.mark.parametrize(("said", "written"), [("UTF-8", "GBK"), ("GBK", "UTF-8")])
def test_an_encoding_that_is_not_the_one_said_is_told(
    tmp_path: Path, said: str, written: str
) -> None:
    path = houses(tmp_path / "houses.shp", ["松山湖楼宇", "莞城", "南城"], encoding=written)
    path.with_suffix(".cpg").write_text(said)
    source = readers.read(path)
    assert names(path) == ["松山湖楼宇", "莞城", "南城"]
    assert said.replace("GBK", "GB18030") in source.notes[0][0]


def test_names_of_columns_are_those_that_the_format_leaves(tmp_path: Path) -> None:
    path = tmp_path / "long.shp"
    columns = [np.array(NAMES, dtype=object)] * 2
    write(
        path, shapely.to_wkb(np.array(outlines(3))), columns, ["floors_abo", "floors_bel"],
        geometry_type="Polygon", crs="EPSG:4490", driver="ESRI Shapefile",
    )  # fmt: skip
    assert readers.read(path).fields == ["floors_abo", "floors_bel"]


@pytest.mark.parametrize("suffix", [".gpkg", ".csv", ".xlsx"])
def test_a_part_of_a_shapefile_is_told_from_an_unknown_file(tmp_path: Path, suffix: str) -> None:
    path = houses(tmp_path / "houses.shp")
    with pytest.raises(UnknownFormat, match=r"name houses\.shp instead"):
        readers.read(path.with_suffix(".dbf"))
    with pytest.raises(UnknownFormat, match=suffix):
        readers.read(tmp_path / shutil.copy(path, tmp_path / "houses.dwg"))


def test_layers_without_geometry_do_not_make_a_file_of_several(tmp_path: Path) -> None:
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
    text = houses(path.with_name("b.geojson")).read_text("utf-8")
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
    tmp_path: Path, make: Callable[[Path], None], word: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    make(path)
    refused(path, word)


def test_a_mark_before_geojson_is_no_harm(tmp_path: Path) -> None:
    path = houses(tmp_path / "a.geojson")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert names(path) == NAMES


def test_a_city_model_in_xml_is_refused_as_one(tmp_path: Path) -> None:
    path = tmp_path / "city.gml"
    path.write_text('<CityModel xmlns="http://www.opengis.net/citygml/2.0"></CityModel>')
    refused(path, "CityGML")


def test_endless_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.geojson"
    row = {f"c{n}": n for n in range(20_000)}
    feature = {"type": "Feature", "properties": row, "geometry": None}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    refused(path, "20,000 columns")


# What is no file


def test_folders_pipes_devices_and_broken_links_are_told(tmp_path: Path) -> None:
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


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    houses(tmp_path / "houses.gpkg")
    (tmp_path / "link.gpkg").symlink_to(tmp_path / "houses.gpkg")
    assert names(tmp_path / "link.gpkg") == NAMES


@pytest.mark.parametrize("suffix", [".csv", ".geojson", ".gpkg", ".shp", ".parquet"])
def test_a_file_that_grows_while_it_is_read_is_refused_at_its_end(
    tmp_path: Path, suffix: str
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


# Archives


def packed(path: Path, files: dict[str, Path | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            if isinstance(content, Path):
                out.write(content, name)
            else:
                out.writestr(name, content)
    return path


def shapefile(folder: Path, name: str, where: str = "") -> dict[str, Path | bytes]:
    path = houses(folder / f"{name}.shp")
    return {f"{where}{name}{p}": path.with_suffix(p) for p in (".shp", ".shx", ".dbf", ".prj")}


@pytest.mark.parametrize("suffix", [s for s in DRIVERS if s not in (".shp", ".gdb")])
def test_any_format_may_be_zipped(tmp_path: Path, suffix: str) -> None:
    path = houses(tmp_path / f"楼宇{suffix}")
    zipped = packed(tmp_path / "a.zip", {f"数据/{path.name}": path, "数据/说明.txt": b"x"})
    assert names(zipped) == NAMES


def test_a_zipped_table_is_read_with_the_rest_left(tmp_path: Path) -> None:
    zipped = packed(
        tmp_path / "a.zip",
        {"__MACOSX/._a.csv": b"\0", "a/b.csv": "name,lon,lat\n甲,113,23\n".encode("gbk")},
    )
    assert names(zipped) == ["甲"]


def test_several_files_of_an_archive_are_its_layers(tmp_path: Path) -> None:
    one = shapefile(tmp_path, "houses", "东/")
    two = {name.replace("东", "西"): content for name, content in one.items()}
    other = houses(tmp_path / "roads.gpkg", ["x"])
    zipped = packed(tmp_path / "a.zip", one | two | {"roads.gpkg": other})
    layers = ["东/houses.shp", "西/houses.shp", "roads"]
    assert readers.layers(zipped) == layers
    refused(zipped, "several layers")
    refused(zipped, "no layer", layer="nothing")
    assert names(zipped, layer="西/houses.shp") == NAMES
    assert names(zipped, layer="roads") == ["x"]
    assert names(zipped, layer="roads/roads") == ["x"]


def test_a_geodatabase_in_an_archive_is_one_file(tmp_path: Path) -> None:
    folder = houses(tmp_path / "楼宇.gdb", layer="houses")
    files: dict[str, Path | bytes] = {
        f"x/楼宇.gdb/{item.name}": item for item in folder.iterdir() if item.is_file()
    }
    zipped = packed(tmp_path / "a.zip", files)
    assert names(zipped) == NAMES
    assert readers.layers(zipped) == ["houses"]


def test_names_in_gbk_are_what_they_were(tmp_path: Path) -> None:
    path = houses(tmp_path / "houses.geojson")
    zipped = packed(tmp_path / "a.zip", {"LOUYU.geojson": path, "2.geojson": path})
    raw = zipped.read_bytes().replace(b"LOUYU", "楼宇".encode("gbk") + b"A")
    zipped.write_bytes(raw)
    assert readers.layers(zipped) == ["楼宇A", "2"]
    assert names(zipped, layer="楼宇A") == NAMES


def leading_out(path: Path) -> None:
    packed(path, {"../../evil.csv": b"name\nx\n", "b.csv": b"name\nx\n"})


def absolute(path: Path) -> None:
    packed(path, {"/tmp/evil.csv": b"name\nx\n"})


def other_slashes(path: Path) -> None:
    packed(path, {"..\\evil.csv": b"name\nx\n"})


def a_link(path: Path) -> None:
    item = zipfile.ZipInfo("passwd.csv")
    item.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(item, "/etc/passwd")


def a_bomb(path: Path) -> None:
    packed(path, {"a.csv": b"name\n" + b"x" * (80 << 20)})


def a_lying_size(path: Path) -> None:
    packed(path, {"a.csv": b"name\n" + b"xyz\n" * (1 << 20)})
    raw = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = raw.index(sign)
        raw[start + place : start + place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(raw)


def too_many(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as out:
        for number in range(archive.MOST_FILES + 1):
            out.writestr(f"{number}.csv", b"")


def a_secret(path: Path) -> None:
    packed(path, {"a.csv": b"name\nx\n"})
    raw = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(sign) + place] |= 1
    path.write_bytes(raw)


def cut(path: Path) -> None:
    packed(path, {"a.csv": b"name\n" + os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:-50])


def damaged(path: Path) -> None:
    packed(path, {"a.csv": os.urandom(5000)})
    raw = bytearray(path.read_bytes())
    raw[2000] ^= 255
    path.write_bytes(raw)


def nothing(path: Path) -> None:
    packed(path, {"readme.pdf": b"x"})


TRAPS = {
    leading_out: "leads out", absolute: "leads out", other_slashes: "leads out",
    a_link: "symbolic link", a_bomb: "far more", a_lying_size: "damaged", too_many: "files",
    a_secret: "encrypted", cut: "archive", damaged: "damaged", nothing: "no file that can be read",
}  # fmt: skip


@pytest.mark.parametrize(("make", "word"), TRAPS.items())
def test_a_trap_is_refused_and_leaves_nothing(
    tmp_path: Path, make: Callable[[Path], None], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(archive.tempfile, "tempdir", str(tmp_path / "temporary"))
    make(tmp_path / "a.zip")
    refused(tmp_path / "a.zip", word)
    assert not list((tmp_path / "temporary").iterdir())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.zip", "temporary"]


def test_no_room_for_what_is_unpacked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped = packed(tmp_path / "a.zip", {"a.csv": b"name\nx\n"})
    full = shutil.disk_usage(tmp_path)._replace(free=3)
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda folder: full)
    refused(zipped, "no room")


def test_what_was_unpacked_goes_with_the_last_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(archive.tempfile, "tempdir", str(tmp_path / "temporary"))
    zipped = packed(tmp_path / "a.zip", {"a.csv": b"name,x,y\nx,1,2\n"})
    source = readers.read(zipped)
    assert list((tmp_path / "temporary").iterdir())
    assert [len(batch) for batch in source.batches] == [1]
    del source
    assert not list((tmp_path / "temporary").iterdir())


# Parquet


def native(path: Path, shapes: list[shapely.Geometry | None], encoding: str) -> Path:
    """GeoParquet of coordinates in lists, as the standard's 1.1 has it."""
    given = np.array([shape for shape in shapes if shape is not None], dtype=object)
    _, points, offsets = shapely.to_ragged_array(given, include_z=False)
    column: Any = pa.StructArray.from_arrays([points[:, 0].copy(), points[:, 1].copy()], ["x", "y"])
    for level in offsets:
        column = pa.ListArray.from_arrays(pa.array(level, pa.int32()), column)
    places = np.cumsum([shape is not None for shape in shapes]) - 1
    order = pa.array(
        [int(p) if s is not None else None for p, s in zip(places, shapes, strict=True)]
    )
    table = pa.table({"name": [str(n) for n in range(len(shapes))], "geometry": column.take(order)})
    geo = {
        "version": "1.1.0", "primary_column": "geometry",
        "columns": {"geometry": {"encoding": encoding, "geometry_types": []}},
    }  # fmt: skip
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


square, far = shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 7)
ring = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 1), (2, 1), (2, 2)]])
SHAPES: dict[str, list[shapely.Geometry | None]] = {
    "point": [shapely.Point(1, 2), None, shapely.Point(3, 4)],
    "linestring": [shapely.LineString([(0, 0), (1, 1)]), None],
    "polygon": [square, None, ring, far],
    "multipoint": [shapely.MultiPoint([(0, 0), (1, 1)]), None],
    "multilinestring": [shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]])],
    "multipolygon": [shapely.MultiPolygon([square, far]), None, shapely.MultiPolygon([ring])],
}


@pytest.mark.parametrize("encoding", SHAPES)
def test_native_encodings_give_the_same_outlines_as_wkb(tmp_path: Path, encoding: str) -> None:
    shapes = SHAPES[encoding] * 3
    (batch,) = readers.read(native(tmp_path / "a.parquet", shapes, encoding)).batches
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry).tolist() == shapes


def test_a_ring_that_is_none_spoils_its_own_row(tmp_path: Path) -> None:
    path = native(tmp_path / "a.parquet", [square, far], "polygon")
    table = pq.read_table(path)
    short = [[{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}]]
    column = pa.array([*table["geometry"].to_pylist(), short], table["geometry"].type)
    more = pa.table({"name": ["a", "b", "c"], "geometry": column})
    pq.write_table(more.replace_schema_metadata(table.schema.metadata), path)
    (batch,) = readers.read(path).batches
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[:2]).tolist() == [square, far]
    assert batch.geometry[2] == b"broken"


def test_a_plain_parquet_file_has_places_by_the_names_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["x"], "lon": [113.0], "lat": [23.0]}), path)
    (batch,) = readers.read(path).batches
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[0]) == shapely.Point(113, 23)
    assert readers.read(path).crs is None


@pytest.mark.parametrize("geo", [b"", b"[]", b"{}", b'{"primary_column": "x", "columns": {}}'])
def test_metadata_that_make_no_sense_are_refused(tmp_path: Path, geo: bytes) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["x"]}).replace_schema_metadata({"geo": geo}), path)
    refused(path)


@given(st.floats(0.001, 0.999))
def test_parquet_that_is_cut_off_is_refused(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.parquet"
    pq.write_table(pa.table({"name": NAMES * 100}), path)
    data = path.read_bytes()
    path.write_bytes(data[: max(1, int(len(data) * share))])
    refused(path)
