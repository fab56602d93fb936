"""Tiles: from the store to tilesets on disk, and from there to those who ask for them.

Buildings are tiled, served and edited first; then units are derived, once, and tiled.  Beside us
py3dtiles, in an environment of its own (.setup/bench-venv), on at most PEER_SIZE of the same
buildings given to it as ready solids in metres: it extrudes nothing, reads no database, makes no
gzipped copies.
"""

import os
import re
import resource
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import click
import numpy as np
import psutil
import shapely

from benchmarks import updates
from benchmarks.measures import City, Measure, Watch, city, footprints, keep
from sample_data import places, shapes
from sample_data.buildings import build

AIM = 70_000
"""Buildings a second into the tileset of buildings, all of it written, gzipped copies too."""

TIMES = 60
"""How many times as many as py3dtiles, for each processor."""

REAL_AIM = 40_000
"""The same of New York's buildings."""

UNITS_AIM = 50_000
"""Units a second."""

MANY, WITHIN = 12_000_000, 240
"""Units of a large city, and the seconds that they may take."""

MEMORY = 600
"""MB of all processes together, PostgreSQL left out."""

BUILDING, UNIT = 98, 50
"""Gzipped bytes for each, all files of its tileset counted."""

PEER_SIZE = 4_000
"""It takes a second for every few hundred."""

CORES = os.cpu_count() or 1

BEGAN = perf_counter()

LARGE = 1_000_000
"""Buildings from which New York is left out: its figures are those of a smaller run."""

REAL_FROM = 50_000
"""Buildings from which New York, 113,000 buildings, is worth its time."""

NEW_YORK = Path(__file__).resolve().parents[2] / (
    "shared/data/buildings/newyork/nyc_buildings_asis.parquet"
)

PROGRAM = Path(__file__).parents[1] / ".setup" / "bench-venv" / "bin" / "py3dtiles"


def measure(size: int) -> list[Measure]:
    """Tile SIZE buildings, serve and edit them, then tile all their units; and New York."""
    with city() as here:
        _said("sample city")
        here.run("load", "buildings", str(footprints(here.folder, size)), "--no-units")
        _said("buildings")
        found = _tiled(here, "buildings", "building", (AIM, BUILDING))
        found[1:1] = _beside(here, min(size, PEER_SIZE), found[1].value, found[-1].value)
        _said("edits and tiles over HTTP")
        found += updates.served(here)
        if size >= LARGE:
            keep("tiles", size, found)  # minutes are to come
        _said("deriving units")
        here.run("units", "build")
        _said("units")
        units = _tiled(here, "units", "unit", (UNITS_AIM, UNIT))
        took = MANY / units[0].value
        units.insert(1, Measure(f"seconds for {MANY:,} units at this rate", took, "s", WITHIN))
    real = _new_york() if REAL_FROM <= size < LARGE and NEW_YORK.exists() else []
    _said("done")
    return found + units + real


def _tiled(here: City, name: str, one: str, aims: tuple[float, float]) -> list[Measure]:
    """A whole `cim tile build` of a tileset; `aims` are its rate and its bytes."""
    before = _busy() + _database(here)
    watch = here.run("tile", "build", "--tileset", name, database=False)
    busy = _busy() + _database(here) - before
    count = here.one(f"SELECT feature_count FROM platform.tileset WHERE name = '{name}'")
    folder = (here.folder / "tiles" / name / "current").resolve()
    files = [path for path in folder.rglob("*") if path.is_file()]
    packed = sum(path.stat().st_size for path in files if path.suffix == ".gz")
    return [
        Measure(f"{name} tiled, whole command", count / watch.seconds, "1/s", aims[0], "higher"),
        Measure(f"{name} tiled, without start of program", inside(here.said(), name), "1/s",
                aims[0], "higher"),
        Measure(f"peak memory without PostgreSQL (PSS), {name}", watch.peak / 1e6, "MB", MEMORY),
        Measure(f"gzipped bytes for each {one}", packed / count, "B", aims[1]),
        Measure(name, count, name, None, "higher"),
        Measure(f"seconds, {name}", watch.seconds, "s"),
        Measure(f"files, {name}", len(files), "files"),
        Measure(f"{name} for each processor second, PostgreSQL's included", count / busy, "1/s",
                None, "higher"),
    ]  # fmt: skip


def inside(said: str, name: str) -> float:
    """Features a second as the last run on a tileset said them, without the program's start."""
    rates = re.findall(rf"^{name}: .* s, ([\d,]+)/s$", said, re.MULTILINE)
    if not rates:
        raise click.ClickException(f"the command said no rate of {name}:\n{said[-3000:]}")
    return float(rates[-1].replace(",", ""))


