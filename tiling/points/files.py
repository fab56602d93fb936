"""Point clouds of surveys as they come: LAS, LAZ, PLY and lists of coordinates (XYZ).

A file is opened as a Cloud: what it says of itself, and its points in batches, in the numbers that
it has.  laspy and plyfile are an optional extra.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.errors import SourceError, TilingError, UnknownFormat, why

BATCH = 250_000
"""Points in a batch: the unit of memory."""

NOISE = (7, 18)
"""Classes of LAS that are noise: low points and high points."""

PLAIN = 200
"""The grey of points that have neither colour nor intensity."""

Floats = NDArray[np.float64]
Colours = NDArray[np.uint8]


@dataclass(frozen=True)
class Points:
    """Some points: places in the file's system, (n,) each, and their colours, (n, 3) of 0 to 255.

    `noise` counts those beside them that the file itself says are noise or withheld.
    """

    x: Floats
    y: Floats
    z: Floats
    colours: Colours
    noise: int = 0

    def __len__(self) -> int:
        """How many."""
        return len(self.x)


@dataclass(frozen=True)
class Cloud:
    """A file opened: its points, how many about, and its coordinate system where it says one."""

    name: str
    format: str
    count: int
    batches: Iterator[Points]
    crs: str | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)


def opened(path: Path) -> Cloud:
    """Open a file by the ending of its name.

    Raises UnknownFormat for other endings, SourceError where it is not what its name says or holds
    no point, TilingError where the package that reads it is not installed.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = " ".join(READERS)
        raise UnknownFormat(
            f"{path.name}: point clouds are read from {known}",
            f"{path.name}：可读取的点云格式为 {known}",
        )
    try:
        return reader(path)
    except OSError as fault:
        en, zh = why(fault)
        raise SourceError(
            f"{path.name} cannot be read: {en}", f"无法读取 {path.name}：{zh}"
        ) from fault


def grey(intensity: Floats) -> Colours:
    """Colours of points by how much light came back; white is what 2 in 100 exceed.

    >>> grey(np.array([0.0, 50.0, 100.0]))[:, 0].tolist()
    [0, 130, 255]
    >>> grey(np.array([])).shape
    (0, 3)
    """
    most = float(np.percentile(intensity, 98)) if intensity.size else 1.0
    shade = np.clip(intensity / max(most, 1e-9), 0, 1) * 255
    return np.repeat(shade.astype(np.uint8)[:, None], 3, axis=1)


def _las(path: Path) -> Cloud:
    """LAS, or LAZ through lazrs."""
    laspy = package("laspy")
    lazrs = (package("lazrs").LazrsError,) if path.suffix.lower() == ".laz" else ()
    faults = (laspy.errors.LaspyException, *lazrs, ValueError, EOFError, RuntimeError)
    try:
        with laspy.open(path) as file:
            header = file.header
            crs = _las_crs(header)
            dimensions = set(header.point_format.dimension_names)
            count = int(header.point_count)
    except faults as fault:
        raise _broken(path, "LAS") from fault
    if not count:
        raise _empty(path)

    def batches() -> Iterator[Points]:
        read = 0
        try:
            with laspy.open(path) as file:
                for some in file.chunk_iterator(BATCH):
                    read += len(some)
                    yield _las_points(some, dimensions)
        except faults as fault:
            raise _cut_off(path) from fault
        if read < count:
            raise _cut_off(path)

    return Cloud(path.name, "LAS", count, batches(), crs)


def _las_crs(header: Any) -> str | None:
    """The coordinate system that a header has, as WKT."""
    from pyproj.exceptions import CRSError  # noqa: PLC0415 - loaded with laspy, which few need

    try:
        found = header.parse_crs()
    except (CRSError, KeyError, IndexError):
        return None
    return found.to_wkt() if found is not None else None


def _las_points(some: Any, dimensions: set[str]) -> Points:
    noise = np.isin(np.asarray(some["classification"]), NOISE)
    noise |= np.asarray(some["withheld"]).astype(bool)
    kept = ~noise
    if "red" in dimensions:
        raw = np.stack([np.asarray(some[name]) for name in ("red", "green", "blue")], axis=1)[kept]
        colours = _eight_bits(raw)
    else:
        colours = grey(np.asarray(some["intensity"], float)[kept])
    x, y, z = (np.asarray(axis, float)[kept] for axis in (some.x, some.y, some.z))
    return Points(x, y, z, colours, int(noise.sum()))


