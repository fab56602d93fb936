"""A floor model as plain values: what the child process found in a file, without its library.

Lengths are metres, angles degrees; outlines are shapely polygons in the model's own x and y.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import orjson
import shapely
from shapely import Geometry


@dataclass(frozen=True)
class Space:
    """A room, as IfcSpace has it."""

    guid: str
    name: str | None
    long_name: str | None
    storey: str | None
    """GlobalId of its storey."""
    zone: str | None
    """Name of the zone that groups it with the rest of its flat."""
    flat: str | None
    """Its flat by its properties."""
    outline: Geometry | None
    bottom: float
    top: float
    volume: float
    """m³ of the solid; 0 where it has none."""


@dataclass(frozen=True)
class Level:
    """A storey, as IfcBuildingStorey has it."""

    guid: str
    name: str
    elevation: float
    """Of its floor in the model's z."""
    top: float | None
    """Highest point of what stands on it; None where nothing does."""
    outline: Geometry | None
    things: int
    """How many elements and spaces are on it."""


@dataclass(frozen=True)
class Conversion:
    """IfcMapConversion with its IfcProjectedCRS: model to map, metres."""

    eastings: float
    northings: float
    height: float
    abscissa: float
    ordinate: float
    scale: float
    crs: str | None


@dataclass(frozen=True)
class Site:
    """Where IfcSite says it is."""

    lon: float
    lat: float
    elevation: float
    x: float
    """Where that place is in the model."""
    y: float


@dataclass(frozen=True)
class Model:
    """A building as a model has it."""

    schema: str
    guid: str
    name: str | None
    zero: float
    """The model's z of the building's own zero."""
    north: tuple[float, float] = (0.0, 1.0)
    """Direction of true north in the model."""
    levels: list[Level] = field(default_factory=list)
    spaces: list[Space] = field(default_factory=list)
    conversion: Conversion | None = None
    site: Site | None = None
    failed: int = 0
    """Elements whose geometry could not be made."""
    others: list["Model"] = field(default_factory=list)
    """Further buildings of the file, those with most storeys first."""
    bare: list[str] = field(default_factory=list)
    """Names of its buildings without storeys."""

    def dump(self) -> bytes:
        """As JSON, outlines as WKB in hexadecimal."""
        return orjson.dumps(asdict(self, dict_factory=_plain))

    @classmethod
    def load(cls, data: bytes) -> "Model":
        """What `dump` made."""
        return cls._made(orjson.loads(data))

    @classmethod
    def _made(cls, found: dict[str, Any]) -> "Model":
        found["others"] = [cls._made(other) for other in found["others"]]
        found["levels"] = [Level(**_shaped(level)) for level in found["levels"]]
        found["spaces"] = [Space(**_shaped(space)) for space in found["spaces"]]
        for name, kind in (("conversion", Conversion), ("site", Site)):
            found[name] = found[name] and kind(**found[name])
        found["north"] = tuple(found["north"])
        return cls(**{name.name: found[name.name] for name in fields(cls)})


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: shapely.to_wkb(value, hex=True) if isinstance(value, Geometry) else value
        for name, value in pairs
    }


def _shaped(found: dict[str, Any]) -> dict[str, Any]:
    outline = found["outline"]
    return found | {"outline": None if outline is None else shapely.from_wkb(outline)}
