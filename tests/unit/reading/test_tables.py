"""Tables of text as people have them: every cell comes back, every row keeps its number."""

import csv
import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cim.errors import SourceError
from cim.load import readers
from cim.load.source import BATCH_ROWS, Batch

HEAD = "编号,名称,层数"


def written(folder: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "houses.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def table(path: Path, **options: Any) -> dict[int, list[Any]]:
    """Row number → cells."""
    found = {}
    for batch in readers.read(path, **options).batches:
        assert len(batch) <= BATCH_ROWS
        rows = zip(*batch.columns.to_pydict().values(), strict=True)
        found |= dict(zip(batch.row_no.tolist(), map(list, rows), strict=True))
    return found


def whole(path: Path) -> Batch:
    (batch,) = readers.read(path).batches
    return batch


TEXTS = {
    "as it is": f"{HEAD}\nA1,莞城,6\nA2,南城,007\n",
    "lines of Windows": f"{HEAD}\r\nA1,莞城,6\r\nA2,南城,007\r\n",
    "lines of old Macs": f"{HEAD}\rA1,莞城,6\rA2,南城,007\r",
    "no last line end": f"{HEAD}\nA1,莞城,6\nA2,南城,007",
    "semicolons": f"{HEAD}\nA1,莞城,6\nA2,南城,007\n".replace(",", ";"),
    "tabs": f"{HEAD}\nA1,莞城,6\nA2,南城,007\n".replace(",", "\t"),
    "a separator that is said": f"sep=|\n{HEAD}\nA1,莞城,6\nA2,南城,007\n".replace(",", "|"),
    "quoted": '"编号","名称","层数"\n"A1","莞城","6"\n"A2","南城","007"\n',
    "names over two lines": '编号,"名\n称",层数\nA1,莞城,6\nA2,南城,007\n',
    "empty cells behind": f"{HEAD},,\nA1,莞城,6,,\nA2,南城,007,,\n",
    "empty cells behind the rows": f"{HEAD}\nA1,莞城,6,,\nA2,南城,007,,\n",
    "an empty cell behind one row": f"{HEAD}\nA1,莞城,6\nA2,南城,007,\n",
}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb18030"]
)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_table_is_read_however_it_is_written(tmp_path: Path, text: str, encoding: str) -> None:
    found = table(written(tmp_path, text, encoding))
    assert found == {2: ["A1", "莞城", "6"], 3: ["A2", "南城", "007"]}


def test_an_encoding_that_cannot_be_told_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "id,名稱,層數\nA1,臺北,6\n", "big5")
    assert table(path, encoding="big5") == {2: ["A1", "臺北", "6"]}
    with pytest.raises(SourceError, match="no encoding"):
        readers.read(path, encoding="klingon")


def test_big5_is_known_where_there_is_enough_of_it(tmp_path: Path) -> None:
    path = written(
        tmp_path, "id,名稱\nA1,臺北市信義區市府路一號\nA2,高雄市苓雅區四維三路二號\n", "big5"
    )
    source = readers.read(path)
    assert (source.encoding, source.fields) == ("cp950", ["id", "名稱"])
    assert table(path)[2] == ["A1", "臺北市信義區市府路一號"]
    assert "CP950" in source.notes[0][0]


def test_blank_rows_are_left_out_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    text = f"\n{HEAD}\n\nA1,莞城,6\n,,\n\n\nA2,南城,7\n\n\n"
    found = table(written(tmp_path, text))
    assert found == {4: ["A1", "莞城", "6"], 8: ["A2", "南城", "7"]}


def test_lines_within_a_cell_are_one_row(tmp_path: Path) -> None:
    text = f'{HEAD}\nA1,"莞城\n\n街道",6\n\nA2,南城,7\n'
    found = table(written(tmp_path, text))
    assert found == {2: ["A1", "莞城\n\n街道", "6"], 4: ["A2", "南城", "7"]}


def test_a_title_above_the_names_is_left_out_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, f"房屋清单（2024年）\n,,\n{HEAD}\nA1,莞城,6\n")
    assert table(path) == {4: ["A1", "莞城", "6"]}
    ((en, zh),) = readers.read(path).notes
    assert "row 3" in en
    assert "第 3 行" in zh


def test_uneven_rows_are_set_apart_and_the_others_come(tmp_path: Path) -> None:
    text = f"{HEAD}\nA1,莞城,6\nA2,南城\nA3,东城,3,多,余\nA4,万江,4\n"
    batch = whole(written(tmp_path, text))
    assert batch.row_no.tolist() == [2, 3, 4, 5]
    assert batch.broken is not None
    assert batch.broken.tolist() == [None, "uneven", "uneven", None]
    assert batch.columns.column("名称").to_pylist() == ["莞城", "南城", "东城", "万江"]
    assert batch.columns.column("层数").to_pylist() == ["6", None, "3,多,余", "4"]


def test_a_file_of_nothing_but_one_uneven_row_has_that_row(tmp_path: Path) -> None:
    batch = whole(written(tmp_path, f"{HEAD}\nA1,莞城\n"))
    assert batch.broken is not None
    assert batch.broken.tolist() == ["uneven"]


def test_rows_keep_their_numbers_through_many_blocks_and_batches(tmp_path: Path) -> None:
    filler = "某某街道" * 20
    lines = [f"A{n},{filler},{n}" for n in range(2, 60_002)]
    for place in (100, 20_000, 59_990):
        lines[place - 2] = f"A{place},short"
    for place in (7, 40_000):
        lines[place - 2] = ""
    seen = 0
    for batch in readers.read(written(tmp_path, "\n".join([HEAD, *lines]))).batches:
        keys = [int(str(key)[1:]) for key in batch.columns.column("编号").to_pylist()]
        assert keys == batch.row_no.tolist()
        seen += len(batch)
    assert seen == 60_000 - 2


