"""The only place where coordinates and heights change system.

`plane` takes any file's coordinates to CGCS2000 degrees, `zones` tells what numbers may be in,
`china` knows the shifted degrees of web maps; heights and earth-centred coordinates stand beside
them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """What `plane` has, imported when it is first asked for: PROJ takes a tenth of a second."""
    if name not in __all__:
        raise AttributeError(name)
    from cim.crs import plane  # noqa: PLC0415 - heights and ECEF are used without PROJ

    return getattr(plane, name)
