"""Files as people have them: what is read of them, and what is said of those that cannot be."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyogrio.raw import write

from cim.errors import SourceError
from cim.load import readers

HEAD = "编号,姓名,电话\n"
PLACES = [shapely.box(113.75 + n * 1e-3, 23.02, 113.7502 + n * 1e-3, 23.0202) for n in range(3)]
NAMES = ["东莞市松山湖楼宇", "莞城", "南城区"]


def rows(path: Path) -> list[dict[str, object]]:
    return [row for batch in readers.read(path).batches for row in batch.columns.to_pylist()]


def shapefile(folder: Path, encoding: str) -> Path:
    """A shapefile without a word on its encoding."""
    path = folder / "houses.shp"
    columns = [np.array(["A1", "A2", "A3"]), np.array(NAMES)]
    write(
        path, shapely.to_wkb(np.array(PLACES)), columns, ["编号", "名称"],
        geometry_type="Polygon", crs="EPSG:4490", driver="ESRI Shapefile", encoding=encoding,
    )  # fmt: skip
    path.with_suffix(".cpg").unlink()
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = 0
    path.with_suffix(".dbf").write_bytes(table)
    return path


@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
def test_a_shapefile_that_does_not_say_its_encoding_is_read_in_its_own(
    tmp_path: Path, encoding: str
) -> None:
    path = shapefile(tmp_path, encoding)
    assert [(row["编号"], row["名称"]) for row in rows(path)] == [
        ("A1", NAMES[0]),
        ("A2", NAMES[1]),
        ("A3", NAMES[2]),
    ]


@pytest.mark.parametrize("folder", ["", "数据/", "a/b/"])
def test_so_is_a_zipped_one_in_a_folder_too(tmp_path: Path, folder: str) -> None:
    path = shapefile(tmp_path, "GBK")
    with zipfile.ZipFile(tmp_path / "houses.zip", "w") as archive:
        for ending in (".shp", ".shx", ".dbf", ".prj"):
            archive.write(path.with_suffix(ending), f"{folder}houses{ending}")
    assert [row["名称"] for row in rows(tmp_path / "houses.zip")] == NAMES


BROKEN = {
    "an open quotation mark": '1,"SECRET,SECRET\n',
    "a huge cell": "1,SECRET," + "SECRET" * 1_500_000 + "\n2,x,y\n",
    "uneven rows throughout": "1,SECRET,SECRET,3,4\n" * 20,
}


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN)
def test_a_broken_table_is_refused_without_a_word_of_its_rows(tmp_path: Path, row: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(HEAD + row, "utf-8")
    with pytest.raises(SourceError) as refused:
        rows(path)
    assert "SECRET" not in str(refused.value) + refused.value.zh


def test_text_in_two_encodings_is_refused_with_what_to_say(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_bytes((HEAD + "1,好,2\n").encode() + "2,东莞市,3\n".encode("gbk"))
    with pytest.raises(SourceError, match="--encoding"):
        rows(path)


def test_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "spreadsheet.csv"
    path.write_text("编号,,层数,\nA1,x,3,\n", "utf-8-sig")
    assert rows(path) == [{"编号": "A1", "层数": "3"}]


def nul_csv(folder: Path) -> Path:
    path = folder / "nul.csv"
    path.write_bytes("编号,名称\nA\x00001,松\0山湖\n".encode())
    return path


def nul_parquet(folder: Path) -> Path:
    path = folder / "nul.parquet"
    pq.write_table(pa.table({"编号": ["A\x00001"], "名称": ["松\0山湖"]}), path)
    return path


@pytest.mark.parametrize("make", [nul_csv, nul_parquet])
def test_no_database_keeps_nul_so_it_is_dropped(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    assert rows(make(tmp_path)) == [{"编号": "A001", "名称": "松山湖"}]


@pytest.mark.parametrize("ending", [".shp", ".zip", ".gpkg", ".fgb", ".geojson", ".csv"])
def test_what_is_not_what_its_ending_says_is_refused_in_both_languages(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"wrong{ending}"
    path.write_bytes(b"\0" * 500)
    with pytest.raises(SourceError) as refused:
        rows(path)
    assert refused.value.zh != str(refused.value)
    assert "vsizip" not in str(refused.value)


def test_a_shapefile_without_its_index_says_what_is_missing(tmp_path: Path) -> None:
    path = shapefile(tmp_path, "UTF-8")
    path.with_suffix(".shx").unlink()
    with pytest.raises(SourceError, match=r"lacks the \.shx"):
        rows(path)


def test_an_unreadable_outline_is_not_an_absent_one(tmp_path: Path) -> None:
    path = tmp_path / "outlines.csv"
    path.write_text(f'编号,wkt\nA1,"POLYGON((1 2"\nA2,\nA3,"{PLACES[0].wkt}"\n', "utf-8")
    (batch,) = readers.read(path).batches
    assert batch.geometry is not None
    assert batch.geometry[0] == b"POLYGON((1 2"
    assert batch.geometry[1] is None
    assert shapely.equals(shapely.from_wkb(batch.geometry[2]), PLACES[0])
