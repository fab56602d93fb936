"""In which coordinate system a file is: as said, as it says itself, never as it merely looks."""

import numpy as np
import shapely

from cim import crs
from cim.errors import MissingCrs, SourceError
from cim.load.source import Batch, Source


def settle(name: str, source: Source, sample: Batch, said: str | None) -> str | None:
    """The system of a file's coordinates; None where it has no geometry.

    Raises MissingCrs where neither the user nor the file says it, with the systems that the numbers
    may be in; SourceError where what was said cannot be true.
    """
    if sample.geometry is None:
        return None
    bounds = _bounds(sample)
    system = said or source.crs
    if system is None:
        raise _unsaid(name, bounds)
    system = crs.canonical(system)
    if bounds is not None:
        _plausible(name, system, bounds)
    return system


def _bounds(sample: Batch) -> tuple[float, float, float, float] | None:
    geometry = shapely.from_wkb(sample.geometry, on_invalid="ignore")
    west, south, east, north = shapely.total_bounds(geometry).tolist()
    return (west, south, east, north) if np.isfinite([west, south, east, north]).all() else None


def _unsaid(name: str, bounds: tuple[float, float, float, float] | None) -> MissingCrs:
    if bounds is None:
        return MissingCrs(
            f"{name} does not say its coordinate system; say --crs",
            f"{name} 没有说明坐标系；请用 --crs 指定",
        )
    likely = crs.candidates(bounds)
    numbers = f"x {bounds[0]:.6g} – {bounds[2]:.6g}, y {bounds[1]:.6g} – {bounds[3]:.6g}"
    en = f"; it may be {' or '.join(likely)}" if likely else ""
    zh = f"；可能是 {'、'.join(likely)}" if likely else ""
    first = likely[0] if likely else "EPSG:4547"
    return MissingCrs(
        f"{name} does not say its coordinate system ({numbers}){en}. Say --crs {first}, "
        "or whichever it is",
        f"{name} 没有说明坐标系（{numbers}）{zh}。请用 --crs {first} 等参数指定",
    )


def _plausible(name: str, system: str, bounds: tuple[float, float, float, float]) -> None:
    """Refuse metres that are degrees, degrees that are metres, and zone eastings without zone."""
    west, south, east, north = bounds
    degrees = max(abs(west), abs(east)) <= 180 and max(abs(south), abs(north)) <= 90
    projected = crs.is_projected(system)
    likely = crs.candidates(bounds)
    hint = likely[0] if likely else "EPSG:4547"
    if projected and degrees and (east - west > 1e-9 or abs(west) > 1):
        raise SourceError(
            f"{name} is said to be in {system}, which is metres, but its coordinates are degrees "
            f"(x {west:.6g} – {east:.6g}); say --crs {hint}",
            f"{name} 声明为 {system}（米），但坐标看起来是经纬度（x {west:.6g} – {east:.6g}）；"
            f"请用 --crs {hint}",
        )
    if not projected and min(abs(west), abs(east)) > 360:
        raise SourceError(
            f"{name} is said to be in {system}, which is degrees, but its coordinates are metres "
            f"(x {west:.8g} – {east:.8g}); say --crs {hint}",
            f"{name} 声明为 {system}（度），但坐标看起来是米（x {west:.8g} – {east:.8g}）；"
            f"请用 --crs {hint}",
        )
    if projected and west > 1e7 and not system.startswith("EPSG:45") and len(likely) == 1:
        return
    plain = system.startswith("EPSG:") and 4534 <= int(system[5:]) <= 4554
    if plain and west >= 1e7:
        raise SourceError(
            f"{name} is said to be in {system}, but its eastings carry a zone number "
            f"({west:.8g}); say --crs {hint}",
            f"{name} 声明为 {system}，但横坐标带有带号（{west:.8g}）；请用 --crs {hint}",
        )
