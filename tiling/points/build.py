"""Point clouds of surveys as a tileset of the city.

Files are read in whatever system they are in, taken to CGCS2000 and to heights above the ellipsoid
by the city's own height model, and laid out in metres about their middle; py3dtiles makes the tree.
What it wrote becomes a version in the folder of the tileset, as those of the city's own.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from math import radians
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection

from cim.crs import plane
from cim.crs.ecef import Frame
from cim.crs.geoid import CITY, geoid, to_city
from cim.crs.vertical import Heights, split
from cim.errors import InvalidQuery, SourceError
from cim.load import coordinates
from cim.load.source import Batch, Source
from cim.settings import Settings
from cim.store.queries.tiles import leaves as queries
from cim.store.queries.tiles import manifest
from tiling.city.layers import LAYERS, TERRAIN
from tiling.disk import combined
from tiling.disk.combined import FILE, POINTS
from tiling.disk.folder import Folder, failed
from tiling.formats.packed import packed
from tiling.points import tiles as points_tiles
from tiling.points.files import Cloud, Points, opened, package

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""What a point cloud's tileset may be called."""

TAKEN = ("all", "current", TERRAIN)

FAR = 0.5
"""Degrees from the middle beyond which a point is none of the survey's."""

HIGH = 20_000.0
"""Metres above or below the ellipsoid beyond which nothing is surveyed."""

STEP = 0.001
"""Metres that coordinates are rounded to on their way."""

SAMPLE = 2000
"""Points by which it is told whether a file is where it says."""

WORTH = 0.95
"""A gzipped copy larger than so much of the file is not worth its unpacking."""

NOISE = ("noise, or withheld, by the file's own word", "文件标注为噪点或已弃用")
NOWHERE = ("no place on Earth", "坐标无效")
STRAY = ("over half a degree from the others", "距其他点超过半度")

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass
class Built:
    """What a run made: points, those left out by reason, tiles, and the heights' model."""

    name: str
    points: int = 0
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    tiles: int = 0
    bytes: int = 0
    version: str = ""
    model: str = ""
    shift: float = 0.0
    seconds: float = 0.0
    notes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Wish:
    """What is said of the files: their system and what heights are above, where they do not."""

    crs: str | None = None
    heights: str | None = None
    jobs: int = 1


def build(
    settings: Settings,
    connection: Connection,
    name: str,
    files: Sequence[Path],
    wish: Wish,
    progress: Progress = lambda done, total: None,
    *,
    dry_run: bool = False,
) -> Built:
    """Make the tileset `name` of the points of some files; it takes the place of the one before.

    Raises SourceError, UnknownFormat or MissingCrs where a file cannot be used, InvalidQuery where
    the name is another tileset's, TilingError where a package is missing, the disk is full or a
    geoid grid does not reach.
    """
    began = monotonic()
    own_name(settings, connection, name)
    points_tiles.program()
    clouds = [opened(file) for file in files]
    built = Built(name, model=geoid(settings).name)
    place = settings.tiles_dir / name
    with (
        TemporaryDirectory(prefix="cim-") as spare,
        Folder(Path(spare) / name if dry_run else place) as folder,
    ):
        _make(settings, clouds, wish, folder, built, progress)
        if not dry_run:
            folder.finish(built.version, None, ())
            connection.execute(queries.record(_record(built)))
            connection.commit()
            folder.switch(built.version)
            combined.write(settings.tiles_dir)
    built.seconds = monotonic() - began
    return built


def is_points(format: str) -> bool:
    """Whether a tileset's record is that of a point cloud."""
    return format.startswith("points")


def own_name(settings: Settings, connection: Connection, name: str) -> None:
    """Refuse names that are none, or another tileset's."""
    if not NAME.fullmatch(name):
        raise InvalidQuery(
            f"{name[:60]!r} is no name: letters, digits, - and _, 40 at most",
            f"“{name[:60]}”不能用作名称：限字母、数字、- 和 _，最多 40 个",
        )
    row = connection.execute(manifest.recorded(name)).first()
    connection.rollback()
    standing = row is None and (settings.tiles_dir / name / "current").exists()
    if name in LAYERS or name in TAKEN or standing or (row and not is_points(row.format)):
        raise InvalidQuery(
            f"{name} is another tileset's name; say another with --name",
            f"{name} 是其他瓦片集的名称；请用 --name 指定别的名称",
        )


