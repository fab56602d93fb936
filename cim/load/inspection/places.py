"""Where the rows of a file are: extent, kinds of geometry, a few outlines to draw, and outliers."""

import json
from collections import Counter
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.load import checks
from cim.load.inspection.outcome import Oddity

DRAWN = 500
"""Outlines that are drawn."""

FAR = 0.5
"""Degrees from the middle of a file, nearer than which nothing is far away."""

ORIGIN = 1e-3
"""Degrees or metres from 0, 0: nearer than this nobody was there."""

_CHINA = (73.0, 3.0, 136.0, 54.0)
_ROUND = 6


class Places:
    """Geometry added up batch by batch; `system` None where nobody says it."""

    def __init__(self, system: str | None, step: int | None) -> None:
        """`step` is how many rows apart the outlines to draw are, where the count is known."""
        self.system = system
        self.types: Counter[str] = Counter()
        self.raw = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self.bounds = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self.middles: list[NDArray[np.float64]] = []
        self.rows: list[NDArray[np.int64]] = []
        self.step = max(step or 1, 1)
        self.drawn: list[tuple[int, Any]] = []
        self.broken = 0

    def add(self, wkb: NDArray[np.object_], row_no: NDArray[np.int64]) -> None:
        """Look at the geometries of a batch, whose rows have these numbers in the file."""
        shapes = shapely.from_wkb(wkb, on_invalid="ignore")
        known = ~shapely.is_missing(shapes) & ~shapely.is_empty(shapes)
        for number, count in zip(*np.unique(shapely.get_type_id(shapes[known]), return_counts=True),
                                 strict=True):  # fmt: skip
            self.types[_TYPES[int(number)]] += int(count)
        self.broken += int((shapely.is_missing(shapes) & (wkb != np.array(None))).sum())
        here = np.flatnonzero(known)
        if not here.size:
            return
        self.raw = _wider(self.raw, shapely.bounds(shapes[here]))
        if self.system is not None:
            degrees, outside = checks.to_degrees(shapes[here], self.system)
            here, shapes = here[~outside], degrees[~outside]
        else:
            shapes = shapes[here]
        box = shapely.bounds(shapes)
        self.bounds = _wider(self.bounds, box)
        self.middles.append((box[:, :2] + box[:, 2:]) / 2)
        self.rows.append(row_no[here])
        self._draw(shapes, row_no[here])

    def _draw(self, shapes: NDArray[np.object_], rows: NDArray[np.int64]) -> None:
        """Keep every so-manieth outline; where there are too many, every second of those."""
        chosen = np.flatnonzero((rows - 1) % self.step == 0)
        kept = zip(rows[chosen].tolist(), shapely.force_2d(shapes[chosen]), strict=True)
        self.drawn += list(kept)
        while len(self.drawn) > DRAWN:
            self.step *= 2
            self.drawn = [(row, shape) for row, shape in self.drawn if (row - 1) % self.step == 0]

    @property
    def in_degrees(self) -> bool:
        """Whether places are in degrees: the system is known, or numbers can be nothing else."""
        west, south, east, north = self.raw.tolist()
        looks = abs(west) <= 180 and abs(east) <= 180 and abs(south) <= 90 and abs(north) <= 90
        return self.system is not None or (looks and (east - west > 1e-9 or abs(west) > 1))

    @property
    def numbers(self) -> tuple[float, float, float, float] | None:
        """The extent in the file's own numbers."""
        return _four(self.raw)

    @property
    def extent(self) -> tuple[float, float, float, float] | None:
        """The extent in degrees."""
        return _four(self.bounds) if self.in_degrees else None

    def footprints(self) -> dict[str, Any] | None:
        """A few outlines as GeoJSON in CRS84, simplified for drawing."""
        if not self.drawn or not self.in_degrees:
            return None
        west, south, east, north = self.bounds.tolist()
        grain = min(max(east - west, north - south) / 4000, 2e-5)
        features = []
        for row, shape in self.drawn:
            simple = shapely.set_precision(shapely.simplify(shape, grain), 10.0**-_ROUND,
                                           mode="pointwise")  # fmt: skip
            if not shapely.is_empty(simple):
                geometry = json.loads(shapely.to_geojson(simple))
                features.append(
                    {"type": "Feature", "properties": {"row": row}, "geometry": geometry}
                )
        return {"type": "FeatureCollection", "features": features}

    def oddities(self) -> list[Oddity]:
        """What is odd about where the rows are."""
        found = []
        if self.broken:
            found.append(Oddity("geometry that cannot be read", "几何无法解析", self.broken))
        if not self.middles:
            return found
        middles, rows = np.concatenate(self.middles), np.concatenate(self.rows)
        nowhere = np.asarray((np.abs(middles) < ORIGIN).all(axis=1), bool)
        found += _odd("at 0, 0: no place was known", "位于坐标原点 (0, 0)，位置缺失", nowhere, rows)
        middles, rows = middles[~nowhere], rows[~nowhere]
        if not self.in_degrees or not len(rows):
            return found
        away = np.hypot(*(middles - np.median(middles, axis=0)).T)
        far = np.asarray(away > max(FAR, 20 * float(np.median(away))), bool)
        if 0 < far.sum() <= max(1, len(rows) // 50) and len(rows) > 2:
            found += _odd("far away from all the others", "远离其他要素", far, rows)
        west, south, east, north = _CHINA
        outside = np.asarray(
            (middles[:, 0] < west) | (middles[:, 0] > east)
            | (middles[:, 1] < south) | (middles[:, 1] > north)
        ) & ~far  # fmt: skip
        return found + _odd("outside of China", "位于中国境外", outside, rows)


_TYPES = {0: "Point", 1: "LineString", 2: "LinearRing", 3: "Polygon", 4: "MultiPoint",
          5: "MultiLineString", 6: "MultiPolygon", 7: "GeometryCollection"}  # fmt: skip


def _wider(bounds: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return bounds
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return np.concatenate((np.minimum(bounds[:2], low), np.maximum(bounds[2:], high)))


def _four(bounds: NDArray[np.float64]) -> tuple[float, float, float, float] | None:
    west, south, east, north = bounds.tolist()
    return (west, south, east, north) if np.isfinite(bounds).all() else None


def _odd(en: str, zh: str, mask: NDArray[np.bool_], rows: NDArray[np.int64]) -> list[Oddity]:
    places = np.flatnonzero(mask)
    if not places.size:
        return []
    return [Oddity(en, zh, int(places.size), tuple(rows[places[:5]].tolist()))]
