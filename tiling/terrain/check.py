"""Is this terrain sound?  layer.json and every tile it promises are read and gone through."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tiling.check.findings import UNREADABLE, Fault
from tiling.check.reading import Malformed
from tiling.check.sources import Source, opened
from tiling.check.tileset import Report
from tiling.formats.packed import unpacked
from tiling.terrain.plan import Key
from tiling.terrain.quantized import NORMALS
from tiling.terrain.reading import Tile, read
from tiling.terrain.rules import EAST, NORTH, RULES, covered, descends, lattice, meet, sibling

FILE = "layer.json"
"""Where terrain begins."""

AT_ONCE = 16
"""Tiles that a process is handed at a time, side by side, so that few are read twice."""

WAITING = 8
"""Such handfuls under way: what bounds the memory."""

MOST_LEVELS = 30
"""More than this no client asks for."""

MOST_TILES = 5_000_000
"""More than this is not gone through."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Layer:
    """What layer.json says: where tiles are, and the columns and rows there are on each level."""

    template: str
    version: str
    ranges: tuple[tuple[tuple[int, int, int, int], ...], ...]
    normals: bool
    ours: bool
    faults: tuple[Fault, ...] = field(default=(), compare=False)

    def has(self, key: Key) -> bool:
        """Whether a tile is promised."""
        level, x, y = key
        if not 0 <= level < len(self.ranges):
            return False
        return any(w <= x <= e and s <= y <= n for w, e, s, n in self.ranges[level])

    def keys(self) -> Iterator[Key]:
        """Every tile that is promised, once, those side by side together."""
        for level, ranges in enumerate(self.ranges):
            for x in sorted({x for w, e, _, _ in ranges for x in range(w, e + 1)}):
                rows = {y for w, e, s, n in ranges if w <= x <= e for y in range(s, n + 1)}
                yield from ((level, x, y) for y in sorted(rows))

    def path(self, key: Key) -> str:
        """Where a tile is, without what asks for a version."""
        return self.asked(key).partition("?")[0]

    def asked(self, key: Key) -> str:
        """Where a tile is asked for."""
        level, x, y = key
        filled = self.template.replace("{z}", str(level)).replace("{x}", str(x))
        return filled.replace("{y}", str(y)).replace("{version}", self.version)


def is_terrain(place: str | Path) -> bool:
    """Whether terrain is meant, not tiles: a folder with a layer.json, or a path or URL of one."""
    return str(place).partition("?")[0].endswith(FILE) or (Path(place) / FILE).is_file()


def check(
    place: str | Path, *, executor: Executor | None = None, progress: Progress | None = None
) -> Report:
    """Everything wrong with the terrain at `place`: a folder, a layer.json, or a URL of one."""
    source, name = opened(place)
    name = name if name.endswith(FILE) else FILE
    report = Report(str(place), titles=["terrain"])
    try:
        layer = described(source.read(name), name)
    except UNREADABLE as fault:
        zh = getattr(fault, "zh", f"无法读取：{fault}")
        report.faults.append(Fault(name, "layer", f"cannot be read: {fault}", zh))
        return report
    keys = list(layer.keys())
    report.tiles, report.faults = len(keys), [*layer.faults]
    done = 0
    for count, faults in _judged(source, layer, keys, executor):
        report.faults += faults
        done += count
        if progress:
            progress(done, len(keys))
    report.uris = {layer.path(key) for key in keys}
    for file in sorted(source.files() or ()):
        known = file.removesuffix(".gz")
        if known.endswith(".terrain") and known not in report.uris:
            en, zh = "on disk, but not available", "文件存在但未标为可用"
            report.faults.append(Fault(file, "available", en, zh))
    return report


def described(content: bytes, name: str = FILE) -> Layer:
    """What layer.json says, and what is wrong with it.

    Raises Malformed, or whatever reading JSON of another shape does.
    """
    told = json.loads(content)
    if (told.get("scheme", "tms"), told.get("projection", "EPSG:4326")) != ("tms", "EPSG:4326"):
        raise Malformed("another scheme than tms in EPSG:4326 is not read", "仅支持 tms、EPSG:4326")
    extensions = told.get("extensions", [])
    layer = Layer(
        template=str(told["tiles"][0]),
        version=str(told.get("version", "")),
        ranges=tuple(
            tuple((one["startX"], one["endX"], one["startY"], one["endY"]) for one in level)
            for level in told["available"]
        ),
        normals="octvertexnormals" in extensions,
        ours=told.get("version") is not None and extensions == ["octvertexnormals"],
    )
    count = sum((e - w + 1) * (n - s + 1) for level in layer.ranges for w, e, s, n in level)
    if len(layer.ranges) > MOST_LEVELS or count > MOST_TILES:
        raise Malformed(
            f"{count:,} tiles on {len(layer.ranges)} levels are more than are gone through",
            f"共 {len(layer.ranges)} 级 {count:,} 个瓦片，超出检查上限",
        )
    found = [*_said(told), *_orphans(layer)]
    return replace(layer, faults=tuple(Fault(name, *one) for one in found))