HEADLESS = {
    "numbers of phones": "A1,13800000000,6\nA2,13900000000,7\n",
    "mostly numbers": "A1,113.75,23.02\nA2,113.76,23.03\n",
    "words that come again": "A1,SECRET,6,住宅\nA2,x,7,住宅\nA3,y,8,商铺\n",
    "two words that come again": "甲,SECRET,男,莞城\n乙,x,男,南城\n丙,y,女,莞城\n",
}


@pytest.mark.parametrize("text", HEADLESS.values(), ids=HEADLESS)
def test_a_table_without_names_is_refused_without_a_word_of_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="name the columns") as refused:
        readers.read(written(tmp_path, text))
    for cell in text.replace("\n", ",").split(","):
        assert len(cell) < 3 or cell not in str(refused.value) + refused.value.zh


def test_a_heading_that_is_repeated_on_every_page_is_one(tmp_path: Path) -> None:
    text = f"{HEAD}\nA1,莞城,6\n{HEAD}\nA2,南城,7\n"
    assert len(table(written(tmp_path, text))) == 3


def test_two_columns_of_one_name_are_refused_by_their_letters(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="B, C have one name") as refused:
        readers.read(written(tmp_path, "编号,SECRET,SECRET\n1,2,3\n"))
    assert "SECRET" not in str(refused.value) + refused.value.zh


def test_a_column_without_a_name_is_told_where_it_holds_something(tmp_path: Path) -> None:
    source = readers.read(written(tmp_path, "编号,,层数\nA1,x,6\nA2,,7\n"))
    assert source.fields == ["编号", "层数"]
    assert "B" in source.notes[0][0]


ENDLESS = {
    "a million columns": ",".join(f"c{n}" for n in range(100_000)) + "\n1\n",
    "one line of ten million characters": "x" * 10_000_000,
    "one line of commas": "a" + "," * 5_000_000,
    "zeros": b"\0" * 5_000,
    "nothing but line ends": "\n" * 5_000,
    "a workbook": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_what_is_no_table_is_refused_and_not_held(tmp_path: Path, text: str | bytes) -> None:
    path = written(tmp_path, text)
    tracemalloc.start()
    try:
        with pytest.raises(SourceError) as refused:
            table(path)
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
    assert refused.value.zh != str(refused.value)


def test_a_huge_cell_is_refused_with_the_number_of_its_row(tmp_path: Path) -> None:
    text = f"{HEAD}\nA1,莞城,6\nA2,{'x' * 9_000_000},6\nA3,a,6\n"
    with pytest.raises(SourceError, match="row 3: a cell is larger than 4 MB"):
        table(written(tmp_path, text))


def test_a_quotation_mark_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    text = f'{HEAD}\nA1,莞城,6\nA2,"南城,7\nA3,东城,8\nA4,万江,9\n'
    with pytest.raises(SourceError, match="quotation mark in row 3"):
        table(written(tmp_path, text))


def test_a_table_of_names_alone_has_no_rows(tmp_path: Path) -> None:
    assert table(written(tmp_path, HEAD)) == {}
    assert table(written(tmp_path, HEAD + "\n\n")) == {}


def test_formulas_are_text(tmp_path: Path) -> None:
    found = table(written(tmp_path, f'{HEAD}\n=1+1,@x,"=HYPERLINK(""a"")"\n'))
    assert found == {2: ["=1+1", "@x", '=HYPERLINK("a")']}


def test_places_that_cannot_be_read_are_told_from_absent_ones(tmp_path: Path) -> None:
    batch = whole(written(tmp_path, "编号,经度,纬度\nA1,113.75,23.02\nA2,,\nA3,东经113,23\n"))
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[0]) == shapely.Point(113.75, 23.02)
    assert batch.geometry[1] is None
    assert batch.geometry[2] == "东经113, 23".encode()


cells = st.text(
    st.characters(codec="gb18030", exclude_characters="\0\r", exclude_categories=["Cs", "Cc"])
    | st.sampled_from(["\n", ",", ";", "\t", "|", '"', "'", "="]),
    max_size=12,
).map(lambda cell: cell.strip("\ufeff"))
lines = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=12)
)


@given(
    lines,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_is_written_as_csv_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    encoding: str,
    separator: str,
    end: str,
) -> None:
    width = len(rows[0]) if rows else 3
    rows = [[cell if cell not in ("NULL", "null", "\\N") else "" for cell in row] for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow([f"column {number}" for number in range(width)])
    writer.writerows(rows)
    path = written(tmp_path_factory.mktemp("csv"), out.getvalue(), encoding)
    wanted = {
        number: [cell or None for cell in row] for number, row in enumerate(rows, 2) if any(row)
    }
    said = None if encoding != "gb18030" else encoding
    assert table(path, encoding=said) == wanted


def test_a_large_table_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    line = "A1,某某街道某某路一号,6\n".encode() * 1000
    with path.open("wb") as file:
        file.write(f"{HEAD}\n".encode())
        for _ in range(1000):
            file.write(line)
    before = pa.total_allocated_bytes()
    highest = 0
    for batch in readers.read(path).batches:
        assert np.diff(batch.row_no[[0, -1]])[0] == len(batch) - 1
        highest = max(highest, pa.total_allocated_bytes() - before)
    assert highest < 60 << 20
