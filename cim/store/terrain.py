"""The rasters of ground heights that the city has, and their files."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from cim.errors import NotFound
from cim.settings import Settings
from cim.store.queries import terrain as queries
from cim.store.queries.incoming import load as statements
from cim.terrain.layer import Layer

if TYPE_CHECKING:
    from cim.terrain.ground import Ground

FOLDER = "terrain"
"""The folder below the data folder where the rasters are."""

SPARED = 3600.0
"""Seconds that a file is left alone after no row names it: somebody may be reading it."""


def folder(settings: Settings) -> Path:
    """Where the rasters are."""
    return settings.data_dir / FOLDER


def ground(connection: Connection, settings: Settings) -> "Ground | None":
    """The city's ground, to be closed after use; None where there is no terrain.

    Raises SourceError where a file is gone, TilingError where a geoid grid that is needed is.
    """
    found = layers(connection, settings)
    if not found:
        return None
    from cim.terrain.ground import Ground  # noqa: PLC0415 - a quarter of a second that few need

    return Ground(settings, found)


def layers(connection: Connection, settings: Settings) -> list[Layer]:
    """The rasters of the city from the topmost down."""
    return [
        Layer(
            settings.data_dir / row.file,
            row.crs,
            row.heights,
            (row.west, row.south, row.east, row.north),
        )
        for row in connection.execute(queries.LAYERS)
    ]


def enter(connection: Connection, row: Mapping[str, Any]) -> str:
    """Write a raster down: `new`, `changed` or `unchanged`; the values are columns of the table."""
    key = {"source_id": row["source_id"], "ext_id": row["ext_id"]}
    known = connection.execute(queries.KNOWN, key).one_or_none()
    stands = known is not None and not known.ended
    proof = (row["digest"], row["survey_date"])
    if known is not None and stands and (known.digest, known.survey_date) == proof:
        return "unchanged"
    connection.execute(queries.ENTER, dict(row))
    return "changed" if stands else "new"


def end_others(connection: Connection, files: Sequence[str]) -> int:
    """Take all other rasters out of the city, and say how many; their files go by and by."""
    return connection.execute(queries.END_OTHERS, {"files": list(files)}).rowcount


def end(connection: Connection, name: str, source: str | None) -> list[Any]:
    """Take the rasters of a name out of the city, of one source where it is said; their rows.

    Raises NotFound, which names those that there are, where none goes by the name.
    """
    ended = connection.execute(queries.END, {"name": name, "source": source}).all()
    if not ended:
        there = [row.name for row in connection.execute(queries.LISTED)]
        en, zh = ", ".join(there) or "none", "、".join(there) or "无"
        raise NotFound(
            f"no raster of the terrain is called {name}; there are, the topmost first: {en}",
            f"没有名为 {name} 的地形栅格；现有（自上而下）：{zh}",
        )
    return list(ended)


def beneath(connection: Connection, file: str) -> list[str]:
    """The names of the rasters that the one of this file lies upon, the topmost first."""
    return list(connection.execute(queries.BENEATH, {"file": file}).scalars())


def tidy(connection: Connection, settings: Settings) -> None:
    """Remove files that no row names, and what a killed load left; waits for loads under way."""
    connection.execute(statements.bound(statements.LOCK), {"kind": "terrain"})
    named = {Path(name).name for name in connection.execute(queries.FILES).scalars()}
    for path in folder(settings).glob("*.tif"):
        if path.name not in named and time.time() - path.stat().st_mtime > SPARED:
            path.unlink(missing_ok=True)
    for path in folder(settings).glob(".fresh-*.tif"):
        path.unlink(missing_ok=True)
