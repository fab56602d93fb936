"""A raster as the city has it: what must be known to read it."""

from dataclasses import dataclass
from pathlib import Path

Box = tuple[float, float, float, float]
"""West, south, east, north, degrees."""


@dataclass(frozen=True)
class Layer:
    """A raster as it is kept: its file, coordinate system, what its heights are above, and its
    bounds in degrees."""

    path: Path
    system: str
    heights: str
    bounds: Box
