"""A run: the tiles that are to be built, built, and published as one version.

There is one way for a full build, for the update after changes, and for a run that was broken off:
what differs is which tiles are to be built.  What was touched is absorbed in one transaction, which
leaves the list of tiles in the database; each tile that stands on disk is ticked off; at the end a
version is published.  Whatever kills a run, the next one finds the list and goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from ctypes import CDLL
from dataclasses import replace
from hashlib import blake2b
from heapq import nsmallest
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine

from cim.crs.geoid import Geoid, geoid
from cim.settings import Settings
from cim.store.queries.tiles import leaves as queries
from cim.store.queries.tiles import manifest
from cim.store.queries.tiles import members as member_queries
from cim.store.watching import watch
from tiling.city.layers import Layer
from tiling.city.members import Members, absorb, keep, members_of, place_all
from tiling.disk import combined
from tiling.disk.folder import Folder, busy, outlined
from tiling.formats import tiles3d
from tiling.formats.tree import Key
from tiling.run.batch import carry_out, table_of, tasks_of
from tiling.run.journal import Journal
from tiling.run.program import program
from tiling.run.publish import NAMED, Built, expected, publish
from tiling.shapes.mesh import Reason

Progress = Callable[[int, int], None]
"""Called with the features done and their total."""


def build(
    settings: Settings,
    engine: Engine,
    layer: Layer,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
    dry_run: bool = False,
) -> Built:
    """Build a tileset from the city as it stands now; the old one serves until this one is whole.

    One that was broken off is gone on with.  A `dry_run` builds every tile and writes nothing.
    Raises TilingError where a run on the same tileset is under way, the disk is full, or the geoid
    grid does not reach.
    """
    if dry_run:
        return _tried(settings, engine, layer, progress, executor)
    return run(settings, engine, layer, whole=True, progress=progress, executor=executor)


def run(
    settings: Settings,
    engine: Engine,
    layer: Layer,
    *,
    whole: bool,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Built:
    """Bring a tileset up to the city: all of it, or what is not as it should be.

    Raises as `build` does.
    """
    began = monotonic()
    heights = geoid(settings)
    layer = replace(layer, outlined=outlined(settings.tiles_dir / layer.name))
    with Folder(settings.tiles_dir / layer.name) as folder, held(engine, layer.name):
        folder.mark(part=layer.base is not None)
        terms = prepare(engine, layer, settings, heights)
        with snapshot_of(engine) as snapshot, ThreadPoolExecutor(1) as beside:
            with seeing(engine, snapshot) as connection:
                recorded = connection.execute(manifest.recorded(layer.name)).first()
                stands = recorded is not None and _stands(recorded, folder, terms)
                anew = _begun(connection, layer, folder, terms, whole=whole or not stands)
                members = (
                    place_all(connection, layer) if anew else _dirty(connection, layer, folder)
                )
                nothing = not anew and not connection.scalar(manifest.open_tiles(layer.name))
            if recorded and stands and nothing:
                folder.switch(recorded.version)
                return _unchanged(layer, folder, heights, recorded, monotonic() - began)
            kept = beside.submit(_keep_all, engine, snapshot, layer, members) if anew else None
            tasks, total, features = tasks_of(members, executor), int(members.weight.sum()), 0
            del members  # of a large city they are most of the memory
            hand_back()
            with Journal(engine, layer, kept) as journal:
                for done in carry_out(
                    settings, engine, layer, tasks, executor, folder.work, snapshot
                ):
                    journal.note(done)
                    features += done.features + len(done.skipped)
                    if progress:
                        progress(min(features, total), total)
        with engine.begin() as connection:
            built = publish(connection, layer, folder, heights, terms)
        folder.switch(built.version)
        combined.write(settings.tiles_dir)
    built.seconds = monotonic() - began
    return built


def _begun(
    connection: Connection, layer: Layer, folder: Folder, terms: str, *, whole: bool
) -> bool:
    """Make room for a version; whether all of it is to be built, and not what is left of a run."""
    goes_on = folder.begin(terms)
    states = set(connection.scalars(manifest.states(layer.name)))
    midway = goes_on and manifest.BUILT in states and manifest.PUBLISHED not in states
    if whole and not midway:
        folder.clear(())
        return True
    if not goes_on:
        connection.execute(manifest.mark_all(layer.name, [manifest.BUILT]))
    return False


def _dirty(connection: Connection, layer: Layer, folder: Folder) -> Members:
    """What is to be built because it was touched, or is left of a run; written down."""
    name = layer.name
    _proved(connection, layer, folder)
    _mark(connection, layer, absorb(connection, layer))
    dirty = [Key(*row) for row in connection.execute(manifest.keys(name, manifest.DIRTY))]
    return members_of(connection, layer, dirty)


def _keep_all(engine: Engine, snapshot: str, layer: Layer, members: Members) -> None:
    """Write down that all is to be built, and where each building is."""
    with seeing(engine, snapshot) as connection:
        connection.execute(member_queries.take(layer.name))
        connection.execute(manifest.forget_all_skips(layer.name))
        keep(connection, layer, members)
        connection.execute(manifest.mark_all(layer.name))
        _mark(connection, layer, members.keys())


def _stands(recorded: Any, folder: Folder, terms: str) -> bool:
    """Whether the version on record is here, and was made as one would be now."""
    return recorded.format == terms and folder.holds(recorded.version)


def _proved(connection: Connection, layer: Layer, folder: Folder) -> None:
    """Of a run that was broken off, only files count that are what they were written as."""
    built = connection.execute(manifest.built(layer.name)).all()
    lost = []
    for row in built:
        file = folder.work / tiles3d.content_path(Key(row.level, row.cell))
        whole = file.is_file() and digest(file.read_bytes()) == row.digest
        if not whole or not file.with_name(file.name + ".gz").is_file():
            lost.append(Key(row.level, row.cell))
    _mark(connection, layer, lost)
    folder.clear(expected({Key(row.level, row.cell) for row in built}))


def _mark(connection: Connection, layer: Layer, keys: "set[Key] | list[Key]") -> None:
    if keys:
        levels, cells = zip(*keys, strict=True)
        connection.execute(manifest.mark(layer.name, levels, cells))


def _unchanged(
    layer: Layer, folder: Folder, heights: Geoid, recorded: Any, seconds: float
) -> Built:
    """What is said of a run that had nothing to do."""
    return Built(
        layer.name,
        folder.path,
        recorded.version,
        recorded.feature_count,
        recorded.tile_count,
        0,
        recorded.bytes,
        heights.name,
        recorded.height_shift,
        seconds,
    )


def digest(content: bytes) -> bytes:
    """What a tile's bytes are known by."""
    return blake2b(content, digest_size=16).digest()


