"""The ground under buildings, from the terrain: of those that stand there, after it changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection

from cim.store import columns
from cim.store.queries import terrain as queries
from cim.terrain.ground import Ground
from cim.terrain.layer import Box

BATCH = 20_000
"""Buildings looked at a time, which bounds the memory."""

Progress = Callable[[int], None]
"""Told how many further buildings were looked at."""


@dataclass(frozen=True)
class Grounded:
    """What was found: buildings looked at, of these with known ground, and changed."""

    looked: int = 0
    known: int = 0
    changed: int = 0

    def __add__(self, other: "Grounded") -> "Grounded":
        """Both together."""
        return Grounded(
            self.looked + other.looked, self.known + other.known, self.changed + other.changed
        )


def settle(
    connection: Connection,
    ground: Ground,
    *,
    ids: Sequence[int] | None = None,
    box: Box | None = None,
    import_id: int | None = None,
    progress: Progress | None = None,
) -> Grounded:
    """Bring the ground of buildings up to date: of `ids`, or of all that meet `box` (degrees).

    A given elevation stays; buildings that the terrain does not reach keep what they have.  What
    changes is in the change feed.  Runs in the connection's transaction.
    """
    done = Grounded()
    if not ground or (ids is None and box is None):
        return done
    connection.execute(queries.STAGE)
    parameters: dict[str, Any] = {"ids": [int(one) for one in ids]} if ids is not None else {}
    if ids is None and box is not None:
        parameters = dict(zip(("west", "south", "east", "north"), box, strict=True))
    statement = queries.grounds(chosen=ids is not None)
    for rows in columns.read(connection, statement, parameters, size=BATCH):
        changed, known = _changed(rows, ground)
        if len(changed["id"]):
            connection.execute(queries.EMPTY)
            columns.write(connection, "stage_ground", changed, queries.CHANGED)
            connection.execute(queries.WRITE, {"import_id": import_id})
        done += Grounded(len(rows["id"]), known, len(changed["id"]))
        if progress:
            progress(len(rows["id"]))
    return done


def _changed(rows: dict[str, list[Any]], ground: Ground) -> tuple[dict[str, Any], int]:
    """The rows of a batch whose ground is another now, and how many have a known one."""
    under = ground.under(shapely.from_wkb(rows["outline"]))
    known = np.isfinite(under.low)
    given = np.array([method == "given" for method in rows["ground_method"]], bool)
    elevation = np.where(given, _numbers(rows["ground_elev"]), under.low)
    method = np.where(given, "given", "terrain").astype(object)
    unlike = method != np.array(rows["ground_method"], object)
    unlike |= elevation != _numbers(rows["ground_elev"])
    for name, values in (("ground_low", under.low), ("ground_high", under.high)):
        unlike |= _numbers(rows[name]).astype(np.float32) != values.astype(np.float32)
    take = known & unlike
    changed = {
        "id": np.array(rows["id"], np.int64)[take],
        "ground_elev": elevation[take],
        "ground_method": method[take],
        "ground_low": under.low[take],
        "ground_high": under.high[take],
    }
    return changed, int(known.sum())


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    return np.array(values, np.float64)
