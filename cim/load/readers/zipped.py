"""Archives: whatever of the other formats is in them, in any folder of theirs.

Tables count where there is nothing drawn: a note beside a shapefile is no second layer.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from cim.errors import SourceError
from cim.load.readers import archive, vector
from cim.load.source import Batch, Source

_DRAWN = (".shp", ".gpkg", ".fgb", ".geojson", ".geojsonl", ".gml", ".kml", ".gdb", ".geoparquet")
_TABLES = (".parquet", ".xlsx", ".xlsm", ".xls", ".ods", ".csv", ".tsv")
_PERHAPS = (".json", ".jsonl", ".txt")
_NAMED = 20

Reader = Callable[..., Source]
Readers = Mapping[str, Reader]


def read(
    readers: Readers, path: Path, *, layer: str | None = None, encoding: str | None = None
) -> Source:
    """Open the file of an archive, or the one of several that `layer` names.

    Where that file has layers of its own, `layer` is its name, a slash and the layer's.
    """
    members = _members(path)
    name, within = _choose(path, list(members), layer)
    held = archive.unpack(path, members[name][1], archive.entries(path))
    try:
        inner = held.folder / members[name][0]
        source = readers[inner.suffix.lower()](inner, layer=within, encoding=encoding)
    except SourceError as error:
        held.close()
        raise _of(path, error) from error
    several = len(members) > 1
    return dataclasses.replace(
        source,
        batches=_held(path, held, source.batches),
        layer=(layer if within else name) if several else source.layer or name,
        layers=tuple(members) if several else source.layers or (name,),
    )


def layers(
    readers: Readers, inner: Mapping[Reader, Callable[[Path], list[str]]], path: Path
) -> list[str]:
    """Names of the files in an archive that can be read, or of the layers of the only one."""
    members = _members(path)
    if len(members) != 1:
        return list(members)
    ((name, (member, parts)),) = members.items()
    found = inner.get(readers[PurePosixPath(member).suffix.lower()])
    if not found:
        return [name]
    held = archive.unpack(path, parts, archive.entries(path))
    try:
        return found(held.folder / member)
    except SourceError as error:
        raise _of(path, error) from error


def _members(path: Path) -> dict[str, tuple[str, list[str]]]:
    """What can be read, by the shortest name that tells it apart: its path and those of its parts.

    Raises SourceError where there is nothing.
    """
    names = [name.replace("\\", "/") for name in archive.entries(path)]
    plain = [name for name in names if not _hidden(PurePosixPath(name))]
    for kinds in (_DRAWN, _TABLES, _PERHAPS):
        found = list(dict.fromkeys(item for name in plain if (item := _member(name, kinds))))
        if found:
            break
    else:
        raise SourceError(
            f"{path.name} holds no file that can be read",
            f"{path.name} 中没有可读取的文件",
        )
    stems = [PurePosixPath(name).stem for name in found]
    return {
        (stem if stems.count(stem) == 1 else name): (name, _parts(path, name, plain))
        for stem, name in zip(stems, found, strict=True)
    }


def _hidden(name: PurePosixPath) -> bool:
    """What systems leave in archives."""
    return "__MACOSX" in name.parts or name.name.startswith((".", "~$"))


def _member(name: str, kinds: tuple[str, ...]) -> str | None:
    """The file or the folder database that a name is, or is in."""
    path = PurePosixPath(name)
    for folder in (path, *path.parents):
        if folder.suffix.lower() == ".gdb":
            return str(folder) if ".gdb" in kinds else None
    return name if path.suffix.lower() in kinds else None


def _parts(path: Path, member: str, names: list[str]) -> list[str]:
    """A file with those that belong to it, as the archive names them."""
    this = PurePosixPath(member)
    if this.suffix.lower() == ".gdb":
        wanted = {name for name in names if this in PurePosixPath(name).parents}
    elif this.suffix.lower() == ".shp":
        wanted = {
            name
            for name in names
            if PurePosixPath(name).parent == this.parent
            and PurePosixPath(name).stem.lower() == this.stem.lower()
            and PurePosixPath(name).suffix.lower() in (".shp", *vector.PARTS)
        }
    else:
        wanted = {member}
    return [name for name in archive.entries(path) if name.replace("\\", "/") in wanted]


def _choose(path: Path, names: list[str], layer: str | None) -> tuple[str, str | None]:
    """The file, and the layer within it."""
    if layer in names:
        return str(layer), None
    inner = [name for name in names if layer is not None and layer.startswith(name + "/")]
    if inner:
        assert layer is not None
        return inner[0], layer[len(inner[0]) + 1 :]
    if len(names) == 1:
        return names[0], layer
    listed = names[:_NAMED] + ["…"] * (len(names) > _NAMED)
    if layer is not None:
        raise SourceError(
            f"{path.name} has no layer {layer!r}; it has {', '.join(listed)}",
            f"{path.name} 没有图层 {layer!r}；现有：{'、'.join(listed)}",
        )
    raise SourceError(
        f"{path.name} has several layers: {', '.join(listed)}; choose with --layer",
        f"{path.name} 有多个图层：{'、'.join(listed)}；请用 --layer 指定",
    )


def _held(path: Path, held: archive.Unpacked, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, with the unpacked files kept until their end."""
    assert held.folder
    try:
        yield from batches
    except SourceError as error:
        raise _of(path, error) from error


def _of(path: Path, error: SourceError) -> SourceError:
    """The same fault, with the archive's name before that of the file in it."""
    return type(error)(f"{path.name}: {error}", f"{path.name}：{error.zh}")
