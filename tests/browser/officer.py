"""What a data officer has on her desk: a shapefile of footprints and an Excel sheet of addresses.

Everything in it is invented: thirty-six houses in rows beside the sample city, with the columns
that such files have, and the mistakes.
"""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pyogrio
import shapely
from pyproj import Transformer

HOUSES = 36
"""Houses in six rows of six."""

BAD = {
    5: "three points of its outline are one",
    11: "its outline is a line there and back",
    17: "it has no number",
    23: "it has the number of the one before it",
}
"""Rows, from 0, that cannot come in as they are, and why."""

PLACE = (113.7425, 23.0145)
"""Degrees; a few streets south-west of the sample city's focus."""

ZONE = "EPSG:4547"
"""CGCS2000, three-degree zone of 114° E without a prefix: the city's cadastral grid."""


def footprints(folder: Path) -> list[Path]:
    """The parts of the shapefile, without the .prj, which was lost on the way."""
    to_zone = Transformer.from_crs("EPSG:4490", ZONE, always_xy=True)
    east, north = to_zone.transform(*PLACE)
    shapes = [_house(row, east, north) for row in range(HOUSES)]
    numbers = np.array([f"NC-{row + 1:03d}" for row in range(HOUSES)], dtype=object)
    numbers[17] = None
    numbers[23] = numbers[22]
    columns: dict[str, np.ndarray] = {
        "房屋编号": numbers,
        "楼名": np.array([f"{row + 1}栋" for row in range(HOUSES)], dtype=object),
        "总层数": np.array([3 + row % 9 for row in range(HOUSES)], dtype=np.int32),
        "檐口高": np.array([round((3 + row % 9) * 3.1, 1) for row in range(HOUSES)]),
        "竣工": np.array([1998 + row % 25 for row in range(HOUSES)], dtype=np.int32),
        "房屋用途": np.array(
            ["住宅" if row % 6 else "商业" for row in range(HOUSES)], dtype=object
        ),
        "备注": np.array(["" if row % 7 else "待核实" for row in range(HOUSES)], dtype=object),
    }
    path = folder / "新村房屋.shp"
    pyogrio.raw.write(
        str(path),
        shapely.to_wkb(np.array(shapes)),
        list(columns.values()),
        list(columns),
        geometry_type="Polygon",
        crs=ZONE,
        encoding="GBK",
    )
    path.with_suffix(".prj").unlink()
    return sorted(folder.glob("新村房屋.*"))


def _house(row: int, east: float, north: float) -> shapely.Geometry:
    """The outline of a house in metres, or what somebody drew for it."""
    x, y = east + row % 6 * 26, north + row // 6 * 34
    if row == 5:
        return shapely.Polygon([(x, y), (x, y), (x + 10, y), (x, y)])
    if row == 11:
        return shapely.Polygon([(x, y), (x + 12, y + 8), (x, y), (x, y)])
    deep = 11 + row % 3
    return shapely.Polygon(
        [(x, y), (x + 16, y), (x + 16, y + deep - 4), (x + 10, y + deep), (x, y + deep), (x, y)]
    )


def addresses(folder: Path) -> Path:
    """An Excel sheet of an address for each house, in an office's own words."""
    path = folder / "新村地址.xlsx"
    rows: list[list[str | float]] = [["序号", "地址", "经度", "纬度", "所在楼"]]
    lon, lat = PLACE
    for row in range(HOUSES):
        text = f"广东省东莞市南城街道新基社区新村一巷{row + 1}号"
        place = (lon + row % 6 * 0.000254 + 0.00008, lat + row // 6 * 0.000307 + 0.00005)
        rows.append([f"XC{row + 1}", text, *place, f"NC-{row + 1:03d}"])
    rows[4][1] = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in (_BOOK | {"xl/worksheets/sheet1.xml": _sheet(rows)}).items():
            book.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>\n' + content)
    return path


def _sheet(rows: list[list[str | float]]) -> str:
    def cell(value: str | float) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f"<c><v>{value!r}</v></c>"

    body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>'


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOC = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_BOOK = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEET}.worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_DOC}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_DOC}">'
    '<sheets><sheet name="门牌" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_DOC}/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}
