"""GeoJSON, GeoPackage, Shapefile, FlatGeobuf, GML, KML and file geodatabases, streamed by GDAL."""

import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio import raw
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError
from pyogrio.raw import open_arrow

from cim.errors import SourceError
from cim.load.readers import arcs, entries, heading, soundness
from cim.load.readers.archive import Unpacked
from cim.load.readers.soundness import PARTS, parts
from cim.load.source import BATCH_ROWS, Batch, Source, without_nul

__all__ = ["PARTS", "layers", "parts", "read"]

_FAULTS = (
    OSError,
    DataSourceError,
    DataLayerError,
    FieldError,
    GeometryError,
    pa.ArrowException,
    RuntimeError,
    IndexError,
    UnicodeDecodeError,
    ValueError,
)
"""What GDAL, pyogrio and Arrow raise for a file that is not sound."""

DRIVERS: dict[str, tuple[str, ...]] = {
    ".geojson": ("GeoJSON", "GeoJSONSeq", "JSONFG", "TopoJSON", "ESRIJSON"),
    ".json": ("GeoJSON", "GeoJSONSeq", "JSONFG", "TopoJSON", "ESRIJSON"),
    ".geojsonl": ("GeoJSONSeq", "GeoJSON"),
    ".gpkg": ("GPKG",),
    ".shp": ("ESRI Shapefile",),
    ".fgb": ("FlatGeobuf",),
    ".gml": ("GML",),
    ".kml": ("KML", "LIBKML"),
    ".gdb": ("OpenFileGDB",),
}
"""Suffix → what GDAL may take the file for: nothing that reads further files or runs anything."""

_SINGLE = (".geojson", ".json", ".geojsonl", ".shp", ".fgb")
"""Suffixes of files with one layer."""

_COUNTED = (".fgb", ".gdb")
"""Suffixes of files that say how many rows they have, and of which GDAL gives fewer in silence."""

