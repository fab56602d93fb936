"""Footprints: from GeoPackage to checked, compared and indexed.

Beside us, on the same file and server, what one would write oneself: pyogrio reads Arrow, COPY
writes it, then a spatial index; no checks, no keys, no repairs, no quarantine, no change feed.
"""

import os
import sqlite3
from pathlib import Path

import psycopg
import pyogrio
from psycopg import sql

from benchmarks.measures import City, Measure, Watch, city, footprints, growth
from sample_data import places
from sample_data.files import write_layer
from sample_data.make import LAYERS

AIM = 60_000
"""Rows a second."""

AGAIN = 0.5
"""Share of the first load's time that the same file may take again."""

MEMORY = 1500
"""MB of all processes at their peak."""

PEER = "pyogrio + COPY + index, no checks"

FILLED = 100_000
"""Rows from which every batch of the road is in use; a smaller load says nothing of growth."""


def measure(size: int) -> list[Measure]:
    """Load SIZE footprints and the same again; and two sizes that show how memory grows."""
    with city() as here:
        path = footprints(here.folder, size)
        first = here.run("load", "buildings", str(path), "--no-units")
        inside = here.one(_INSIDE)
        again = here.run("load", "buildings", str(path), "--no-units")
        here.run("load", "buildings", str(_changed(path)), "--no-units")
        changed = here.one(f"{_INSIDE} ORDER BY id DESC LIMIT 1")
        doubled = here.one("SELECT count(*) FROM city.building") - size
        plain = _plainly(here, path)
    large = max(size, 4 * FILLED)
    watches = {size: first} | {n: _once(n) for n in {large, large // 4} - {size}}
    return [
        Measure("footprints, whole command", size / first.seconds, "rows/s", AIM, "higher",
                PEER, size / plain.seconds),
        Measure("footprints, without start of program", size / inside, "rows/s", AIM, "higher"),
        Measure("seconds", first.seconds, "s", None, "lower", PEER, plain.seconds),
        Measure("the same file again, share of the first load", again.seconds / first.seconds, "×",
                AGAIN),
        Measure("one row of it changed, share of the first load", changed / inside, "×"),
        Measure("footprints, in a city with areas, grids and estates", size / _placed(size),
                "rows/s", AIM, "higher"),
        Measure("rows doubled by loading again", doubled, "rows", 0),
        *first.measures(),
        *plain.measures("peer"),
        *[line for n in sorted({*watches} - {size}) for line in watches[n].measures(f"at {n:,}")],
        Measure(f"footprints, whole command, at {large:,}", large / watches[large].seconds,
                "rows/s", AIM, "higher"),
        growth(watches[large], watches[large // 4]),
        Measure(f"peak memory at {large:,}", watches[large].peak / 1e6, "MB", MEMORY),
    ]  # fmt: skip


_INSIDE = "SELECT (stats->>'seconds')::float FROM platform.data_import"


def _changed(path: Path) -> Path:
    """The file with another height in one of its rows."""
    with sqlite3.connect(path) as file:
        file.execute("UPDATE buildings SET 高度 = 高度 + 1 WHERE fid = 1")
    return path


def _placed(size: int) -> float:
    """Seconds of the whole command where every row is put into an area, a grid and an estate."""
    with city() as here:
        path = footprints(here.folder, size)
        layout = places.lay_out(size, 7)
        for kind in ("areas", "grids", "estates"):
            layer = LAYERS[kind]
            write_layer(here.folder / f"{kind}.gpkg", layer.rows(layout), layer.kind)
            here.run("load", kind, str(here.folder / f"{kind}.gpkg"))
        return here.run("load", "buildings", str(path), "--no-units").seconds


def _once(size: int) -> Watch:
    with city() as here:
        return here.run("load", "buildings", str(footprints(here.folder, size)), "--no-units")


def _plainly(here: City, path: Path) -> Watch:
    """What a short script does; its own process is this one."""
    with Watch([os.getpid(), here.postmaster]) as watch, psycopg.connect(here.url) as connection:
        with pyogrio.open_arrow(path, use_pyarrow=True) as (meta, reader):
            names = [n for n in reader.schema.names if n not in (meta["geometry_name"], "fid")]
            columns = sql.SQL(", ").join(
                sql.SQL("{} text").format(sql.Identifier(n)) for n in names
            )
            connection.execute(
                sql.SQL("CREATE TABLE public.plain (geom geometry, {})").format(columns)
            )
            place = meta["geometry_name"] or "wkb_geometry"
            with connection.cursor().copy("COPY public.plain FROM STDIN") as copy:
                for batch in reader:
                    wkb = [w.hex() for w in batch.column(place).to_pylist()]
                    rest = [batch.column(n).to_pylist() for n in names]
                    for row in zip(wkb, *rest, strict=True):
                        copy.write_row(row)
        connection.execute("CREATE INDEX ON public.plain USING gist (geom)")
        connection.execute("DROP TABLE public.plain")
    return watch