def prepare(engine: Engine, layer: Layer, settings: Settings, heights: Geoid) -> str:
    """Have the layer's city watched; the digest of all that bytes come from besides their rows."""
    with engine.begin() as connection:
        watch(connection, layer.name, layer.reads(), layer.which)
        for name in connection.scalars(queries.unsampled()):  # else a plan takes minutes
            connection.exec_driver_sql(f"ANALYZE city.{name}")
        table = table_of(connection, layer)
    terms = blake2b(digest_size=12)
    known = settings.geoid_offset, settings.geoid_grid
    for fact in (table, layer.outlined, layer.which, heights.name, *known):
        terms.update(repr(fact).encode())
    terms.update(program())
    return terms.hexdigest()


def hand_back() -> None:
    """Give free memory back to the system: the arrays of a whole city leave holes behind."""
    trim = getattr(CDLL(None), "malloc_trim", None)  # where the C library is GNU's
    if trim:
        trim(0)


@contextmanager
def held(engine: Engine, name: str) -> Iterator[None]:
    """Nobody else runs on this tileset, on whatever machine; raises TilingError where one does."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(manifest.LOCK, {"name": name}).scalar_one():
            raise busy(name)
        try:
            yield
        finally:
            connection.execute(manifest.UNLOCK, {"name": name})


@contextmanager
def snapshot_of(engine: Engine) -> Iterator[str]:
    """The name of the city as it is now, under which others may see it within the block."""
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
    ):
        yield connection.execute(manifest.SNAPSHOT).scalar_one()


@contextmanager
def seeing(engine: Engine, snapshot: str) -> Iterator[Connection]:
    """A transaction that sees the city under that name, and may write; committed at the end."""
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
    ):
        connection.exec_driver_sql(manifest.see(snapshot))
        yield connection


def _tried(
    settings: Settings,
    engine: Engine,
    layer: Layer,
    progress: Progress | None,
    executor: Executor | None,
) -> Built:
    """A full run of which nothing stays."""
    began = monotonic()
    heights = geoid(settings)
    layer = replace(layer, outlined=outlined(settings.tiles_dir / layer.name))
    built = Built(layer.name, settings.tiles_dir / layer.name, height_model=heights.name)
    with snapshot_of(engine) as snapshot:
        with seeing(engine, snapshot) as connection:
            members = place_all(connection, layer)
        total, left_out = int(members.weight.sum()), Counter[Reason]()
        tasks = tasks_of(members, executor)
        for done in carry_out(settings, engine, layer, tasks, executor, None, snapshot):
            skipped = [(identity, Reason(reason)) for identity, reason in done.skipped]
            left_out.update(reason for _, reason in skipped)
            built.named = nsmallest(NAMED, built.named + skipped)
            built.features += done.features
            built.tiles += done.features > 0
            built.bytes += done.size + done.packed
            if progress:
                progress(min(built.features, total), total)
    built.changed, built.skipped = built.tiles, left_out
    built.seconds = monotonic() - began
    return built