_MEANINGS = {
    "Error occurred in": ("is damaged or cut off", "已损坏或不完整"),
    "Unexpected I/O failure": ("is damaged or cut off", "已损坏或不完整"),
    "Unterminated": ("is cut off", "不完整"),
    "Too many nested": ("is nested deeper than is read", "嵌套层数过多"),
    "Too many characters": ("holds a value that is too long", "含有过长的值"),
    "SHAPE_RESTORE_SHX": (
        "lacks the .shx file that belongs beside it",
        "缺少与其同名的 .shx 文件",
    ),
    "not recognized as": (
        "is not what its ending says, or a part of it is missing",
        "的内容与扩展名不符，或缺少组成文件",
    ),
}
"""What GDAL's commonest complaints mean to the owner of the file."""


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a vector file; where it has several layers of outlines, `layer` names one."""
    notes: list[tuple[str, str]] = []
    suffix = path.suffix.lower()
    try:
        soundness.check(path)
        encoding = encoding or soundness.encoding(path, notes)
        place, held = _place(path)
        with _quiet():
            names, known = _known(path, place, encoding)
            layer = _layer(path, names, layer, notes)
            known = known or pyogrio.read_info(place, layer=layer, encoding=encoding)
    except _FAULTS as error:
        raise _broken(path, error) from error
    _expected(path, known)
    if suffix == ".shp":
        notes += soundness.lacking(path)
    if known["driver"] == "GeoJSON":
        notes += _passed_over(path, int(known["features"]))
    count = int(known["features"]) if known["features"] is not None else -1
    least = count if suffix in _COUNTED else 0
    return Source(
        batches=_batches(path, (place, held), {"layer": layer, "encoding": encoding}, least),
        crs=known["crs"],
        fields=[str(name) for name in known["fields"]],
        count=count if count >= 0 else None,
        layer=layer,
        format=str(known["driver"]),
        encoding=encoding or str(known["encoding"]),
        layers=tuple(names),
        notes=notes,
    )


def _passed_over(path: Path, features: int) -> list[tuple[str, str]]:
    """What is said of entries of the list that GDAL passes over, as they are no features."""
    listed = entries.count(path)
    if listed is None or listed <= features:
        return []
    total, first = entries.no_features(path)
    places = ", ".join(map(str, first)) + (" …" if total > len(first) else "")
    return [
        (
            f"{total:,} entries of the list are no features and were left out; their places in it, "
            f"from 1: {places}",
            f"列表中有 {total:,} 项不是 Feature，未读取；其在列表中的序号（从 1 起）：{places}",
        )
    ]


def _known(
    path: Path, place: Path, encoding: str | None
) -> tuple[dict[str, str | None], dict[str, Any] | None]:
    """Layers, and what is known of the only one: a look less where there can be no other.

    GDAL reads GeoJSON from end to end at every look.
    """
    if path.suffix.lower() in _SINGLE:
        with suppress(IndexError):  # it has none
            known = pyogrio.read_info(place, encoding=encoding)
            if known["driver"] == "TopoJSON":
                return _layers(place), None
            return {str(known["layer_name"]): known["geometry_type"]}, known
    return _layers(place), None


def _place(path: Path) -> tuple[Path, Unpacked | None]:
    """What GDAL opens, and what that needs kept: of GML a link, as GDAL writes a file beside it."""
    if path.suffix.lower() != ".gml":
        return path, None
    held = Unpacked()
    link = held.folder / path.name
    link.symlink_to(path.resolve())
    return link, held


def layers(path: Path) -> list[str]:
    """Names of the layers."""
    try:
        soundness.check(path)
        place, _held = _place(path)
        with _quiet():
            return list(_layers(place))
    except _FAULTS as error:
        raise _broken(path, error) from error


def _expected(path: Path, known: dict[str, Any]) -> None:
    """Refuse a file that GDAL takes for something else, and one of endless columns."""
    if known["driver"] not in DRIVERS[path.suffix.lower()]:
        en, zh = _MEANINGS["not recognized as"]
        raise SourceError(f"{path.name} {en}", f"{path.name} {zh}")
    if len(known["fields"]) > heading.MOST_COLUMNS:
        raise heading.too_wide(path.name, len(known["fields"]))


def _layers(place: Path) -> dict[str, str | None]:
    """Layers by name, with their kind of geometry: None where they have none."""
    return {str(name): kind for name, kind in pyogrio.list_layers(place)}


def _layer(
    path: Path,
    names: dict[str, str | None],
    layer: str | None,
    notes: list[tuple[str, str]],
) -> str:
    """The layer to read: the one named, the only one, or the only one with geometry."""
    if not names:
        raise SourceError(f"{path.name} has no layers", f"{path.name} 中没有图层")
    if layer is not None and layer not in names:
        raise SourceError(
            f"{path.name} has no layer {layer!r}; it has {', '.join(names)}",
            f"{path.name} 没有图层 {layer!r}；现有：{'、'.join(names)}",
        )
    if layer is not None:
        return layer
    drawn = [name for name, kind in names.items() if kind is not None]
    if len(names) > 1 and len(drawn) != 1:
        raise SourceError(
            f"{path.name} has several layers: {', '.join(names)}; choose with --layer",
            f"{path.name} 有多个图层：{'、'.join(names)}；请用 --layer 指定",
        )
    if len(names) == 1:
        return next(iter(names))
    others = [name for name in names if name != drawn[0]]
    notes.append(
        (
            f"read: layer {drawn[0]}, the only one with geometry; not {', '.join(others)}",
            f"读取图层：{drawn[0]}（唯一含几何的图层）；未读取 {'、'.join(others)}",
        )
    )
    return drawn[0]


def _batches(
    path: Path, opened: tuple[Path, Unpacked | None], options: dict[str, str | None], least: int
) -> Iterator[Batch]:
    """The rows; fewer than `least` and the file was cut off."""
    place, held = opened
    assert held is None or held.folder
    row = 1
    try:
        with ExitStack() as stack:
            with _quiet():
                known, stream = stack.enter_context(
                    open_arrow(place, use_pyarrow=True, batch_size=BATCH_ROWS, **options)
                )
            name = known["geometry_name"] or "wkb_geometry"
            while (columns := _next(stream)) is not None:
                if name in columns.schema.names and arcs.any_in(columns.column(name)):
                    columns = _straightened(columns, name, place, options, row)
                yield _batch(columns, name, row)
                row += columns.num_rows
    except _FAULTS as error:
        raise _broken(path, error, row) from error
    if row - 1 < least:
        raise soundness.cut_off(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without GDAL's remarks: what matters of them shows in the rows or as an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _next(stream: pa.RecordBatchReader) -> pa.RecordBatch | None:
    with _quiet():
        try:
            return stream.read_next_batch()
        except StopIteration:
            return None


def _straightened(
    columns: pa.RecordBatch, name: str, place: Path, options: dict[str, str | None], row: int
) -> pa.RecordBatch:
    """Rows with arcs as chains of straight lines: GDAL makes them, though not of Arrow's rows."""
    with _quiet():
        wkb = raw.read(
            place, columns=[], skip_features=row - 1, max_features=columns.num_rows, **options
        )[2]
    there = columns.schema.names.index(name)
    return columns.set_column(there, name, pa.array(wkb, pa.binary()))


def _batch(columns: pa.RecordBatch, geometry: str, row: int) -> Batch:
    if geometry not in columns.schema.names:
        return Batch(without_nul(columns), None, row)
    wkb = columns.column(geometry).to_numpy(zero_copy_only=False)
    return Batch(without_nul(columns.drop_columns([geometry])), wkb, row)


def _broken(path: Path, error: Exception, row: int | None = None) -> Exception:
    """Our error for theirs; a deliberate one stays as it is."""
    if isinstance(error, SourceError):
        return error
    what = re.sub(
        r"(/[^/'`]+)*/(?=" + re.escape(path.name) + ")", "", str(error).partition("\n")[0]
    )
    what = what.partition("; It might help")[0].partition("; please report")[0]
    if "not recognized as" in what and path.suffix.lower() in (".json", ".geojson"):
        return SourceError(
            f"{path.name} is JSON, but no GeoJSON", f"{path.name} 是 JSON，但不是 GeoJSON"
        )
    line = re.search(r"At line (\d+)", what)
    at, zai = (f" (line {line[1]})", f"（第 {line[1]} 行）") if line else ("", "")
    for sign, (en, zh) in _MEANINGS.items():
        if sign in what:
            return SourceError(f"{path.name} {en}{at}", f"{path.name} {zh}{zai}")
    where, wo = (f" after row {row - 1}", f"（第 {row - 1} 行之后）") if row else ("", "")
    return SourceError(
        f"{path.name} cannot be read{where}: {what}", f"{path.name} 无法读取{wo}：{what}"
    )
