"""From the city's rasters to tiles of terrain on disk: quantized-mesh, for CesiumJS and its kin.

tiles/terrain/VERSION/layer.json           what there is (TileJSON)
                     /LEVEL/X/Y.terrain    two tiles on level 0, rows from south to north
                     /.plan.json           what it was made from; beside it a record of each tile
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from hashlib import blake2b
from io import BytesIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import numpy as np
from sqlalchemy import Connection, Engine

from cim.errors import TilingError
from cim.settings import Settings
from tiling.city.layers import TERRAIN
from tiling.disk.folder import CURRENT, Folder, store
from tiling.formats.packed import packed
from tiling.run import publish
from tiling.terrain.city import City, city_of, shown
from tiling.terrain.parts import (
    TILE,
    Maker,
    Order,
    Part,
    Tiles,
    carry,
    keep,
    kept,
    made,
    made_apart,
)
from tiling.terrain.plan import Key, Plan, Stale, parts, stale
from tiling.terrain.relief import Nodes, Relief
from tiling.terrain.version import (
    PLAN,
    RECORD,
    described,
    key_of,
    made_from,
    record_of,
    together,
)

MOST = 256
"""About how many tiles a process makes at a time, and a run that is broken off makes again."""

WAITING = 8
"""Such parts under way where the executor does not say: what bounds the memory."""

FILLED = ".filled"
"""The folder of what fills the rasters' holes."""

Progress = Callable[[int, int], None]
"""Called with the tiles done and about how many there are to do."""


@dataclass
class Built(publish.Built):
    """What a run did; `packed` are the bytes of the gzip files, `deepest` is the lowest level."""

    packed: int = 0
    deepest: int = 0


def build(
    settings: Settings,
    engine: Engine,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
    dry_run: bool = False,
) -> Built:
    """Make all terrain of the city as its rasters stand now.

    What is served stays until the new one is whole; a `dry_run` keeps nothing.  A run that was
    broken off is gone on with.  Raises TilingError where the city has no raster, a build is under
    way, the disk is full, or the geoid grid does not reach.
    """
    with engine.connect() as connection:
        city = city_of(settings, connection)
    if city is None:
        raise missing()
    if dry_run:
        return _tried(settings, city, progress, executor)
    return _run(settings, city, None, progress, executor)


