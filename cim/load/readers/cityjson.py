"""CityJSON 1.0 to 2.0 and its lines (CityJSONSeq): buildings with their solids, one row each."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ijson
import numpy as np
import orjson
import pyarrow as pa
from pyproj.exceptions import ProjError

from cim import crs
from cim.crs.geoid import CITY
from cim.crs.vertical import Heights, split
from cim.errors import MissingCrs, SourceError
from cim.load.readers import citymodel, citystreams, vector
from cim.load.readers.citymodel import Feature
from cim.load.readers.citystreams import KEY, Document, Lines
from cim.load.source import BATCH_ROWS, Batch, Solids, Source, without_nul

_FIRST_ROWS = 2_048
"""Rows of a batch: solids are larger than rows."""

_SIGN = re.compile(rb'"type"\s*:\s*"CityJSON\w*"|"CityObjects"\s*:')
_EPSG = re.compile(r"EPSG(?:/[\w.]*)?[/:]+(\d+(?:\+\d+)?)", re.IGNORECASE)
_PEEK = 1 << 20

_UNSAID = Heights("", None, None, None)


def is_one(path: Path) -> bool:
    """Whether a file of JSON, or of lines of it, is CityJSON, by its beginning and its end."""
    with path.open("rb") as file:
        head = file.read(_PEEK)
        file.seek(max(path.stat().st_size - _PEEK, 0))
        return bool(_SIGN.search(head) or _SIGN.search(file.read()))


def read_or_vector(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open JSON as CityJSON where it is that, else as GDAL takes it."""
    if is_one(path):
        return read(path, layer=layer, encoding=encoding)
    return vector.read(path, layer=layer, encoding=encoding)


def layers_or_vector(path: Path) -> list[str]:
    """Names of the layers of JSON; CityJSON has none."""
    return [] if is_one(path) else vector.layers(path)


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open CityJSON or its lines.

    A row is a Building with its parts and installations: `geometry` its footprint, `solids` its
    surfaces by level of detail, columns its attributes.  Raises SourceError where it is no CityJSON
    of a version that is read, is cut off, or names vertices that are no numbers.
    """
    try:
        model = citystreams.opened(path)
        model.look()
    except (ijson.JSONError, orjson.JSONDecodeError, UnicodeDecodeError) as error:
        raise _broken(path) from error
    if layer is not None:
        raise SourceError(f"{path.name} has no layers", f"{path.name} 中没有图层")
    heights, notes = _system(model.header)
    notes += model.index.notes()
    if heights.unit:
        raise SourceError(
            f"{path.name}: its heights are in {heights.unit}; save it with heights in metres",
            f"{path.name}：高程单位为 {heights.unit}；请另存为以米为单位的高程",
        )
    return Source(
        batches=_batches(path, model, notes),
        crs=heights.plane or None,
        fields=[KEY, *model.index.columns],
        count=None,
        format=f"CityJSON {model.header.get('version')}",
        encoding="UTF-8",
        notes=notes,
        solids=True,
        inside=model.index.inside,
    )


def heights_of(header: dict[str, Any]) -> Heights:
    """The systems of the plane and of the heights that the head of a file names."""
    return _system(header)[0]


def _system(header: dict[str, Any]) -> tuple[Heights, list[tuple[str, str]]]:
    """The system of the plane and that of the heights, and what is to be said of them."""
    metadata = header.get("metadata")
    said = metadata.get("referenceSystem") if isinstance(metadata, dict) else None
    if not said:
        return _UNSAID, []
    codes = _EPSG.findall(str(said))  # two where it is put together of two
    spec = "EPSG:" + "+".join(codes) if codes else str(said)
    try:
        heights = split(spec)
    except (ProjError, MissingCrs):
        return _UNSAID, [
            (
                f"the coordinate system that the file names is not known: {spec[:80]}",
                f"文件声明的坐标系无法识别：{spec[:80]}",
            )
        ]
    if heights.name is None or heights.above == CITY:
        return heights, []
    if heights.above is None:
        en, zh = "are taken for heights of the city's datum", "按城市高程基准直接采用"
    else:
        en, zh = "are brought to the city's datum", "已换算到城市高程基准"
    return heights, [
        (f"heights are in {heights.name}, and {en}", f"高程系统为 {heights.name}，{zh}")
    ]


def _batches(path: Path, model: Document | Lines, notes: list[tuple[str, str]]) -> Iterator[Batch]:
    """Rows in the order in which buildings are complete; at their end, what solids there were."""
    columns = model.index.columns
    schema = pa.schema([(KEY, pa.string()), *((name, kind) for name, (_, kind) in columns.items())])
    names = [name for name, _ in columns.values()]
    heights, _ = _system(model.header)
    projected = not heights.plane or crs.is_projected(heights.plane)
    found, row, seen = model.features(), 1, set[str]()
    lods: Counter[str] = Counter()
    try:
        while some := list(islice(found, min(_FIRST_ROWS, BATCH_ROWS))):
            made = [citymodel.building(one, projected=projected) for one in some]
            broken = np.array([one.broken for one in made], dtype=object)
            for place, one in enumerate(some):
                if one.key in seen:
                    broken[place] = "duplicate"
                seen.add(one.key)
            yield Batch(
                without_nul(_columns(some, names, schema)),
                np.array([one.footprint for one in made], dtype=object),
                row,
                broken=broken if any(item is not None for item in broken) else None,
                solids=Solids(
                    np.array([one.surfaces for one in made], dtype=object),
                    np.array([one.lods for one in made], dtype=object),
                    np.array([one.base for one in made], np.float64),
                    np.array([one.top for one in made], np.float64),
                    heights.above,
                ),
            )
            row += len(some)
            lods.update(one.lods.partition(",")[0] if one.lods else "" for one in made)
    except (ijson.JSONError, orjson.JSONDecodeError) as error:
        raise _broken(path) from error
    notes.append(_counted(lods))


def _counted(lods: Counter[str]) -> tuple[str, str]:
    """How many buildings are shown in which level of detail."""
    listed = sorted(lods.items())
    en = ", ".join(f"{n:,} in LoD{lod}" if lod else f"{n:,} without" for lod, n in listed)
    zh = "，".join(f"LoD{lod} {n:,} 幢" if lod else f"无实体 {n:,} 幢" for lod, n in listed)
    return f"solids: {en}", f"实体模型：{zh}"


def _columns(some: list[Feature], names: list[str], schema: pa.Schema) -> pa.RecordBatch:
    """Ids and the attributes of these names as columns of the file's types."""
    listed = [one.attributes for one in some]
    arrays = [pa.array([one.key for one in some], pa.string())]
    for name, kind in zip(names, schema.types[1:], strict=True):
        arrays.append(pa.array([_as(item.get(name), kind) for item in listed], kind))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _as(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _broken(path: Path) -> SourceError:
    return SourceError(
        f"{path.name} is no JSON, or is cut off", f"{path.name} 不是有效的 JSON，或文件不完整"
    )
