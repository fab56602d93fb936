"""The ground of a city: rasters on top of one another, in the city's height datum."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.crs.geoid import CITY, to_city
from cim.settings import Settings
from cim.terrain.layer import Box, Layer
from cim.terrain.raster import Blocks, Floats, Raster

Outlines = NDArray[np.object_]
Places = NDArray[np.int64]

ENOUGH = 0.5
"""Share of an outline's points that must have a height for the ground under it to be known."""

MOST_CELLS = 4_096
"""Cells looked at within one outline; of more a grid of so many is taken."""

AT_ONCE = 300_000
"""Places looked at together, which bounds the memory."""


@dataclass(frozen=True)
class Under:
    """The lowest and the highest ground under outlines, m; NaN where it is not known."""

    low: Floats
    high: Floats


class Ground:
    """Rasters from the topmost down; where one has no height the next is asked."""

    def __init__(self, settings: Settings, layers: Iterable[Layer]) -> None:
        """Open the rasters.

        Raises SourceError where a file is gone, TilingError where a geoid grid that is needed is.
        """
        self.layers = tuple(layers)
        self._rasters: list[tuple[Raster, Box, Callable[[Floats, Floats], Floats | float]]] = []
        blocks = Blocks()
        try:
            for layer in self.layers:
                shift = to_city(settings, layer.heights)
                raster = Raster(layer.path, layer.system, blocks)
                self._rasters.append((raster, layer.bounds, shift))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Ground":
        """The ground itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the files."""
        self.close()

    def __bool__(self) -> bool:
        """Whether there is any terrain."""
        return bool(self._rasters)

    def close(self) -> None:
        """Let go of the files."""
        for raster, _, _ in self._rasters:
            raster.close()

    def heights(self, longitude: Floats, latitude: Floats) -> Floats:
        """Ground at places in degrees, m in the city's height datum; NaN where there is none."""
        return self._found(longitude, latitude, 0)[0]

    def found(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Places]:
        """The same, and by which of the layers each place is told: its number, -1 where by none."""
        return self._found(longitude, latitude, 0)

    def coarse(self, longitude: Floats, latitude: Floats, most: int) -> Floats:
        """The same out of overviews of the rasters, `most` cells along a side: a rough picture."""
        found = np.full(np.shape(longitude), np.nan)
        for raster, (west, south, east, north), shift in self._rasters:
            ask = np.isnan(found) & (longitude >= west) & (longitude <= east)
            ask &= (latitude >= south) & (latitude <= north)
            if ask.any():
                there = longitude[ask], latitude[ask]
                found[ask] = raster.coarse(*raster.pixels(*there), most) + shift(*there)
        return found

    def _found(self, longitude: Floats, latitude: Floats, first: int) -> tuple[Floats, Places]:
        found = np.full(np.shape(longitude), np.nan)
        told = np.full(np.shape(longitude), -1)
        if not found.size:
            return found, told
        ends = longitude.min(), latitude.min(), longitude.max(), latitude.max()
        for number, (raster, box, shift) in enumerate(self._rasters[first:], first):
            west, south, east, north = box
            if ends[0] > east or ends[2] < west or ends[1] > north or ends[3] < south:
                continue
            ask = np.isnan(found) & (longitude >= west) & (longitude <= east)
            ask &= (latitude >= south) & (latitude <= north)
            if ask.any():
                there = longitude[ask], latitude[ask]
                found[ask] = raster.at_pixels(*raster.pixels(*there)) + shift(*there)
                told[ask & ~np.isnan(found)] = number
                if not np.isnan(found).any():
                    break
        return found, told

    def under(self, outlines: Outlines) -> Under:
        """The lowest and highest ground under polygons in degrees, to the centimetre.

        Looked at are the outline, no further apart than the cells are, and the cells within it.
        The ground is known where half of these places have a height.
        """
        low, high = np.full(len(outlines), np.nan), np.full(len(outlines), np.nan)
        boxes = shapely.bounds(outlines)
        waiting = np.isfinite(boxes[:, 0])
        for place, (_, (west, south, east, north), _) in enumerate(self._rasters):
            here = waiting & (boxes[:, 0] <= east) & (boxes[:, 2] >= west)
            here &= (boxes[:, 1] <= north) & (boxes[:, 3] >= south)
            waiting &= ~here
            if here.any():
                low[here], high[here] = self._under(outlines[here], place)
        return Under(np.round(low, 2), np.round(high, 2))

    def _under(self, outlines: Outlines, place: int) -> tuple[Floats, Floats]:
        """The same for outlines over one raster; what it lacks those below are asked for."""
        raster = self._rasters[place][0]
        points = shapely.get_coordinates(outlines)
        drawn = shapely.set_coordinates(
            outlines.copy(), np.column_stack(raster.pixels(points[:, 0], points[:, 1]))
        )
        tally = _Tally(len(outlines))
        for here in _side_by_side(drawn, raster):
            columns, rows, owner = _looked_at(drawn[here])
            tally.add(self._at(place, columns, rows), here[owner])
        return tally.done()

    def _at(self, place: int, columns: Floats, rows: Floats) -> Floats:
        """Heights in the city's datum at pixels of a raster, of those below where it has none."""
        raster, _, shift = self._rasters[place]
        found = raster.at_pixels(columns, rows)
        holes = np.isnan(found)
        exact = self.layers[place].heights == CITY
        if exact and not holes.any():
            return found
        longitude, latitude = raster.places(columns, rows)
        if not exact:
            found = found + shift(longitude, latitude)
        if holes.any():
            found[holes] = self._found(longitude[holes], latitude[holes], place + 1)[0]
        return found