def _make(
    settings: Settings,
    clouds: Sequence[Cloud],
    wish: Wish,
    folder: Folder,
    built: Built,
    progress: Progress,
) -> None:
    """From files to the version in the making; what is laid down on the way goes again."""
    room = TemporaryDirectory(dir=folder.path, prefix=".points-", ignore_cleanup_errors=True)
    reading, tiling = _halves(progress, sum(cloud.count for cloud in clouds))
    with room as work:
        source, target = Path(work) / "points.las", Path(work) / "tiles"
        try:
            region, frame = _laid_out(settings, clouds, wish, source, built, reading)
        except OSError as fault:
            raise failed(fault) from fault
        points_tiles.convert(source, target, built.points, wish.jobs, tiling)
        source.unlink()
        _taken_over(folder, target, frame, region, built)


@dataclass(frozen=True)
class Placed:
    """Points on Earth: degrees and ellipsoidal metres, (n, 3), and their colours, (n, 3)."""

    where: Floats
    colours: NDArray[np.uint8]

    def only(self, kept: NDArray[np.bool_]) -> "Placed":
        """Some of them."""
        return self if kept.all() else Placed(self.where[kept], self.colours[kept])


def _laid_out(
    settings: Settings,
    clouds: Sequence[Cloud],
    wish: Wish,
    target: Path,
    built: Built,
    progress: Progress,
) -> tuple[list[float], Frame]:
    """Write all points into one LAS file, in metres about their middle; their region, and that."""
    laspy = package("laspy")
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.scales, header.offsets = [STEP] * 3, [0.0] * 3
    low, high, frame = np.full(3, np.inf), np.full(3, -np.inf), None
    with laspy.open(target, mode="w", header=header) as file:
        for cloud in clouds:
            for points in _on_earth(settings, cloud, wish, built, progress):
                if frame is None:
                    east, north = np.median(points.where[:, :2], axis=0).round(6).tolist()
                    frame = Frame(east, north)
                near = _near(frame, points, built)
                if len(near.where):
                    file.write_points(_record_of(laspy, header, frame, near))
                    low = np.minimum(low, near.where.min(axis=0))
                    high = np.maximum(high, near.where.max(axis=0))
                    built.points += len(near.where)
            built.notes += [
                (f"{cloud.name}: {en}", f"{cloud.name}：{zh}") for en, zh in cloud.notes
            ]
    if frame is None or not built.points:
        raise SourceError("there is no point in the files that can be used", "文件中没有可用的点")
    middle = np.array([frame.longitude]), np.array([frame.latitude])
    built.shift = float(geoid(settings).height(*middle)[0])
    return _region(low, high), frame


def _on_earth(
    settings: Settings, cloud: Cloud, wish: Wish, built: Built, progress: Progress
) -> Iterator[Placed]:
    """The points of a file where they are on Earth, a batch at a time, none of them empty."""
    above, system, datum, read = geoid(settings), "", CITY, built.points + built.left.total()
    for points in cloud.batches:
        read += len(points) + points.noise
        progress(read, read)
        if points.noise:
            built.left[NOISE] += points.noise
        if not len(points):
            continue
        if not system:
            system, datum = _system(cloud, points, wish)
        lon, lat = plane.to_4490(points.x, points.y, system)
        found = Placed(np.stack([lon, lat, points.z], axis=1), points.colours)
        whole = np.atleast_1d(np.isfinite(found.where).all(axis=1))
        if not whole.all():
            built.left[NOWHERE] += int((~whole).sum())
            found = found.only(whole)
        if len(found.where):
            lon, lat = found.where[:, 0], found.where[:, 1]
            found.where[:, 2] += to_city(settings, datum)(lon, lat) + above.height(lon, lat)
            yield found