def _ply(path: Path) -> Cloud:
    plyfile = package("plyfile")
    try:
        vertices = plyfile.PlyData.read(path)["vertex"].data
        found = set(vertices.dtype.names)
    except (plyfile.PlyParseError, ValueError, KeyError, UnicodeDecodeError) as fault:
        raise _broken(path, "PLY") from fault
    if not {"x", "y", "z"} <= found:
        raise SourceError(
            f"{path.name} has vertices without x, y and z",
            f"{path.name} 的顶点缺少 x、y、z",
        )
    if not len(vertices):
        raise _empty(path)
    names = next(
        (three for three in (("red", "green", "blue"), ("r", "g", "b")) if set(three) <= found),
        None,
    )
    bright = next((one for one in ("intensity", "scalar_Intensity") if one in found), None)

    def batches() -> Iterator[Points]:
        for start in range(0, len(vertices), BATCH):
            some = vertices[start : start + BATCH]
            x, y, z = (np.asarray(some[axis], float) for axis in "xyz")
            if names:
                colours = _eight_bits(np.stack([some[name] for name in names], axis=1))
            else:
                colours = grey(np.asarray(some[bright], float)) if bright else _plain(len(some))
            yield Points(x, y, z, colours)

    notes = []
    coarse = max(float(np.spacing(np.abs(vertices[axis]).max())) for axis in "xy")
    if coarse > 0.01:
        notes.append(
            (
                f"its coordinates are stored in steps of up to {coarse:.2g}: points stand on them",
                f"坐标的存储精度最粗为 {coarse:.2g}，点位受此限制",
            )
        )
    return Cloud(path.name, "PLY", len(vertices), batches(), None, notes)


def _list(path: Path) -> Cloud:
    """X Y Z, then perhaps intensity, red, green and blue, by the number of columns.

    Between them blanks, commas or semicolons; a first line of words is passed over.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = list(islice(file, 100))
    head = 0 if not lines or _numbers(lines[0]) else 1
    first = next((line for line in lines[head:] if line.strip()), "")
    if not first:
        raise _empty(path)
    columns, parting = len(_parted(first)), _parting(first)
    if columns < 3 or not _numbers(first):
        raise _broken(path, "X Y Z")
    about = max(1, path.stat().st_size * len(lines) // sum(map(len, lines)))

    def batches() -> Iterator[Points]:
        number = head
        with path.open(encoding="utf-8", errors="replace") as file:
            for _ in islice(file, head):
                pass
            while some := list(islice(file, BATCH)):
                yield _listed(path, some, number, columns, parting)
                number += len(some)

    return Cloud(path.name, "XYZ", about, batches())


def _listed(
    path: Path, lines: Sequence[str], before: int, columns: int, parting: str | None
) -> Points:
    used = range(min(columns, 7))
    try:
        rows = np.loadtxt(lines, delimiter=parting, usecols=used, ndmin=2, comments=None)
    except (ValueError, IndexError) as fault:
        row = next((n for n, line in enumerate(lines) if not _numbers(line, columns)), 0)
        raise SourceError(
            f"{path.name}, line {before + row + 1}: no {columns} numbers",
            f"{path.name} 第 {before + row + 1} 行：不是 {columns} 个数字",
        ) from fault
    if columns >= 6:
        start = 4 if columns >= 7 else 3
        colours = np.clip(rows[:, start : start + 3], 0, 255).astype(np.uint8)
    else:
        colours = grey(rows[:, 3]) if columns > 3 else _plain(len(rows))
    return Points(rows[:, 0], rows[:, 1], rows[:, 2], colours)


def _parting(line: str) -> str | None:
    return next((sign for sign in ",;" if sign in line), None)


def _parted(line: str) -> list[str]:
    return line.strip().split(_parting(line))


def _numbers(line: str, columns: int = 0) -> bool:
    """Whether a line is numbers, and as many; an empty one passes.

    >>> _numbers("1 2.5 -3e2"), _numbers("x,y,z"), _numbers("1;2", 3)
    (True, False, False)
    """
    try:
        found = [float(word) for word in _parted(line)] if line.strip() else []
    except ValueError:
        return False
    return not found or not columns or len(found) >= min(columns, 7)


def _eight_bits(colours: NDArray[Any]) -> Colours:
    """Colours as bytes: 16 bits are cut unless bytes were put into them, floats go from 0 to 1."""
    if colours.dtype.kind == "f":
        colours = np.clip(colours * 255, 0, 255)
    elif colours.dtype.itemsize > 1 and colours.max(initial=0) > 255:
        colours = colours >> 8
    cut: Colours = colours.astype(np.uint8)
    return cut


def _plain(count: int) -> Colours:
    return np.full((count, 3), PLAIN, np.uint8)


def package(name: str) -> Any:
    """A package of the extra `points`."""
    try:
        return import_module(name)
    except ImportError as fault:
        raise TilingError(
            f"point clouds need the package {name}: pip install 'cimtwin[points]'",
            f"点云需要软件包 {name}：pip install 'cimtwin[points]'",
        ) from fault


def _broken(path: Path, format: str) -> SourceError:
    return SourceError(f"{path.name} is no {format} file", f"{path.name} 不是 {format} 文件")


def _cut_off(path: Path) -> SourceError:
    return SourceError(
        f"{path.name} is damaged or cut off: it has fewer points than it says",
        f"{path.name} 已损坏或不完整：点数少于文件头所注",
    )


def _empty(path: Path) -> SourceError:
    return SourceError(f"{path.name} has no points", f"{path.name} 中没有点")


READERS: dict[str, Callable[[Path], Cloud]] = {
    ".las": _las,
    ".laz": _las,
    ".ply": _ply,
    ".xyz": _list,
    ".txt": _list,
    ".csv": _list,
}
"""What reads a file, by the ending of its name."""
