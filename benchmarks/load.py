"""Footprints: from GeoPackage to checked, compared and indexed.

Beside us, on the same file and server, what one would write oneself: pyogrio reads Arrow, COPY
writes it, then a spatial index; no checks, no keys, no repairs, no quarantine, no change feed.
"""

import os
from pathlib import Path

import psycopg
import pyogrio
from psycopg import sql

from benchmarks.measures import City, Measure, Watch, city, footprints, growth

AIM = 40_000
"""Rows a second."""

PEER = "pyogrio + COPY + index, no checks"

FILLED = 100_000
"""Rows from which every batch of the road is in use; a smaller load says nothing of growth."""


def measure(size: int) -> list[Measure]:
    """Load SIZE footprints and the same again; and two sizes that show how memory grows."""
    with city() as here:
        path = footprints(here.folder, size)
        first = here.run("load", "buildings", str(path), "--no-units")
        inside = here.one("SELECT (stats->>'seconds')::float FROM platform.data_import")
        again = here.run("load", "buildings", str(path), "--no-units")
        doubled = here.one("SELECT count(*) FROM city.building") - size
        plain = _plainly(here, path)
    large = max(size, 4 * FILLED)
    watches = {size: first} | {n: _once(n) for n in {large, large // 4} - {size}}
    return [
        Measure("footprints, whole command", size / first.seconds, "rows/s", AIM, "higher",
                PEER, size / plain.seconds),
        Measure("footprints, without start of program", size / inside, "rows/s", AIM, "higher"),
        Measure("seconds", first.seconds, "s", None, "lower", PEER, plain.seconds),
        Measure("the same again, unchanged", size / again.seconds, "rows/s", None, "higher"),
        Measure("rows doubled by loading again", doubled, "rows", 0),
        *first.measures(),
        *plain.measures("peer"),
        *[line for n in sorted({*watches} - {size}) for line in watches[n].measures(f"at {n:,}")],
        Measure(f"footprints, whole command, at {large:,}", large / watches[large].seconds,
                "rows/s", AIM, "higher"),
        growth(watches[large], watches[large // 4]),
    ]  # fmt: skip


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
