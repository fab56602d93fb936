"""In which of many outlines points stand."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outlines:
    """Areas of the world, the one that counts first where several hold a point.

    `ids` shape (n,); `wkb` their outlines in degrees.  May be asked from several threads: each
    prepares the outlines for itself, for GEOS looks into prepared ones without a lock.
    """

    ids: NDArray[np.int64]
    wkb: Sequence[bytes]
    _own: threading.local = field(default_factory=threading.local)

    def holding(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
        """The id of the first outline that holds each point or touches it; NaN where none does.

        >>> boxes = [shapely.box(0, 0, 2, 2).wkb, shapely.box(1, 1, 4, 4).wkb]
        >>> Outlines(np.array([7, 8]), boxes).holding(np.array([1.5, 3, 9]), np.array([1.5, 3, 9]))
        array([ 7.,  8., nan])
        """
        found = np.full(len(lon), np.nan)
        here = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
        if not len(self.ids) or not here.size:
            return found
        tree = shapely.STRtree(shapely.points(lon[here], lat[here]))
        outline, point = tree.query(self._prepared(), predicate="intersects")
        first = np.full(here.size, len(self.ids))
        np.minimum.at(first, point, outline)
        known = first < len(self.ids)
        found[here[known]] = self.ids[first[known]]
        return found

    def _prepared(self) -> NDArray[np.object_]:
        shapes: NDArray[np.object_] | None = getattr(self._own, "shapes", None)
        if shapes is None:
            shapes = shapely.from_wkb(np.array(self.wkb, dtype=object))
            shapely.prepare(shapes)
            self._own.shapes = shapes
        return shapes
