"""Solids of rows that were set aside: kept with them as they came, and given back when these are
mended, for the files that rows are mended in have no room for them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from cim.load.source import Batch, Solids
from cim.store.queries.incoming import quarantine as statements

UNREAD, ELSEWHERE, DATUM = "unread", "elsewhere", "datum"
"""Why a mended building has its solid no more."""

LOST = {
    UNREAD: ("it could not be read", "无法读取"),
    ELSEWHERE: ("its outline lies elsewhere now", "轮廓已移至别处"),
    DATUM: ("its heights are of another datum than those of the others", "高程基准与其他行不同"),
}

Solid = tuple[bytes | None, str, str | None]
"""Surfaces, levels and datum of one row."""


def aside(solids: Solids | None, places: Sequence[int]) -> dict[str, Any]:
    """The solids of the rows at `places` of a batch as columns of the quarantine.

    `solid_lods` is empty where the file has solids, and this one could not be read.
    """
    if solids is None:
        nothing = [None] * len(places)
        return {"solid": nothing, "solid_lods": nothing, "solid_above": nothing}
    found = [solids.surfaces[place] for place in places]
    return {
        "solid": found,
        "solid_lods": [solids.lods[place] or "" for place in places],
        "solid_above": [solids.above if one else None for one in found],
    }


@dataclass
class Kept:
    """Solids by the rows of the mended file, and of how many it is said why they are lost."""

    rows: dict[int, Solid]
    above: str | None
    lost: Counter[str] = field(default_factory=Counter)

    def given(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, each row with the solid that it came with at first."""
        self.lost.clear()
        for batch in batches:
            yield replace(batch, solids=self._of(batch))

    def _of(self, batch: Batch) -> Solids:
        count = len(batch)
        surfaces: NDArray[np.object_] = np.full(count, None, dtype=object)
        lods = surfaces.copy()
        for place, number in enumerate(batch.row_no.tolist()):
            if number not in self.rows:
                continue
            outline = None if batch.geometry is None else batch.geometry[place]
            why = self._why_not(self.rows[number], outline)
            if why is None:
                surfaces[place], lods[place], _ = self.rows[number]
            else:
                self.lost[why] += 1
        shown = shapely.get_geometry(shapely.from_wkb(surfaces), 0)
        points, row = shapely.get_coordinates(shown, include_z=True, return_index=True)
        base, top = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(base, row, points[:, 2])
        np.maximum.at(top, row, points[:, 2])
        none = np.isinf(base)
        base[none], top[none] = np.nan, np.nan
        return Solids(surfaces, lods, base, top, self.above)

    def _why_not(self, kept: Solid, outline: bytes | None) -> str | None:
        """Why a row cannot have its solid; a row that is drawn anew beside it is another."""
        solid, _, above = kept
        if solid is None:
            return UNREAD
        if above != self.above:
            return DATUM
        try:
            box = shapely.box(*shapely.bounds(shapely.from_wkb(solid)))
            apart = outline is not None and not shapely.intersects(shapely.from_wkb(outline), box)
        except shapely.errors.GEOSException:
            return None  # the outline is judged with all others
        return ELSEWHERE if apart else None

    def notes(self) -> list[tuple[str, str]]:
        """How many are lost, and why."""
        return [
            (f"{count:,} without the solid it came with: {LOST[why][0]}",
             f"{count:,} 幢失去原有实体模型：{LOST[why][1]}")
            for why, count in sorted(self.lost.items())
        ]  # fmt: skip


def kept(connection: Connection, kind: str, source: str, where: dict[str, list[Any]]) -> Kept:
    """What rows of a mended file came with at first; `where` says where these were set aside.

    `where` holds the columns row_no, file and origin.  Stays in memory: rows to mend are few.
    """
    named = {"kind": kind, "source": source, **where}
    found: dict[int, Solid] = {
        row.row_no: (row.solid, row.solid_lods, row.solid_above)
        for row in connection.execute(text(statements.SOLIDS), named)
        if row.solid_lods is not None
    }
    usual = Counter(above for solid, _, above in found.values() if solid is not None)
    return Kept(found, usual.most_common(1)[0][0] if usual else None)
