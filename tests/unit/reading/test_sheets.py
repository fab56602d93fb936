"""Workbooks as people make them: titles, merged cells, blank rows, several sheets, and traps.

The workbooks are made by hand, so that a test shows what a file holds.
"""

import zipfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cim.errors import SourceError
from cim.load import readers
from cim.load.readers import sheet as sheets
from cim.load.readers.heading import letters
from cim.load.source import BATCH_ROWS

SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
STYLES = (
    f'<styleSheet xmlns="{SPREADSHEET}"><cellXfs><xf numFmtId="0"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>'
)

Cells = Sequence[Sequence[Any]]
NAMES = ["编号", "名称", "层数"]


def cell(row: int, column: int, value: Any) -> str:
    place = f"{letters(column)}{row}"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, date):
        return f'<c r="{place}" s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    if value.startswith("="):
        formula, _, cached = value[1:].partition("→")
        return f'<c r="{place}"><f>{formula}</f><v>{cached}</v></c>'
    text = escape(value)
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def sheet(rows: Cells, merged: Sequence[str] = ()) -> str:
    body = "".join(
        f'<row r="{n}">{"".join(cell(n, c, value) for c, value in enumerate(row))}</row>'
        for n, row in enumerate(rows, 1)
    )
    ranges = "".join(f'<mergeCell ref="{item}"/>' for item in merged)
    tail = f"<mergeCells>{ranges}</mergeCells>" if merged else ""
    return f'<worksheet xmlns="{SPREADSHEET}"><sheetData>{body}</sheetData>{tail}</worksheet>'


def workbook(path: Path, named: dict[str, str], hidden: Sequence[str] = ()) -> Path:
    """An XLSX file of sheets by name, as few parts as one can have."""
    content = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = [
        ("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles"),
        *((f"/xl/worksheets/sheet{n}.xml", "worksheet") for n in range(len(named))),
    ]  # fmt: skip
    types = "".join(
        f'<Override PartName="{name}" ContentType="{content}.{kind}+xml"/>' for name, kind in parts
    )
    shown = {name: ' state="hidden"' if name in hidden else "" for name in named}
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n + 1}"{shown[name]} r:id="r{n}"/>'
        for n, name in enumerate(named)
    )
    links = "".join(
        f'<Relationship Id="r{n}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(len(named))
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType='
            f'"application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>',
        )
        out.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r" '
            f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        out.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{SPREADSHEET}" xmlns:r="{RELATIONS}"><sheets>{listed}</sheets>'
            "</workbook>",
        )
        out.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{PACKAGE}/relationships">{links}<Relationship Id="s" '
            f'Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>',
        )
        out.writestr("xl/styles.xml", STYLES)
        for number, text in enumerate(named.values()):
            out.writestr(f"xl/worksheets/sheet{number}.xml", text)
    return path


def opendocument(path: Path, rows: Cells) -> Path:
    """An ODS file of one sheet."""
    office = "urn:oasis:names:tc:opendocument:xmlns"
    body = "".join(
        "<table:table-row>"
        + "".join(
            '<table:table-cell office:value-type="string"><text:p>'
            f"{escape(value)}</text:p></table:table-cell>"
            for value in row
        )
        + "</table:table-row>"
        for row in rows
    )
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        out.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{office}:office:1.0" '
            f'xmlns:table="{office}:table:1.0" xmlns:text="{office}:text:1.0"><office:body>'
            f'<office:spreadsheet><table:table table:name="表一">{body}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
        out.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
            "/>",
        )
    return path


def table(path: Path, layer: str | None = None) -> dict[int, list[Any]]:
    """Row number → cells."""
    found = {}
    for batch in readers.read(path, layer=layer).batches:
        assert len(batch) <= BATCH_ROWS
        rows = zip(*batch.columns.to_pydict().values(), strict=True)
        found |= dict(zip(batch.row_no.tolist(), map(list, rows), strict=True))
    return found


def one(folder: Path, rows: Cells, merged: Sequence[str] = ()) -> Path:
    return workbook(folder / "房屋.xlsx", {"表一": sheet(rows, merged)})


