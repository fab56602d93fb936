"""Storeys, entrances and units derived from footprints, floor counts and what was loaded of them.

Everything here can be thrown away and made again.  What was given (storeys, rooms, drawn
outlines) wins; ids of storeys and units that still exist are kept; the rest is ended, not deleted.
"""

from cim.derive.derivation import Derived, count, run

__all__ = ["Derived", "count", "run"]
