"""Whether a vector file is whole and what it says it is, before GDAL, which is lenient, opens it.

GDAL gives the rows it finds in a file that was cut off, and rows without geometry for a shapefile
that lost its end: half a city would come in without a word.
"""

import codecs
import glob
import re
import struct
from pathlib import Path
from xml.parsers import expat

import orjson

from cim.errors import SourceError
from cim.load.readers.encoding import is_big5

PARTS = (".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qix", ".qpj")
"""Endings of the files that make up a shapefile, beside .shp."""

_HEAD = 1 << 20
_PIECE = 4 << 20
_LINE = 64 << 20
"""Bytes of the longest line of GeoJSON lines."""

_SAMPLE = 1 << 20
"""Bytes of a table that are looked at for their encoding."""

_HEADER, _LANGUAGE, _ASCII = 32, 29, 128
"""Bytes of a dBase header before the names of columns, the place of its language, end of ASCII."""

_CITYJSON = re.compile(rb'"type"\s*:\s*"CityJSON\w*"')
_RUN = re.compile(rb"gdal_streamed_alg|<OGRVRT|vsicurl")
"""What would have GDAL read other files, or run something."""

_CITYGML = re.compile(rb"opengis\.net/citygml|<(\w+:)?CityModel\b")
_CHINESE = ("gbk", "gb2312", "gb18030", "cp936", "936", "ansi936", "hzgb2312")


def parts(path: Path) -> list[Path]:
    """A file and those that belong to it, in order."""
    if path.is_dir():
        return sorted(item for item in path.rglob("*") if item.is_file())
    if path.suffix.lower() != ".shp":
        return [path]
    return sorted({path, *_beside(path).values()})


def check(path: Path) -> None:
    """Raise SourceError where a file is cut off, or is not what its ending says."""
    found = _CHECKS.get(path.suffix.lower())
    if found:
        found(path)


def cut_off(path: Path, part: Path | None = None) -> SourceError:
    """The refusal of a file whose end is missing, or that of a part of it."""
    name = f"{path.name}: {part.name}" if part and part != path else path.name
    return SourceError(
        f"{name} is cut off: it is shorter than it says; copy it again",
        f"{name} 不完整：文件比其声明的短；请重新复制",
    )


def _other(path: Path, en: str, zh: str) -> SourceError:
    return SourceError(f"{path.name} {en}", f"{path.name} {zh}")


def _head(path: Path, size: int = _HEAD) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _magic(path: Path, sign: bytes) -> bytes:
    head = _head(path, 256)
    if not head.startswith(sign):
        raise _other(path, "is not what its ending says", "的内容与扩展名不符")
    return head


def _shapefile(path: Path) -> None:
    """Lengths in the headers against those of the files (ESRI white paper of 1998; dBase III)."""
    beside = _beside(path)
    for item in (path, beside.get(".shx")):
        if item is None:
            continue
        head = _magic(item, b"\0\0\x27\x0a")
        if len(head) < 100 or int.from_bytes(head[24:28], "big") * 2 > item.stat().st_size:
            raise cut_off(path, item)
    if table := beside.get(".dbf"):
        head = _head(table, _HEADER)
        rows, start = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:10], "little")
        size = start + rows * int.from_bytes(head[10:12], "little")
        if len(head) < _HEADER or size > table.stat().st_size:
            raise cut_off(path, table)


def _geopackage(path: Path) -> None:
    """Pages in the header of SQLite's format against the file's length, where they are valid."""
    head = _magic(path, b"SQLite format 3\0")
    page = int.from_bytes(head[16:18], "big")
    page = 65_536 if page == 1 else page
    valid = head[24:28] == head[92:96]
    if valid and int.from_bytes(head[28:32], "big") * page > path.stat().st_size:
        raise cut_off(path)


def _flatgeobuf(path: Path) -> None:
    _magic(path, b"fgb")


def _json(path: Path) -> None:
    head = _head(path)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head[:64]:
        raise _other(
            path, "is not in UTF-8, as JSON has to be", "不是 UTF-8 编码（JSON 必须为 UTF-8）"
        )
    if _CITYJSON.search(head):
        raise _other(
            path,
            "is CityJSON; give it the ending .city.json",
            "是 CityJSON；请将扩展名改为 .city.json",
        )
    if not start.startswith((b"{", b"[", b"\x1e")) or _RUN.search(head):
        raise _other(path, "is no GeoJSON", "不是 GeoJSON")
    _utf8(path)