def _new_york() -> list[Measure]:
    """Real buildings, of many corners and heights."""
    _said("New York")
    with city() as here:
        words = ("--source", "newyork", "--map", "kind=", "--no-units", "--quiet")
        here.run("load", "buildings", str(NEW_YORK), *words, ends=(0, 1))  # some are put aside
        found = _tiled(here, "buildings", "building", (REAL_AIM, BUILDING))
    return [Measure(f"New York: {m.measure}", m.value, m.unit, m.aim, m.better) for m in found[:4]]


def _beside(here: City, size: int, ours: float, busy: float) -> list[Measure]:
    """What py3dtiles makes of solids of the same buildings; `ours` is our rate.

    Of both the start of the program is left out: what one solid takes, of theirs.  A processor's
    share is our rate by the number of processors, and theirs by the processor seconds they took.
    `busy` is our rate by processor seconds as well, our start and PostgreSQL's work among them:
    where it is more, processors waited.
    """
    if not PROGRAM.exists():
        raise click.ClickException("py3dtiles is not installed, run make .setup/bench")
    _said("py3dtiles")
    start, start_worked = _peer(here, 1)
    seconds, worked = _peer(here, size)
    named = f"py3dtiles, {size} ready solids"
    rate, share = (size - 1) / (seconds - start), (size - 1) / (worked - start_worked)
    return [
        Measure("buildings for each processor a second", ours / CORES, "1/s", None, "higher",
                named, share),
        Measure("times py3dtiles, for each processor", ours / CORES / share, "×", TIMES, "higher",
                f"{named}, all processors, a second", rate),
        Measure("times py3dtiles, by processor seconds of both", busy / share, "×", None, "higher"),
    ]  # fmt: skip


def _peer(here: City, size: int) -> tuple[float, float]:
    """Seconds and processor seconds of py3dtiles on that many solids."""
    folder = here.folder / "solids"
    folder.mkdir()
    for number, solid in enumerate(_solids(size)):
        (folder / f"{number}.wkb").write_bytes(shapely.to_wkb(solid, flavor="iso"))
    words = [str(PROGRAM), "export", "-d", str(folder), "-s", str(here.folder / f"theirs-{size}")]
    words += ["-o", "0", "0", "0"]
    before = _busy()
    with (here.folder / "peer.log").open("wb") as log, Watch([]) as watch:
        code = subprocess.run(words, stdout=log, stderr=log, check=False).returncode
    shutil.rmtree(folder)
    if code:
        text = (here.folder / "peer.log").read_text(errors="replace")
        raise click.ClickException(f"py3dtiles ended with {code}:\n{text[-3000:]}")
    return watch.seconds, _busy() - before


def _busy() -> float:
    """Processor seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _database(here: City) -> float:
    """Processor seconds of the database server, of its processes that have ended too."""
    server = psutil.Process(here.postmaster)
    used = 0.0
    for process in (server, *server.children()):
        with suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:4])
    return used


def _said(step: str) -> None:
    """Tell how far it is: a large city takes minutes."""
    click.echo(f"{perf_counter() - BEGAN:6.0f} s  {step}", err=True)


def _solids(size: int) -> list[shapely.Geometry]:
    """Closed surfaces in metres: MultiPolygon Z with walls, floor and roof."""
    plan = places.lay_out(size, 7)
    solids = []
    for community in plan.communities:
        found = build(plan, community)
        rings = [
            shapes.draw(found.form[[i]], found.centre[[i]], found.size[[i]], found.angle[[i]])[0]
            for i in range(len(found))
        ]
        solids += [
            _solid(ring, 3.0 * floors)
            for ring, floors in zip(rings, found.floors.tolist(), strict=True)
        ]
    return solids[:size]


def _solid(
    ring: np.ndarray[tuple[int, int], np.dtype[np.float64]], height: float
) -> shapely.Geometry:
    def at(
        points: np.ndarray[tuple[int, int], np.dtype[np.float64]], z: float
    ) -> list[tuple[float, float, float]]:
        return [(x, y, z) for x, y in points.tolist()]

    low, high = at(ring, 0.0), at(ring, height)
    walls = [
        shapely.Polygon([low[i], low[j], high[j], high[i]])
        for i, j in ((i, (i + 1) % len(low)) for i in range(len(low)))
    ]
    return shapely.MultiPolygon([shapely.Polygon(low[::-1]), shapely.Polygon(high), *walls])