def update(
    settings: Settings,
    engine: Engine,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Built | None:
    """Make the tiles anew that are behind the city's rasters; None where none is.

    The files are those of a full build.  Where the last raster has ended no terrain is served any
    more.  Raises as `build` does.
    """
    with engine.connect() as connection:
        city = city_of(settings, connection)
    current = settings.tiles_dir / TERRAIN / CURRENT
    if city is None:
        current.unlink(missing_ok=True)
        return None
    old = made_from(current)
    if old and replace(old, behind="") == city.plan:
        return None
    return _run(settings, city, old, progress, executor)


def outdated(settings: Settings, engine: Engine) -> list[Key]:
    """The tiles that an update would make, in order; nothing is changed by asking."""
    with engine.connect() as connection:
        city = city_of(settings, connection)
    current = settings.tiles_dir / TERRAIN / CURRENT
    old = made_from(current)
    if city is None or (old and replace(old, behind="") == city.plan):
        return []
    with TemporaryDirectory(prefix="cim-") as folder, shown(settings, city, Path(folder)) as ground:
        plan = ground[0].plan
        return sorted(_listed(plan, _stale(old, plan, current)))


def behind(settings: Settings, connection: Connection) -> bool:
    """Whether terrain that was once built is not what the rasters are now: an update is due."""
    top = settings.tiles_dir / TERRAIN
    if not top.is_dir():
        return False
    city, old = city_of(settings, connection), made_from(top / CURRENT)
    return (replace(old, behind="") if old else None) != (city.plan if city else None)


def missing() -> TilingError:
    """What is said where there is no terrain to build."""
    return TilingError(
        "the city has no terrain: load a raster of ground heights with cim load terrain FILE",
        "城市还没有地形：请用 cim load terrain 文件 载入高程栅格",
    )


def _stale(old: Plan | None, new: Plan, current: Path) -> Stale:
    def shown_beyond(what: int) -> frozenset[Key]:
        record = record_of(current)
        chosen = record[record["beyond"] & what > 0]
        return frozenset(zip(*(chosen[name].tolist() for name in ("level", "x", "y")), strict=True))

    return stale(old if record_of(current).size else None, new, shown_beyond)


def _listed(plan: Plan, doubt: Stale) -> Iterator[Key]:
    left: list[Key] = [key for key in ((0, 0, 0), (0, 1, 0)) if doubt(key)]
    while left:
        key = left.pop()
        yield key
        left += [one for one in plan.below(key) if one and doubt(one)]


def _tried(
    settings: Settings, city: City, progress: Progress | None, executor: Executor | None
) -> Built:
    """A full build of which nothing stays."""
    began = monotonic()
    top = settings.tiles_dir / TERRAIN
    with TemporaryDirectory(prefix="cim-") as folder, shown(settings, city, Path(folder)) as ground:
        order, relief = ground
        fresh = _made(order, relief, Stale(everything=True), None, progress, executor)
        record, _ = together(fresh[:0], fresh, order.plan)
        return _built(top, order, relief, record, record.size, monotonic() - began)


def _run(
    settings: Settings,
    city: City,
    old: Plan | None,
    progress: Progress | None,
    executor: Executor | None,
) -> Built:
    """Make what of the version that is served is not as the city has it, and serve it."""
    began = monotonic()
    top = settings.tiles_dir / TERRAIN
    with (
        Folder(top) as folder,
        shown(settings, city, top / FILLED, folder.work) as (order, relief),
    ):
        doubt = _stale(old, order.plan, top / CURRENT)
        base = None if doubt.everything else folder.current
        terms = repr((base, order.plan)).encode()
        folder.begin(blake2b(terms, digest_size=12).hexdigest())
        fresh = _made(order, relief, doubt, top / base if base else None, progress, executor)
        before = record_of(top / base) if base else fresh[:0]
        record, gone = together(before, fresh, order.plan)
        built = _built(top, order, relief, record, fresh.size, 0.0)
        layer = described(order.plan, built.version)
        folder.write("layer.json", layer, packed(layer))
        built.bytes += len(layer)
        folder.finish(built.version, base, gone)
        whole = BytesIO()
        np.save(whole, record)
        store(top / built.version / RECORD, whole.getvalue())
        store(top / built.version / PLAN, json.dumps(order.plan.as_json()).encode())
        if base and base != built.version:
            carry(top / base, top / built.version, {key_of(tile) for tile in fresh})
        folder.switch(built.version)
    built.seconds = monotonic() - began
    return built


def _made(
    order: Order,
    relief: Relief,
    doubt: Stale,
    base: Path | None,
    progress: Progress | None,
    executor: Executor | None,
) -> Tiles:
    """Make all tiles that are stale; their records."""
    keys = parts(order.plan, MOST, doubt)
    about, count = sum(map(order.plan.count, keys)), 0
    there = [part for key in keys if order.target and (part := kept(order.target, key))]
    tops = {part.key: part.nodes for part in there}
    records = [np.empty(0, TILE), *(part.tiles for part in there)]
    left = [key for key in keys if key not in tops]
    for part in _carried_out(order, relief, doubt, left, executor):
        tops[part.key] = part.nodes
        records.append(part.tiles)
        count = sum(one.size for one in records)
        if progress:
            progress(count, max(about, count))

    def known(key: Key) -> Nodes | None:
        """Of a part that was made, or that stands and is not stale."""
        if key in tops or doubt(key):
            return tops.get(key)
        part = kept(base, key) if base else None
        return part.nodes if part else None

    above = [key for key in ((0, 0, 0), (0, 1, 0)) if doubt(key) and key not in tops]
    for key in above:
        for part in Maker(relief, order, doubt, known).parts(key):
            records.append(part.tiles)
            if order.target:
                keep(order.target, part)
    return np.concatenate(records)


def _carried_out(
    order: Order, relief: Relief, doubt: Stale, keys: Sequence[Key], executor: Executor | None
) -> Iterator[Part]:
    """Parts made here, or by an executor's processes with few under way, in whatever order."""
    if executor is None or len(keys) < 2:
        yield from (made(relief, order, doubt, key) for key in keys)
        return
    most = getattr(executor, "workers", WAITING)
    left, under_way = iter(keys), set[Future[Part]]()
    try:
        while True:
            for key in islice(left, most - len(under_way)):
                under_way.add(executor.submit(made_apart, order, doubt.within(key), key))
            if not under_way:
                return
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in ended)
    finally:
        for one in under_way:
            one.cancel()


def _built(
    top: Path, order: Order, relief: Relief, record: Tiles, changed: int, seconds: float
) -> Built:
    """What there is now, with the name of its version: that of the same content is the same."""
    named = described(order.plan, "")
    named += b"".join(record[name].tobytes() for name in ("level", "x", "y", "digest"))
    west, south, east, north = order.plan.box
    middle = np.array([(west + east) / 2]), np.array([(south + north) / 2])
    return Built(
        name=TERRAIN,
        path=top,
        version=blake2b(named, digest_size=6).hexdigest(),
        tiles=record.size,
        changed=changed,
        bytes=int(record["bytes"].sum()),
        packed=int(record["packed"].sum()),
        deepest=order.plan.deepest,
        height_shift=float(relief.geoid.height(*middle)[0]),
        height_model=relief.geoid.name,
        seconds=seconds,
    )