def _system(cloud: Cloud, points: Points, wish: Wish) -> tuple[str, str]:
    """The system of a file's coordinates, and what its heights are above."""
    said = _split(wish.crs or cloud.crs)
    if said.unit is not None:
        raise SourceError(
            f"{cloud.name} has heights in {said.unit}; convert them to metres first",
            f"{cloud.name} 的高程单位为 {said.unit}；请先换算为米",
        )
    step = max(1, len(points) // SAMPLE)
    geometry = shapely.to_wkb(shapely.points(points.x[::step], points.y[::step]))
    source = Source(iter(()), said.plane or None, [], None, format=cloud.format)
    sample = Batch(pa.RecordBatch.from_pydict({}), geometry, 1)
    system = coordinates.settle(cloud.name, source, sample, said.plane if wish.crs else None)
    assert system is not None  # there is geometry
    cloud.notes.extend(source.notes)
    if said.name and said.above is None and wish.heights is None:
        cloud.notes.append(
            (
                f"its heights are said to be {said.name}: taken as the city's own",
                f"文件注明高程基准为 {said.name}：视为与城市高程基准一致",
            )
        )
    return system, wish.heights or said.above or CITY


def _split(said: str | None) -> Heights:
    """A system taken apart, if there is one; the shifted ones of web maps have no heights."""
    if said is None:
        return Heights("", None, None, None)
    plain = said.strip().lower().replace("-", "").replace("_", "")
    if plain.removesuffix(plane.SWAPPED) in plane.SHIFTED or plain.endswith(plane.SWAPPED):
        return Heights(plane.canonical(said), None, None, None)
    return split(plane.NAMES.get(plain, f"EPSG:{plain}" if plain.isdigit() else said))


def _near(frame: Frame, points: Placed, built: Built) -> Placed:
    """The points near the middle; the others are counted as left out."""
    away = np.abs(points.where[:, :2] - [frame.longitude, frame.latitude]).max(axis=1)
    kept: NDArray[np.bool_] = (away <= FAR) & (np.abs(points.where[:, 2]) < HIGH)
    if not kept.all():
        built.left[STRAY] += int((~kept).sum())
    return points.only(kept)


def _record_of(laspy: Any, header: Any, frame: Frame, points: Placed) -> Any:
    """Points as they go into a LAS file."""
    lon, lat, height = points.where.T
    position, up = frame.place(lon, lat)
    record = laspy.ScaleAwarePointRecord.zeros(len(lon), header=header)
    record.x, record.y, record.z = (position + height[:, None] * up).T
    for channel, name in enumerate(("red", "green", "blue")):
        record[name] = points.colours[:, channel].astype(np.uint16) << 8
    return record


def _region(low: Floats, high: Floats) -> list[float]:
    """Around all points, in radians and metres, with what rounding may need."""
    west, south, bottom = low.tolist()
    east, north, top = high.tolist()
    slack = 1e-9  # 6 mm
    sides = [radians(west) - slack, radians(south) - slack]
    sides += [radians(east) + slack, radians(north) + slack]
    return [*sides, bottom - 0.01, top + 0.01]


def _taken_over(
    folder: Folder, target: Path, frame: Frame, region: list[float], built: Built
) -> None:
    """What py3dtiles wrote becomes the version in the making."""
    folder.begin(f"points {datetime.now(UTC).isoformat()}")
    root = points_tiles.placed(target, frame)
    total = blake2b(digest_size=6)
    for file in sorted(target.rglob("*.pnts")):
        path, content = file.relative_to(target).as_posix(), file.read_bytes()
        small = packed(content)
        folder.write(path, content, small if len(small) < WORTH * len(content) else None)
        total.update(path.encode() + blake2b(content).digest())
        built.bytes += len(content)
        file.unlink()
    built.tiles = points_tiles.contents(root)
    total.update(json.dumps([root, region, built.model, built.shift]).encode())
    built.version = total.hexdigest()
    described = _described(built, root, region)
    folder.write(FILE, described, packed(described))
    built.bytes += len(described)


def _described(built: Built, root: dict[str, Any], region: list[float]) -> bytes:
    """tileset.json: the tree that py3dtiles made below a root with a region."""
    error = float(root["geometricError"])
    asset = {
        "version": "1.0",
        "tilesetVersion": built.version,
        "generator": POINTS,
        "extras": {
            "points": built.points,
            "heightModel": built.model,
            "heightShift": built.shift,
        },
    }
    whole = {
        "boundingVolume": {"region": region},
        "geometricError": error,
        "refine": "ADD",
        "children": [root],
    }
    document = {"asset": asset, "geometricError": error, "root": whole}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _record(built: Built) -> dict[str, Any]:
    return {
        "name": built.name,
        "version": built.version,
        "built_at": datetime.now(UTC),
        "feature_count": built.points,
        "tile_count": built.tiles,
        "bytes": built.bytes,
        "height_shift": built.shift,
        "skipped": min(built.left.total(), 2**31 - 1),
        "format": f"points {POINTS}",
    }


def _halves(progress: Progress, total: int) -> tuple[Progress, Progress]:
    """One bar for two halves: points read, then points in tiles."""
    return (
        lambda done, about: progress(min(done, total), 2 * total),
        lambda done, all: progress(total + done * total // max(all, 1), 2 * total),
    )
