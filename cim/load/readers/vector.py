"""GeoJSON, GeoPackage, Shapefile (also zipped) and FlatGeobuf, streamed by GDAL as Arrow."""

import glob
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError
from pyogrio.raw import open_arrow

from cim.errors import SourceError
from cim.load.source import BATCH_ROWS, Batch, Source

_SAMPLE = 1 << 20
"""Bytes of a table that are looked at for their encoding."""

_HEADER, _LANGUAGE, _ASCII = 32, 29, 128
"""Bytes of a dBase header before the names of columns, the place of its language, end of ASCII."""

_FAULTS = (
    OSError,
    zipfile.BadZipFile,
    DataSourceError,
    DataLayerError,
    FieldError,
    GeometryError,
    pa.ArrowException,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
)
"""What GDAL, pyogrio and Arrow raise for a file that is not sound."""


_MEANINGS = {
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
    """Open a vector file; where it has several layers, `layer` names one."""
    try:
        encoding = encoding or _encoding(path)
        place = _place(path)
        with _quiet():
            layer = _layer(path, place, layer)
            known = pyogrio.read_info(place, layer=layer, encoding=encoding)
    except _FAULTS as error:
        raise _broken(path, error) from error
    count = known["features"]
    return Source(
        batches=_batches(path, place, layer, encoding),
        crs=known["crs"],
        fields=[str(name) for name in known["fields"]],
        count=int(count) if count is not None and count >= 0 else None,
        layer=layer,
    )


def _encoding(path: Path) -> str | None:
    """UTF-8 or GB18030 for a shapefile that does not say its encoding; else None.

    Attributes are cut to their width, in the middle of a character too, so a little that is no
    UTF-8 does not count.
    """
    table = _undeclared(path)
    if not table:
        return None
    letters = sum(byte >= _ASCII for byte in table)
    lost = len(table) - len(table.decode("utf-8", "ignore").encode())
    return "GB18030" if lost * 4 > letters else "UTF-8"


def _undeclared(path: Path) -> bytes:
    """The beginning of a shapefile's table where nothing beside it or in it says its encoding."""
    if path.suffix.lower() == ".shp":
        beside = {
            item.suffix.lower(): item for item in path.parent.glob(glob.escape(path.stem) + ".*")
        }
        if ".dbf" not in beside or ".cpg" in beside:
            return b""
        with beside[".dbf"].open("rb") as file:
            head = file.read(_SAMPLE)
    elif path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).suffix.lower(): name for name in archive.namelist()}
            if ".dbf" not in names or ".cpg" in names:
                return b""
            with archive.open(names[".dbf"]) as file:
                head = file.read(_SAMPLE)
    else:
        return b""
    return head[_HEADER:] if head[_LANGUAGE : _LANGUAGE + 1] == b"\0" else b""


def _place(path: Path) -> str:
    """What GDAL opens: the file, or the one folder of an archive that holds its shapefiles."""
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return str(path)
    with zipfile.ZipFile(path) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
    folders = {
        str(name.parent)
        for name in names
        if name.suffix.lower() == ".shp" and name.parts[0] != "__MACOSX"
    }
    if len(folders) != 1 or folders == {"."}:
        return str(path)
    return f"/vsizip/{path.absolute()}/{folders.pop()}"


def _layer(path: Path, place: str, layer: str | None) -> str | None:
    """The layer to read: the one named, or the only one."""
    names = [str(row[0]) for row in pyogrio.list_layers(place)]
    if not names:
        raise SourceError(f"{path.name} has no layers", f"{path.name} 中没有图层")
    if layer is not None and layer not in names:
        raise SourceError(
            f"{path.name} has no layer {layer!r}; it has {', '.join(names)}",
            f"{path.name} 没有图层 {layer!r}；现有：{'、'.join(names)}",
        )
    if layer is None and len(names) > 1:
        raise SourceError(
            f"{path.name} has several layers: {', '.join(names)}; choose with --layer",
            f"{path.name} 有多个图层：{'、'.join(names)}；请用 --layer 指定",
        )
    return layer or names[0]


def _batches(path: Path, place: str, layer: str | None, encoding: str | None) -> Iterator[Batch]:
    row = 1
    options = {"layer": layer, "encoding": encoding, "batch_size": BATCH_ROWS}
    try:
        with ExitStack() as opened:
            with _quiet():
                known, stream = opened.enter_context(open_arrow(place, use_pyarrow=True, **options))
            name = known["geometry_name"] or "wkb_geometry"
            while (columns := _next(stream)) is not None:
                yield _batch(columns, name, row)
                row += columns.num_rows
    except _FAULTS as error:
        raise _broken(path, error, row) from error


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


def _batch(columns: pa.RecordBatch, geometry: str, row: int) -> Batch:
    if geometry not in columns.schema.names:
        return Batch(columns, None, row)
    wkb = columns.column(geometry).to_numpy(zero_copy_only=False)
    return Batch(columns.drop_columns([geometry]), wkb, row)


def _broken(path: Path, error: Exception, row: int | None = None) -> Exception:
    """Our error for theirs; a deliberate one stays as it is."""
    if isinstance(error, SourceError):
        return error
    what = str(error).partition("\n")[0].replace(str(path), path.name)
    what = what.partition("; It might help")[0]
    for sign, (en, zh) in _MEANINGS.items():
        if sign in what:
            return SourceError(f"{path.name} {en}", f"{path.name} {zh}")
    where, wo = (f" after row {row - 1}", f"（第 {row - 1} 行之后）") if row else ("", "")
    return SourceError(
        f"{path.name} cannot be read{where}: {what}", f"{path.name} 无法读取{wo}：{what}"
    )
