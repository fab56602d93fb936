"""Where a file says that it is: map conversion and projected system, or the site's coordinates."""

from typing import Any

import ifcopenshell.util.element as elements
import ifcopenshell.util.placement as placements
import ifcopenshell.util.unit as units
import numpy as np

from cim.load.models.model import Conversion, Site

Entity = Any
"""An instance in the file."""


def conversion(file: Any, context: Entity | None, scale: float) -> Conversion | None:
    """The map conversion: an instance of IFC4, or the property sets that IFC 2x3 uses for it."""
    operations = getattr(context, "HasCoordinateOperation", None) or ()
    for operation in operations:
        if operation.is_a("IfcMapConversion"):
            return _instance(operation, scale)
    for owner in (*file.by_type("IfcSite"), *file.by_type("IfcProject")):
        sets = {name.lower(): values for name, values in elements.get_psets(owner).items()}
        said = sets.get("epset_mapconversion")
        if said:
            system = sets.get("epset_projectedcrs", {}).get("Name")
            eastings, northings, height = (float(said.get(name) or 0) for name in _NUMBERS)
            return Conversion(
                eastings,
                northings,
                height,
                *_direction(said.get("XAxisAbscissa"), said.get("XAxisOrdinate")),
                _factor(said.get("Scale"), 1.0, scale),
                system,
            )
    return None


_NUMBERS = ("Eastings", "Northings", "OrthogonalHeight")


def _instance(operation: Entity, scale: float) -> Conversion:
    target = operation.TargetCRS
    metres = _metres(getattr(target, "MapUnit", None))
    eastings, northings, height = (
        float(getattr(operation, name) or 0) * metres for name in _NUMBERS
    )
    return Conversion(
        eastings,
        northings,
        height,
        *_direction(operation.XAxisAbscissa, operation.XAxisOrdinate),
        _factor(operation.Scale, metres, scale),
        getattr(target, "Name", None),
    )


def _metres(unit: Entity | None) -> float:
    """How many metres the unit of the map has; metres where it has none."""
    if unit is None:
        return 1.0
    if unit.is_a("IfcConversionBasedUnit"):
        part = unit.ConversionFactor
        return float(part.ValueComponent.wrappedValue) * _metres(part.UnitComponent)
    library: Any = units  # its types are half there
    return float(library.get_prefix_multiplier(getattr(unit, "Prefix", None)))


def _direction(abscissa: Any, ordinate: Any) -> tuple[float, float]:
    x, y = float(abscissa or 0), float(ordinate or 0)
    return (x, y) if np.hypot(x, y) > 1e-9 else (1.0, 0.0)


def _factor(said: Any, metres: float, scale: float) -> float:
    """Map metres for a metre of the model.

    The standard's scale leads from the file's unit to the map's, so that a file in millimetres
    has 0.001; many programs leave it out or write 1.  What comes nearest to one metre a metre
    holds: no map stretches by a tenth.
    """
    factor = float(said or 0)
    options = [factor * metres / scale, factor, 1.0]
    return next((value for value in options if 0.9 < value < 1.1), 1.0)


def site(file: Any, scale: float) -> Site | None:
    """The place of IfcSite: degrees, minutes, seconds and millionths, of the site's own origin."""
    for found in file.by_type("IfcSite"):
        lat, lon = _degrees(found.RefLatitude), _degrees(found.RefLongitude)
        if lat is None or lon is None or (lat == 0 and lon == 0):
            continue
        origin = np.zeros(3)
        if found.ObjectPlacement is not None:
            origin = placements.get_local_placement(found.ObjectPlacement)[:3, 3] * scale
        elevation = float(found.RefElevation or 0.0) * scale
        return Site(lon, lat, elevation, float(origin[0]), float(origin[1]))
    return None


def _degrees(parts: Any) -> float | None:
    """Degrees of a compound angle; every part has the sign of the whole, or should have."""
    if not parts:
        return None
    sizes = (1.0, 60.0, 3600.0, 3.6e9)
    size = sum(abs(float(part)) / each for part, each in zip(parts, sizes, strict=False))
    return -size if any(part < 0 for part in parts) else size