def test_cells_come_as_a_person_would_type_them(tmp_path: Path) -> None:
    rows = [
        ["编号", "数", "分", "日期", "是否", "公式", "算式"],
        ["007", 7, 0.1 + 0.2, date(2024, 5, 1), True, "=1+1→2", "-1+1"],
    ]
    found = table(one(tmp_path, rows))
    assert found == {2: ["007", "7", "0.3", "2024-05-01", "TRUE", "2", "-1+1"]}


def test_titles_blank_rows_and_empty_columns_do_not_move_the_numbers(tmp_path: Path) -> None:
    rows: Cells = [
        ["房屋清单"], [], [*NAMES, None, None], ["A1", "莞城", 6], [None] * 5, [],
        ["A2", "南城", 7, None, ""],
    ]  # fmt: skip
    path = one(tmp_path, rows, ["A1:E1"])
    assert table(path) == {4: ["A1", "莞城", "6"], 7: ["A2", "南城", "7"]}
    source = readers.read(path)
    assert source.fields == NAMES
    assert "row 3" in source.notes[0][0]


def test_a_heading_over_two_rows_gives_the_lower_names_and_the_upper_where_they_are_needed(
    tmp_path: Path,
) -> None:
    rows: Cells = [
        ["编号", "地上", None, "地下", None, "坐落", None],
        [None, "层数", "面积", "层数", "面积", "街道", "门牌"],
        ["A1", 6, 600, 1, 90, "莞城", "8号"],
    ]
    source = readers.read(one(tmp_path, rows, ["A1:A2", "B1:C1", "D1:E1", "F1:G1"]))
    assert source.fields == [
        "编号", "地上 层数", "地上 面积", "地下 层数", "地下 面积", "街道", "门牌",
    ]  # fmt: skip
    assert any("rows 1 to 2" in en for en, _ in source.notes)
    assert [batch.row_no.tolist() for batch in source.batches] == [[3]]


def test_a_title_may_be_merged_over_more_cells_than_any_row_has(tmp_path: Path) -> None:
    path = one(tmp_path, [["房屋清单"], ["编号", "层数"], ["A1", 6]], ["A1:F1"])
    assert readers.read(path).fields == ["编号", "层数"]
    assert table(path) == {3: ["A1", "6"]}


def test_cells_merged_downwards_stand_in_each_row_and_that_is_told(tmp_path: Path) -> None:
    rows: Cells = [
        NAMES, ["1栋", "101", 1], [None, "201", 2], [None, "301", 3], ["2栋", "101", 1],
    ]  # fmt: skip
    path = one(tmp_path, rows, ["A2:A4"])
    assert [row[0] for row in table(path).values()] == ["1栋", "1栋", "1栋", "2栋"]
    assert any("merged downwards" in en for en, _ in readers.read(path).notes)


def test_the_first_sheet_that_is_seen_and_filled_is_read_and_the_others_named(
    tmp_path: Path,
) -> None:
    named = {
        "说明": sheet([]),
        "底稿": sheet([NAMES, ["X", "x", 0]]),
        "房屋": sheet([NAMES, ["A1", "莞城", 6]]),
        "别的": sheet([NAMES, ["B1", "南城", 7]]),
    }
    path = workbook(tmp_path / "several.xlsx", named, hidden=["底稿"])
    source = readers.read(path)
    assert (source.layer, source.layers) == ("房屋", tuple(named))
    assert "别的" in source.notes[0][1]
    assert table(path) == {2: ["A1", "莞城", "6"]}
    assert table(path, layer="别的") == {2: ["B1", "南城", "7"]}
    assert readers.layers(path) == list(named)
    with pytest.raises(SourceError, match="no such sheet"):
        readers.read(path, layer="没有")


def test_an_opendocument_table_is_read_too(tmp_path: Path) -> None:
    path = opendocument(tmp_path / "房屋.ods", [NAMES, ["A1", "莞城", "007"]])
    assert table(path) == {2: ["A1", "莞城", "007"]}


def test_places_are_found_in_a_sheet_as_in_a_text(tmp_path: Path) -> None:
    rows: Cells = [["编号", "经度", "纬度"], ["A1", 113.75, 23.02], ["A2", None, None]]
    (batch,) = readers.read(one(tmp_path, rows)).batches
    assert batch.geometry is not None
    assert [item is None for item in batch.geometry] == [False, True]


