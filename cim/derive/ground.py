"""The ground under buildings, from the terrain: of those that stand there, after it changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection

from cim.store.copy import columns
from cim.store.queries import terrain as queries
from cim.terrain.ground import Ground, Under
from cim.terrain.layer import Box

BATCH = 20_000
"""Buildings looked at a time, which bounds the memory."""

NAMED = 10
"""Buildings that are named before the rest is only counted."""

DEFAULT = 0.0
"""Metres: where a building stands of which neither a file nor the terrain tells it."""

Progress = Callable[[int], None]
"""Told how many further buildings were looked at."""


@dataclass(frozen=True)
class Grounded:
    """What was found: buildings looked at, of these with known ground, and changed; and those that
    no terrain reaches any more, by id, NAMED of them at most, with their number."""

    looked: int = 0
    known: int = 0
    changed: int = 0
    lost: int = 0
    named: tuple[int, ...] = ()

    def __add__(self, other: "Grounded") -> "Grounded":
        """Both together."""
        return Grounded(
            self.looked + other.looked,
            self.known + other.known,
            self.changed + other.changed,
            self.lost + other.lost,
            (*self.named, *other.named)[:NAMED],
        )


def settle(
    connection: Connection,
    ground: Ground | None,
    *,
    ids: Sequence[int] | None = None,
    box: Box | None = None,
    import_id: int | None = None,
    progress: Progress | None = None,
) -> Grounded:
    """Bring the ground of buildings up to date: of `ids`, or of all that meet `box` (degrees).

    A given elevation stays.  Buildings that the terrain does not reach keep what they have; what it
    told them while it did reach them is taken back.  What changes is in the change feed.  Runs in
    the connection's transaction.
    """
    done = Grounded()
    if ids is None and box is None:
        return done
    connection.execute(queries.STAGE)
    parameters: dict[str, Any] = {"ids": [int(one) for one in ids]} if ids is not None else {}
    if ids is None and box is not None:
        parameters = dict(zip(("west", "south", "east", "north"), box, strict=True))
    statement = queries.grounds(chosen=ids is not None)
    for rows in columns.read(connection, statement, parameters, size=BATCH):
        changed, found = _changed(rows, ground)
        if len(changed["id"]):
            connection.execute(queries.EMPTY)
            columns.write(connection, "stage_ground", changed, queries.CHANGED)
            connection.execute(queries.WRITE, {"import_id": import_id})
        done += found
        if progress:
            progress(len(rows["id"]))
    return done


def _changed(rows: dict[str, list[Any]], ground: Ground | None) -> tuple[dict[str, Any], Grounded]:
    """The rows of a batch whose ground is another now, and what was found."""
    nowhere = np.full(len(rows["id"]), np.nan)
    under = ground.under(shapely.from_wkb(rows["outline"])) if ground else Under(nowhere, nowhere)
    ids, known = np.array(rows["id"], np.int64), np.isfinite(under.low)
    was = np.array(rows["ground_method"], object)
    lost = ~known & ((was == "terrain") | np.isfinite(_numbers(rows["ground_low"])))
    elevation = np.where(known, under.low, DEFAULT)
    elevation = np.where(was == "given", _numbers(rows["ground_elev"]), elevation)
    method = np.where(known, "terrain", "default").astype(object)
    method = np.where(was == "given", "given", method)
    unlike = (method != was) | (elevation != _numbers(rows["ground_elev"]))
    for name, values in (("ground_low", under.low), ("ground_high", under.high)):
        unlike |= _numbers(rows[name]).astype(np.float32) != values.astype(np.float32)
    take = (known & unlike) | lost
    changed = {
        "id": ids[take],
        "ground_elev": elevation[take],
        "ground_method": method[take],
        "ground_low": under.low[take],
        "ground_high": under.high[take],
    }
    named = tuple(np.sort(ids[lost])[:NAMED].tolist())
    found = Grounded(ids.size, int(known.sum()), int(take.sum()), int(lost.sum()), named)
    return changed, found


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    return np.array(values, np.float64)
