"""CSV, streamed; geometry from longitude and latitude columns, or from a column of WKT.

Every column is read as text: a code such as 007 keeps its zeros, and the fields know their types.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import shapely
from numpy.typing import NDArray

from cim.errors import SourceError
from cim.load.source import Batch, Source, without_nul

LON = ("lon", "lng", "longitude", "经度", "x", "point_x")
LAT = ("lat", "latitude", "纬度", "y", "point_y")
WKT = ("wkt", "geometry", "geom", "the_geom")
"""Names of columns that hold a place, lower case."""

_BLOCK = 4 << 20
_SEPARATORS = ",\t;|"
_UNEVEN = re.compile(r"Expected (\d+) columns, got (\d+)")


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a CSV file; `encoding` where it is neither UTF-8 nor GB18030."""
    encoding = encoding or _encoding(path)
    try:
        stream = _open(path, encoding)
    except (pa.ArrowException, OSError, UnicodeError, LookupError) as error:
        raise _broken(path, error) from error
    fields = [name for name in stream.schema.names if name.strip()]
    if len(set(fields)) != len(fields):
        twice = sorted({name for name in fields if fields.count(name) > 1})
        raise SourceError(
            f"{path.name}: columns named twice: {', '.join(twice)}",
            f"{path.name}：列名重复：{'、'.join(twice)}",
        )
    place = _place(fields)
    return Source(
        batches=_batches(path, stream, fields, place),
        crs=None,
        fields=[name for name in fields if name not in place],
        count=None,
    )


def _encoding(path: Path) -> str:
    """UTF-8 with or without mark, or GB18030, by trying the whole file piecewise."""
    with path.open("rb") as file:
        head = file.read(4)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "gb18030"
    return "utf-8"


def _open(path: Path, encoding: str) -> pc_csv.CSVStreamingReader:
    with path.open(encoding=encoding, newline="") as file:
        header = file.readline()
    separator = max(_SEPARATORS, key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    return pc_csv.open_csv(
        path,
        read_options=pc_csv.ReadOptions(
            encoding="utf-8" if encoding == "utf-8-sig" else encoding, block_size=_BLOCK
        ),
        parse_options=pc_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pc_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=["", "NULL", "null", "\\N"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _place(fields: list[str]) -> tuple[str, ...]:
    """The columns that hold the place: (wkt,), (lon, lat) or ()."""
    lower = {name.strip().lower(): name for name in reversed(fields)}
    wkt = next((lower[name] for name in WKT if name in lower), None)
    if wkt is not None:
        return (wkt,)
    lon = next((lower[name] for name in LON if name in lower), None)
    lat = next((lower[name] for name in LAT if name in lower), None)
    return (lon, lat) if lon and lat else ()


def _batches(
    path: Path, stream: pc_csv.CSVStreamingReader, fields: list[str], place: tuple[str, ...]
) -> Iterator[Batch]:
    """Batches of the columns that have a name: a spreadsheet adds some that have none."""
    row = 1
    try:
        for read in stream:
            columns = without_nul(read.select(fields))
            geometry = _geometry(columns, place) if place else None
            yield Batch(columns.drop_columns(list(place)), geometry, row)
            row += columns.num_rows
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise _broken(path, error) from error


def _geometry(columns: pa.RecordBatch, place: tuple[str, ...]) -> NDArray[np.object_]:
    """WKB from the place columns; None where they say nothing, the text where it is unreadable."""
    if len(place) == 1:
        texts = np.array(columns.column(place[0]).to_pylist(), dtype=object)
        made: NDArray[np.object_] = shapely.to_wkb(shapely.from_wkt(texts, on_invalid="ignore"))
        for row in np.flatnonzero((made == np.array(None)) & (texts != np.array(None))):
            made[row] = texts[row].encode()  # no geometry either, but not the absence of one
        return made
    x, y = (_numbers(columns.column(name)) for name in place)
    known = np.isfinite(x) & np.isfinite(y)
    points = np.full(len(x), None, dtype=object)
    points[known] = shapely.to_wkb(shapely.points(x[known], y[known]))
    return points


def _numbers(column: pa.Array) -> NDArray[np.float64]:
    """Text as numbers, NaN where it is none."""
    trimmed = pc.utf8_trim_whitespace(column)
    number = pc.match_substring_regex(trimmed, r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
    clean = pc.if_else(pc.fill_null(number, False), trimmed, None)
    return np.asarray(pc.cast(clean, pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _broken(path: Path, error: Exception) -> SourceError:
    """What is wrong with the file, never in Arrow's words: they quote the row."""
    en, zh = _reason(error)
    return SourceError(f"{path.name} cannot be read: {en}", f"{path.name} 无法读取：{zh}")


def _reason(error: Exception) -> tuple[str, str]:
    if uneven := _UNEVEN.search(str(error)):
        wanted, found = uneven.groups()
        return (
            f"a row has {found} columns where the first line has {wanted}",
            f"有一行为 {found} 列，而首行为 {wanted} 列",
        )
    if isinstance(error, UnicodeError):
        return (
            "its text is not in one encoding, UTF-8 or GB18030; say --encoding",
            "文字不是统一的 UTF-8 或 GB18030 编码；请用 --encoding 指定",
        )
    if isinstance(error, LookupError):
        return ("no encoding goes by that name", "没有这种编码")
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__,) * 2
    if "straddl" in str(error):
        return (
            "a cell is larger than 4 MB, or its quotation mark is never closed",
            "某个单元格超过 4 MB，或引号没有闭合",
        )
    return ("it is no table of rows and columns", "内容不是由行和列组成的表格")
