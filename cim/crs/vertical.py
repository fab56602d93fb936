"""What the heights of a file are above, as far as its coordinate system says it."""

from typing import NamedTuple

from pyproj import CRS
from pyproj.exceptions import CRSError

from cim.crs.geoid import CITY, ELLIPSOID, MODELS
from cim.crs.plane import canonical
from cim.errors import MissingCrs

NAMED = {5773: "egm96", 3855: "egm2008", 5737: CITY}
"""Vertical systems by EPSG code; 5737 is the height datum of 1985."""


class Heights(NamedTuple):
    """A coordinate system taken apart.

    `plane` is what `cim.crs` takes for coordinates; `above` what heights are above, None where the
    system does not say or where it is a datum that we have no way from, called `name`; `unit` is
    that of heights where it is not the metre.
    """

    plane: str
    above: str | None
    name: str | None
    unit: str | None


def split(wkt: str) -> Heights:
    """The parts of a coordinate system given as WKT or as a code.

    Raises MissingCrs where PROJ does not know it.

    >>> split("EPSG:4326+5773")
    Heights(plane='EPSG:4326', above='egm96', name='EGM96 height', unit=None)
    >>> split("EPSG:4979").above, split("EPSG:4547").above
    ('ellipsoid', None)
    >>> split("EPSG:7415").name, split("EPSG:2263+6360").unit
    ('NAP height', 'US survey foot')
    """
    try:
        system = CRS.from_user_input(wkt)
    except CRSError as error:
        raise MissingCrs(
            f"unknown coordinate system {wkt[:80]!r}", f"不认识坐标系 {wkt[:80]!r}"
        ) from error
    parts = system.sub_crs_list
    if len(parts) > 1:
        upright = next((part for part in parts if part.is_vertical), None)
        return Heights(canonical(parts[0].to_wkt()), *_above(upright))
    if len(system.axis_info) == 3 and not system.is_vertical:
        return Heights(canonical(system.to_2d().to_wkt()), ELLIPSOID, system.name, None)
    return Heights(canonical(wkt), None, None, None)


def _above(upright: CRS | None) -> tuple[str | None, str | None, str | None]:
    if upright is None:
        return None, None, None
    unit = upright.axis_info[0].unit_name if upright.axis_info else "metre"
    above = NAMED.get(upright.to_epsg() or 0)
    known = above in (CITY, *MODELS)
    return above if known else None, upright.name, None if unit == "metre" else unit
