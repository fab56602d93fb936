"""Archives as people have them: anything in any folder, names in GBK, and traps."""

import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cim.errors import SourceError
from cim.load import readers
from cim.load.readers import archive

Houses = Callable[..., Path]
Names = Callable[..., list[str]]
Refused = Callable[..., SourceError]

NAMES = ["1栋", "2栋", "3栋"]
SUFFIXES = [".gpkg", ".fgb", ".geojson", ".geojsonl", ".gml", ".kml"]


def packed(path: Path, files: dict[str, Path | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            if isinstance(content, Path):
                out.write(content, name)
            else:
                out.writestr(name, content)
    return path


def shapefile(houses: Houses, folder: Path, name: str, where: str = "") -> dict[str, Path | bytes]:
    path = houses(folder / f"{name}.shp")
    return {f"{where}{name}{p}": path.with_suffix(p) for p in (".shp", ".shx", ".dbf", ".prj")}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_format_may_be_zipped(
    tmp_path: Path, suffix: str, houses: Houses, names: Names
) -> None:
    path = houses(tmp_path / f"楼宇{suffix}")
    zipped = packed(tmp_path / "a.zip", {f"数据/{path.name}": path, "数据/说明.txt": b"x"})
    assert names(zipped) == NAMES


def test_a_zipped_table_is_read_with_the_rest_left(tmp_path: Path, names: Names) -> None:
    zipped = packed(
        tmp_path / "a.zip",
        {"__MACOSX/._a.csv": b"\0", "a/b.csv": "name,lon,lat\n甲,113,23\n".encode("gbk")},
    )
    assert names(zipped) == ["甲"]


def test_several_files_of_an_archive_are_its_layers(
    tmp_path: Path, houses: Houses, names: Names, refused: Refused
) -> None:
    one = shapefile(houses, tmp_path, "houses", "东/")
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
    assert readers.read(zipped, layer="roads/roads").layer == "roads/roads"


def test_a_geodatabase_in_an_archive_is_one_file(
    tmp_path: Path, houses: Houses, names: Names
) -> None:
    folder = houses(tmp_path / "楼宇.gdb", layer="houses")
    files: dict[str, Path | bytes] = {
        f"x/楼宇.gdb/{item.name}": item for item in folder.iterdir() if item.is_file()
    }
    zipped = packed(tmp_path / "a.zip", files)
    assert names(zipped) == NAMES
    assert readers.layers(zipped) == ["houses"]


def test_names_in_gbk_are_what_they_were(tmp_path: Path, houses: Houses, names: Names) -> None:
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
    tmp_path: Path,
    make: Callable[[Path], None],
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(archive.tempfile, "tempdir", str(tmp_path / "temporary"))
    make(tmp_path / "a.zip")
    refused(tmp_path / "a.zip", word)
    assert not list((tmp_path / "temporary").iterdir())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.zip", "temporary"]


def test_no_room_for_what_is_unpacked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
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
