"""The only place where coordinates and heights change system.

`plane` takes any file's coordinates to CGCS2000 degrees, `zones` tells what numbers may be in,
`china` knows the shifted degrees of web maps; heights and earth-centred coordinates stand beside
them.
"""

from cim.crs.plane import (
    EQUALITY,
    SWAPPED,
    areas,
    canonical,
    from_4490,
    is_approximate,
    is_ours,
    is_projected,
    to_4490,
    zone,
)

__all__ = [
    "EQUALITY",
    "SWAPPED",
    "areas",
    "canonical",
    "from_4490",
    "is_approximate",
    "is_ours",
    "is_projected",
    "to_4490",
    "zone",
]
