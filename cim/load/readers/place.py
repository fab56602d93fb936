"""Where a row of a table is: from columns of longitude and latitude, or from one of WKT or WKB."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

LON = ("lon", "lng", "long", "longitude", "经度", "东经", "x", "point_x", "x坐标", "东坐标",
       "横坐标", "jd")  # fmt: skip
LAT = ("lat", "latitude", "纬度", "北纬", "y", "point_y", "y坐标", "北坐标", "纵坐标", "wd")
WKT = ("wkt", "geometry", "geom", "the_geom", "几何", "wkb", "wkb_geometry")
"""Names of columns that hold a place, without case, spaces and what stands in brackets."""

DEEPEST = 64
"""Collections within collections that are followed: GEOS's stack ends at some thousands."""

_NESTS = re.compile(
    rb"\x01[\x04-\x0c\xec-\xf4\xd4-\xdc\xbc-\xc4][\0\x03\x07\x0b]\0[\0\x20\x40\x80\xa0\xc0\xe0]"
    rb"|\0[\0\x20\x40\x80\xa0\xc0\xe0]\0[\0\x03\x07\x0b][\x04-\x0c\xec-\xf4\xd4-\xdc\xbc-\xc4]"
)
"""Beginnings of geometries that have parts, in either order of bytes, with Z, M and SRID."""

_BRACKETS = re.compile(r"[(（\[].*?[)）\]]|\s")


def columns(fields: list[str]) -> tuple[str, ...]:
    """The columns that hold the place: (wkt,), (lon, lat) or ().

    >>> columns(["编号", "经度(°)", "纬度(°)"]), columns(["id", "WKT"]), columns(["id", "lon"])
    (('经度(°)', '纬度(°)'), ('WKT',), ())
    """
    plain = {_BRACKETS.sub("", name).lower(): name for name in reversed(fields)}
    wkt = next((plain[name] for name in WKT if name in plain), None)
    if wkt is not None:
        return (wkt,)
    lon = next((plain[name] for name in LON if name in plain), None)
    lat = next((plain[name] for name in LAT if name in plain), None)
    return (lon, lat) if lon and lat else ()


def geometry(batch: pa.RecordBatch, place: tuple[str, ...]) -> NDArray[np.object_]:
    """WKB from the place columns; None where they say nothing, the text where it is unreadable.

    >>> table = pa.RecordBatch.from_pydict({"x": ["1", "", "east"], "y": ["2", None, "2"]})
    >>> [shapely.from_wkb(item) if item == b"" or item and item[0] < 2 else item
    ...  for item in geometry(table, ("x", "y"))]
    [<POINT (1 2)>, None, b'east, 2']
    """
    if len(place) == 1:
        return _shapes(batch.column(place[0]))
    pair = [batch.column(name) for name in place]
    x, y = (numbers(column) for column in pair)
    known = np.isfinite(x) & np.isfinite(y)
    points = np.full(len(x), None, dtype=object)
    points[known] = shapely.to_wkb(shapely.points(x[known], y[known]))
    for row in np.flatnonzero(~known):
        words = [str(column[row].as_py() or "").strip() for column in pair]
        if any(words):
            points[row] = ", ".join(words).encode()  # no place either, but not the absence of one
    return points


def _shapes(column: pa.Array) -> NDArray[np.object_]:
    values = np.array(column.to_pylist(), dtype=object)
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return shallow(values)
    nested = pc.greater(pc.count_substring(column, "collection", ignore_case=True), DEEPEST)
    plain = np.where(np.asarray(pc.fill_null(nested, False)), np.array(None), values)
    made: NDArray[np.object_] = shapely.to_wkb(_drawn(plain))
    for row in np.flatnonzero((made == np.array(None)) & (values != np.array(None))):
        if str(values[row]).strip():
            made[row] = str(values[row]).encode()
    return made


def _drawn(texts: NDArray[np.object_]) -> NDArray[np.object_]:
    """Geometries from WKT, None where it is none, or has arcs."""

    def one(text: str | None) -> shapely.Geometry | None:
        try:
            return shapely.from_wkt(text, on_invalid="ignore")
        except NotImplementedError:
            return None

    try:
        found: NDArray[np.object_] = shapely.from_wkt(texts, on_invalid="ignore")
    except NotImplementedError:
        found = np.array([one(text) for text in texts], dtype=object)
    return found


def shallow(wkb: NDArray[np.object_]) -> NDArray[np.object_]:
    """WKB, with those nested deeper than GEOS's stack replaced by what cannot be read.

    >>> deep = b"\\1\\7\\0\\0\\0\\1\\0\\0\\0" * 20_000
    >>> shallow(np.array([deep, shapely.Point(1, 2).wkb, None], dtype=object)).tolist()[0]
    b'nested'
    """
    long = [
        place
        for place, item in enumerate(wkb)
        if isinstance(item, bytes)
        and len(item) > DEEPEST * 9
        and len(_NESTS.findall(item)) > DEEPEST
    ]
    if long:
        wkb = wkb.copy()
        wkb[long] = b"nested"
    return wkb


def numbers(column: pa.Array) -> NDArray[np.float64]:
    """Numbers, or text as numbers; NaN where it is none.

    >>> numbers(pa.array([" 1.5", "x", None])).tolist()
    [1.5, nan, nan]
    """
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        column = pc.cast(column, pa.float64(), safe=False)
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
    trimmed = pc.utf8_trim_whitespace(column)
    number = pc.match_substring_regex(trimmed, r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
    clean = pc.if_else(pc.fill_null(number, False), trimmed, None)
    return np.asarray(pc.cast(clean, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