def test_a_table_of_text_that_is_called_a_workbook_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "export.xls"
    path.write_text("编号\t名称\nA1\t莞城\n", "gb18030")
    assert table(path) == {2: ["A1", "莞城"]}


def web_page(path: Path) -> None:
    path.write_text("<html><table><tr><td>SECRET</td></tr></table></html>")


def encrypted(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le"))


def cut_off(path: Path) -> None:
    one(path.parent, [NAMES, ["A1", "SECRET", 6]]).rename(path)
    path.write_bytes(path.read_bytes()[:-200])


def not_xml(path: Path) -> None:
    workbook(path, {"表一": "<worksheet><sheetData><row><c><v>SECRET"})


def far_corner(path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    text = sheet([NAMES, ["A1", "SECRET", 6]]).replace("</sheetData>", far)
    workbook(path, {"表一": text})


def bomb(path: Path) -> None:
    one(path.parent, [NAMES, ["A1", "SECRET", 6]]).rename(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as out:
        out.writestr("xl/sharedStrings.xml", b" " * (100 << 20))


def wide(path: Path) -> None:
    workbook(path, {"表一": sheet([[f"c{n}" for n in range(16_384)], ["SECRET"]])})


def empty(path: Path) -> None:
    workbook(path, {"表一": sheet([])})


def binary(path: Path) -> None:
    path.write_bytes(b"\0\1\2\0\0\0\0\0SECRET")


def nameless(path: Path) -> None:
    workbook(path, {"表一": sheet([["SECRET", "13800000000", 6], ["x", "13900000000", 7]])})


TRAPS = [
    web_page, encrypted, cut_off, not_xml, far_corner, bomb, wide, empty, binary, nameless,
]  # fmt: skip


@pytest.mark.parametrize("make", TRAPS)
def test_what_cannot_be_read_is_refused_with_a_sentence(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "房产.xlsx"
    make(path)
    with pytest.raises(SourceError) as refused:
        table(path)
    said = str(refused.value) + refused.value.zh
    assert refused.value.zh != str(refused.value)
    assert "房产.xlsx" in said
    assert "SECRET" not in said


def test_an_encrypted_workbook_is_called_that(tmp_path: Path) -> None:
    encrypted(tmp_path / "a.xlsx")
    with pytest.raises(SourceError, match="password"):
        readers.read(tmp_path / "a.xlsx")


def test_a_cell_in_the_last_corner_costs_a_sentence_and_no_memory(tmp_path: Path) -> None:
    far_corner(tmp_path / "a.xlsx")
    with pytest.raises(SourceError, match="stray cell"):
        readers.read(tmp_path / "a.xlsx")


def test_the_process_that_reads_goes_when_nobody_reads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    usual = sheets.subprocess.Popen

    def popen(*words: Any, **options: Any) -> Any:
        started.append(usual(*words, **options))
        return started[-1]

    monkeypatch.setattr(sheets.subprocess, "Popen", popen)
    path = one(tmp_path, [NAMES, *([f"A{n}", "莞城", 6] for n in range(60_000))])
    source = readers.read(path)
    next(source.batches)
    assert started[0].returncode is None
    del source
    assert started[0].returncode is not None


values = (
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]), max_size=8)
    .map(str.strip)
    .filter(lambda text: not text.startswith("=") and "_x" not in text)
    | st.integers(-(10**15) + 1, 10**15 - 1)
    | st.dates(date(1990, 1, 1), date(2100, 1, 1))
    | st.none()
)


def shown(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


@settings(max_examples=10)
@given(st.lists(st.lists(values, min_size=3, max_size=3), max_size=20))
def test_what_is_written_as_a_workbook_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[Any]]
) -> None:
    path = one(tmp_path_factory.mktemp("sheet"), [NAMES, *rows])
    wanted = {
        number: [shown(value) for value in row]
        for number, row in enumerate(rows, 2)
        if any(shown(value) for value in row)
    }
    assert table(path) == wanted


def test_days_are_those_of_the_calendar(tmp_path: Path) -> None:
    days = [date(1900, 3, 1) + timedelta(days=n * 997) for n in range(60)]
    found = table(one(tmp_path, [["编号", "日期"], *([f"A{n}", d] for n, d in enumerate(days))]))
    assert [row[1] for row in found.values()] == [day.isoformat() for day in days]
