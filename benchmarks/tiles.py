"""Tiles: from the store to two tilesets on disk.

Beside us py3dtiles, in an environment of its own (.setup/bench-venv), on at most PEER_SIZE of the
same buildings given to it as ready solids in metres: it extrudes nothing and reads no units.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import shapely

from benchmarks.measures import City, Measure, Watch, city, footprints
from sample_data import places, shapes
from sample_data.buildings import build

AIM = 20_000
"""Buildings a second into the tileset of buildings, all of it written."""

PEER_SIZE = 4_000
"""It takes a second for every few hundred."""

PROGRAM = Path(__file__).parents[1] / ".setup" / "bench-venv" / "bin" / "py3dtiles"


def measure(size: int) -> list[Measure]:
    """Tile SIZE buildings alone, then with all their units."""
    with city() as here:
        here.run("load", "buildings", str(footprints(here.folder, size)), "--no-units")
        here.run("units", "build")
        units = here.one("SELECT count(*) FROM city.unit WHERE ended_at IS NULL")
        buildings = here.run("tile", "build", "--tileset", "buildings")
        both = here.run("tile", "build", "--tileset", "units")
        files = [path for path in (here.folder / "tiles").rglob("*") if path.is_file()]
        volume = sum(path.stat().st_size for path in files)
        peer, rate = _peer(here, min(size, PEER_SIZE))
    return [
        Measure("buildings tiled, whole command", size / buildings.seconds, "1/s", AIM, "higher",
                peer, rate),
        Measure("units tiled, whole command", units / both.seconds, "1/s", None, "higher"),
        Measure("seconds, buildings", buildings.seconds, "s"),
        Measure("seconds, units", both.seconds, "s"),
        *buildings.measures("buildings"),
        *both.measures("units"),
        Measure("files", len(files), "files"),
        Measure("volume", volume / 1e6, "MB"),
    ]  # fmt: skip


def _peer(here: City, size: int) -> tuple[str, float | None]:
    """py3dtiles' rate on solids of the same buildings, or the reason why there is none."""
    if not PROGRAM.exists():
        return "py3dtiles: not installed, run make .setup/bench", None
    folder = here.folder / "solids"
    folder.mkdir()
    for number, solid in enumerate(_solids(size)):
        (folder / f"{number}.wkb").write_bytes(shapely.to_wkb(solid, flavor="iso"))
    words = [str(PROGRAM), "export", "-d", str(folder), "-s", str(here.folder / "theirs")]
    words += ["-o", "0", "0", "0"]
    with (here.folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        with Watch([process.pid]) as watch:
            code = process.wait()
    shutil.rmtree(folder)
    if code:
        return f"py3dtiles: ended with {code}", None
    return f"py3dtiles, {size} ready solids", size / watch.seconds


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