def _utf8(path: Path) -> None:
    """Refuse JSON whose texts are in another encoding; GDAL would hand on what is no text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while piece := file.read(_PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _other(
                path, "is not in UTF-8, as JSON has to be", "不是 UTF-8 编码（JSON 必须为 UTF-8）"
            ) from error


def _lines(path: Path) -> None:
    """Every line of GeoJSON lines has to be JSON: GDAL passes over those that are not."""
    _json(path)
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LINE):
            number += 1
            text = line.strip().lstrip(b"\x1e\xef\xbb\xbf")
            if not text:
                continue
            try:
                orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise SourceError(
                    f"{path.name}: line {number} is no JSON, or is cut off",
                    f"{path.name}：第 {number} 行不是 JSON，或不完整",
                ) from error


def _xml(path: Path) -> None:
    """Well-formed to its end, and no city model."""
    head = _head(path)
    if _CITYGML.search(head):
        raise _other(path, "is CityGML, which is not read yet", "是 CityGML，目前尚不支持")
    if _RUN.search(head):
        raise _other(path, "is not what its ending says", "的内容与扩展名不符")
    parser = expat.ParserCreate()
    with path.open("rb") as file:
        try:
            parser.ParseFile(file)
        except (expat.ExpatError, LookupError, ValueError) as error:
            line = parser.CurrentLineNumber
            raise SourceError(
                f"{path.name}: line {line} is no XML, or the file is cut off",
                f"{path.name}：第 {line} 行不是有效的 XML，或文件不完整",
            ) from error


def _geodatabase(path: Path) -> None:
    """Blocks of offsets in the header of each index of rows against its length (format 10)."""
    for index in sorted(path.glob("*.gdbtablx")):
        head = _head(index, 16)
        version, blocks, _, width = struct.unpack("<4I", head.ljust(16, b"\0"))
        if not version or (version == 3 and 16 + 1024 * blocks * width > index.stat().st_size):
            raise cut_off(path, index)


_CHECKS = {
    ".gdb": _geodatabase,
    ".shp": _shapefile,
    ".gpkg": _geopackage,
    ".fgb": _flatgeobuf,
    ".geojson": _json,
    ".json": _json,
    ".geojsonl": _lines,
    ".gml": _xml,
    ".kml": _xml,
}


def lacking(path: Path) -> list[tuple[str, str]]:
    """What a shapefile lacks that it can be read without."""
    if ".dbf" in _beside(path):
        return []
    return [
        (
            f"{path.name} has no .dbf beside it: outlines come without any attribute",
            f"{path.name} 旁边没有 .dbf：只有图形，没有属性",
        )
    ]


def encoding(path: Path, notes: list[tuple[str, str]]) -> str | None:
    """UTF-8, GB18030 or Big5 for a shapefile that does not say its encoding, or says a wrong one.

    None where GDAL knows.  Attributes are cut to their width, in the middle of a character too, so
    a little that is no UTF-8 does not count.
    """
    beside = _beside(path) if path.suffix.lower() == ".shp" else {}
    if ".dbf" not in beside:
        return None
    table = _head(beside[".dbf"], _SAMPLE)
    declared = _declared(beside, table)
    letters = sum(byte >= _ASCII for byte in table[_HEADER:])
    if not letters or declared == "other":
        return None
    text = table[_HEADER:]
    lost = len(text) - len(text.decode("utf-8", "ignore").encode())
    found = "GB18030" if lost * 4 > letters else "UTF-8"
    if found == "GB18030" and is_big5(text):
        found = "CP950"
    if declared and declared != found:
        notes.append(
            (
                f"{path.name} says that its texts are {declared}; they are {found}",
                f"{path.name} 声明文字编码为 {declared}，实际为 {found}",
            )
        )
    return found


def _declared(beside: dict[str, Path], table: bytes) -> str | None:
    """What a shapefile says of its encoding: UTF-8, GB18030, `other`, or nothing."""
    if ".cpg" in beside:
        said = re.sub(r"[\W_]", "", _head(beside[".cpg"], 64).decode("ascii", "ignore")).lower()
        if said in ("utf8", "65001"):
            return "UTF-8"
        return "GB18030" if said in _CHINESE else "other" if said else None
    language = table[_LANGUAGE : _LANGUAGE + 1]
    if language in (b"\x4d", b"\x7a"):
        return "GB18030"
    return None if language in (b"\0", b"") else "other"


def _beside(path: Path) -> dict[str, Path]:
    """The files of a shapefile by ending."""
    found = path.parent.glob(glob.escape(path.stem) + ".*")
    return {item.suffix.lower(): item for item in found if item.suffix.lower() in PARTS}