class _Tally:
    """The least, the most and the share of known heights, by outline."""

    def __init__(self, count: int) -> None:
        self.low, self.high = np.full(count, np.inf), np.full(count, -np.inf)
        self.known, self.all = np.zeros(count), np.zeros(count)

    def add(self, heights: Floats, owner: Places) -> None:
        count = len(self.low)
        self.all += np.bincount(owner, minlength=count)
        known = ~np.isnan(heights)
        heights, owner = heights[known], owner[known]
        self.known += np.bincount(owner, minlength=count)
        np.minimum.at(self.low, owner, heights)
        np.maximum.at(self.high, owner, heights)

    def done(self) -> tuple[Floats, Floats]:
        enough = (self.known > 0) & (self.known >= ENOUGH * self.all)
        return np.where(enough, self.low, np.nan), np.where(enough, self.high, np.nan)


def _side_by_side(drawn: Outlines, raster: Raster) -> Iterator[Places]:
    """Outlines drawn in pixels, some at a time: those that stand in one block of the raster."""
    boxes = shapely.bounds(drawn)
    size = np.clip(boxes[:, 2:] - boxes[:, :2] + 1, 1, np.sqrt(MOST_CELLS)).prod(axis=1)
    size += shapely.get_num_coordinates(drawn)
    order = np.argsort(raster.blocks(*((boxes[:, :2] + boxes[:, 2:]) / 2).T), kind="stable")
    filled = np.cumsum(size[order]) // AT_ONCE
    yield from np.split(order, np.flatnonzero(np.diff(filled)) + 1)


def _looked_at(drawn: Outlines) -> tuple[Floats, Floats, Places]:
    """Columns and rows that are looked at, and of which outline: its line, and cells within it."""
    line, of_line = shapely.get_coordinates(shapely.segmentize(drawn, 1.0), return_index=True)
    columns, rows, of_cells = _cells_within(drawn)
    return (
        np.concatenate([line[:, 0], columns]),
        np.concatenate([line[:, 1], rows]),
        np.concatenate([of_line, of_cells]),
    )


def _cells_within(drawn: Outlines) -> tuple[Floats, Floats, Places]:
    """Columns, rows and outline of the cells whose centres lie within outlines drawn in pixels."""
    boxes = shapely.bounds(drawn)
    first, last = np.ceil(boxes[:, :2]), np.floor(boxes[:, 2:])
    size = np.maximum(last - first + 1, 0)
    step = np.maximum(np.ceil(np.sqrt(size.prod(axis=1) / MOST_CELLS)), 1)
    across, down = np.ceil(size / step[:, None]).astype(np.int64).T
    each = across * down
    owner = np.repeat(np.arange(len(drawn)), each)
    number = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    columns = first[owner, 0] + (number % across[owner]) * step[owner]
    rows = first[owner, 1] + (number // across[owner]) * step[owner]
    shapely.prepare(drawn)
    inside = shapely.contains_xy(drawn[owner], columns, rows)
    return columns[inside], rows[inside], owner[inside]
