"""Tiles kept true: how long an edit takes to be served, and a tile that is not on disk.

The city is tiled, `cim serve` runs, and buildings are edited by SQL, one after the other: seconds
from the commit until tileset.json has another version, and the edited building's tile is read.
"""

import http.client
import json
import random
import time

import psycopg

from benchmarks.asking import at, connected, free_port
from benchmarks.measures import City, Measure, city, footprints
from tiling.formats.tiles3d import content_path
from tiling.formats.tree import Key

AIM = 1.0
"""Seconds from an edit to its tile."""

LEAF, SLOWEST = 15.0, 40.0
"""Milliseconds for a tile that is not on disk: half of them, and 99 of 100."""

EDITS, TILES = 20, 300

FEATURES = (400, 1_500)
"""Features of the tiles that are asked for: full leaves."""


def measure(size: int) -> list[Measure]:
    """Tile SIZE buildings, serve them, edit some, and ask for tiles that are not on disk."""
    with city() as here:
        here.run("load", "buildings", str(footprints(here.folder, size)), "--no-units")
        here.run("tile", "build", "--tileset", "buildings")
        return served(here)


def served(here: City) -> list[Measure]:
    """Serve a city whose buildings are tiled, edit some, and ask for tiles that are not on disk."""
    port = free_port()
    server = here.start("serve", "--demo", "--host", "127.0.0.1", "--port", str(port))
    try:
        connected(port).close()
        time.sleep(5)  # what follows the city has started
        connection = connected(port)
        edits = sorted(edited(here, connection, number) for number in chosen(here))
        bare = uncached(here, connection)
    finally:
        server.terminate()
        server.wait(timeout=60)
    return [
        Measure("edit by SQL until served, half within", at(edits, 0.5), "s", AIM),
        Measure("edit by SQL until served, all within", max(edits), "s", AIM),
        Measure("tile not on disk, half within", at(bare, 0.5), "ms", LEAF),
        Measure("tile not on disk, 99 of 100 within", at(bare, 0.99), "ms", SLOWEST),
    ]


def chosen(here: City) -> list[int]:
    """Some buildings."""
    with psycopg.connect(here.url) as connection:
        row = connection.execute("SELECT min(id), max(id) FROM city.building").fetchone()
    assert row is not None
    return random.Random(7).sample(range(row[0], row[1] + 1), EDITS)


def edited(here: City, connection: http.client.HTTPConnection, building: int) -> float:
    """Seconds until an edit of a building is served."""
    before = version(connection)
    with psycopg.connect(here.url) as database:
        database.execute("UPDATE city.building SET height = height + 3 WHERE id = %s", (building,))
    began = time.perf_counter()
    while (now := version(connection)) == before:
        time.sleep(0.01)
        if time.perf_counter() - began > 60:
            raise TimeoutError(f"the edit of building {building} is not served")
    with psycopg.connect(here.url) as database:
        found = database.execute(
            "SELECT level, cell FROM platform.tile_member "
            "WHERE tileset = 'buildings' AND building_id = %s",
            (building,),
        ).fetchone()
    assert found is not None
    get(connection, f"{path_of(*found)}?v={now}")
    return time.perf_counter() - began


def uncached(here: City, connection: http.client.HTTPConnection) -> list[float]:
    """Milliseconds for each of some tiles that are taken off the disk before."""
    with psycopg.connect(here.url) as database:
        rows = database.execute(
            "SELECT level, cell FROM platform.tile WHERE tileset = 'buildings' "
            "AND features BETWEEN %s AND %s ORDER BY random() LIMIT %s",
            (*FEATURES, TILES),
        ).fetchall()
    paths = [path_of(*row) for row in rows]
    for path in paths:
        for folder in (here.folder / "tiles" / "buildings").iterdir():
            for file in (folder / path, folder / f"{path}.gz"):
                if file.is_file() and not folder.is_symlink():
                    file.unlink()
    took = []
    for path in paths:
        began = time.perf_counter()
        get(connection, path)
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took[len(took) // 10 :])


def version(connection: http.client.HTTPConnection) -> str:
    """The version that a visit would begin with now."""
    described = json.loads(get(connection, "tileset.json", packed=False))
    return str(described["asset"]["tilesetVersion"])


def get(connection: http.client.HTTPConnection, path: str, *, packed: bool = True) -> bytes:
    """A file of the tileset, gzipped as browsers ask for it."""
    accepted = {"Accept-Encoding": "gzip" if packed else "identity"}
    connection.request("GET", f"/tiles/3d/buildings/{path}", headers=accepted)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return body


def path_of(level: int, cell: int) -> str:
    """Where a tile is below its tileset."""
    return content_path(Key(level, cell))
