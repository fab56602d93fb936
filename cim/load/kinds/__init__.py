"""What can be loaded: a kind is one file with `KIND` and one entry here, in order of dependency."""

from cim.load.kind import Kind
from cim.load.kinds import buildings

KINDS: dict[str, Kind] = {kind.name: kind for kind in (buildings.KIND,)}
"""Name → kind; a folder is loaded in this order."""
