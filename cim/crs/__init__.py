"""The only place where coordinates and heights change system.

`plane` takes any file's coordinates to CGCS2000 degrees, `china` knows the shifted degrees of web
maps; heights and earth-centred coordinates stand beside them.
"""

from cim.crs.plane import (
    EQUALITY,
    areas,
    candidates,
    canonical,
    from_4490,
    is_ours,
    is_projected,
    to_4490,
    zone,
)

__all__ = [
    "EQUALITY",
    "areas",
    "candidates",
    "canonical",
    "from_4490",
    "is_ours",
    "is_projected",
    "to_4490",
    "zone",
]