def _said(told: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with what is said of all tiles together."""
    if not str(told.get("format", "")).startswith("quantized-mesh-1."):
        yield "layer", f"its format is {told.get('format')!r}", "格式不是 quantized-mesh-1.x"
    if not all(part in told["tiles"][0] for part in ("{z}", "{x}", "{y}")):
        yield "layer", "its template lacks {z}, {x} or {y}", "模板缺少 {z}、{x} 或 {y}"
    west, south, east, north = told.get("bounds", (-180, -90, 180, 90))
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        yield "layer", "its bounds are none", "范围非法"
    last = len(told["available"]) - 1
    if told.get("maxzoom", last) != last:
        yield "layer", "maxzoom is not the last level that is available", "maxzoom 与可用级别不符"


def _orphans(layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Ranges that are none, tiles of level 0 that are missing, tiles that have none above them."""
    for level, ranges in enumerate(layer.ranges):
        if any(
            not (0 <= w <= e < 2 ** (level + 1) and 0 <= s <= n < 2**level) for w, e, s, n in ranges
        ):
            yield "available", f"a range of level {level} is none", f"第 {level} 级的范围非法"
    if not all(layer.has((0, x, 0)) for x in (0, 1)):
        yield "available", "level 0 is not whole", "第 0 级不完整"
    for level, ranges in enumerate(layer.ranges[1:], 1):
        corners = (
            (level - 1, x // 2, y // 2) for w, e, s, n in ranges for x in (w, e) for y in (s, n)
        )
        if not all(layer.has(key) for key in corners):
            en = f"a tile of level {level} has none above it"
            yield "available", en, f"第 {level} 级有瓦片缺少上级"


def _judged(
    source: Source, layer: Layer, keys: Sequence[Key], executor: Executor | None
) -> Iterator[tuple[int, list[Fault]]]:
    """How many tiles were gone through and what is wrong, a handful at a time."""
    handfuls = [keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE)]
    if executor is None or len(handfuls) < 2:
        yield from ((len(handful), judge(source, layer, handful)) for handful in handfuls)
        return
    left = iter(handfuls)
    waiting: list[tuple[int, Future[list[Fault]]]] = []
    while True:
        for handful in islice(left, WAITING - len(waiting)):
            waiting.append((len(handful), executor.submit(judge, source, layer, handful)))
        if not waiting:
            return
        count, outcome = waiting.pop(0)
        yield count, outcome.result()


def judge(source: Source, layer: Layer, keys: Sequence[Key]) -> list[Fault]:
    """Every rule on some tiles; those beside and above them are read for comparison."""
    return _Judge(source, layer).faults(keys)


class _Judge:
    """Reads tiles, each once, and goes through the rules."""

    def __init__(self, source: Source, layer: Layer) -> None:
        self.source, self.layer = source, layer
        self._read: dict[Key, Tile | None] = {}

    def faults(self, keys: Sequence[Key]) -> list[Fault]:
        found: list[Fault] = []
        for key in keys:
            path = self.layer.path(key)
            try:
                for rule in self._rules(key):
                    found.append(Fault(path, *rule))
            except FileNotFoundError:
                en, zh = "available, but not there", "标为可用但文件不存在"
                found.append(Fault(path, "available", en, zh))
            except UNREADABLE as fault:
                zh = getattr(fault, "zh", f"无法读取：{fault}")
                found.append(Fault(path, "bytes", str(fault), zh))
        return found

    def _rules(self, key: Key) -> Iterator[tuple[str, str, str]]:
        content = self.source.read(self.layer.asked(key))
        copy = self.source.copy(self.layer.path(key))
        if copy is not None and unpacked(copy) != content:
            yield "gzip", "the gzip file beside it is another", "旁边的 gzip 文件与其不符"
        tile = self._read[key] = read(content, key)
        if self.layer.normals and NORMALS not in tile.extensions:
            yield "normals", "it has no normals, though layer.json says so", "缺少法线"
        for rule, findings in RULES:
            yield from ((rule, *one) for one in findings(tile))
        if self.layer.ours:
            yield from (("lattice", *one) for one in lattice(tile))
        yield from self._around(tile)

    def _around(self, tile: Tile) -> Iterator[tuple[str, str, str]]:
        """What a tile shows beside those around it and above it."""
        level, x, y = tile.key
        for side in (EAST, NORTH):
            other = self._other(sibling(tile.key, side))
            if other:
                ours = self.layer.ours
                yield from (("watertight", *one) for one in meet(tile, other, side, ours=ours))
        above = self._other((level - 1, x // 2, y // 2)) if level else None
        if above is None:
            return
        if self.layer.ours:
            yield from (("levels", *one) for one in descends(tile, above))
        for side in range(4):
            beside = sibling(tile.key, side)
            within = (level - 1, beside[1] // 2, beside[2] // 2) == above.key
            if within and not self.layer.has(beside):
                yield from (("skirts", *one) for one in covered(tile, above, side))

    def _other(self, key: Key) -> Tile | None:
        """Another tile, if it is there and can be read: what is wrong with it is its own fault."""
        if key not in self._read:
            self._read[key] = None
            if self.layer.has(key):
                with suppress(*UNREADABLE):
                    self._read[key] = read(self.source.read(self.layer.asked(key)), key)
        return self._read[key]
