"""What can be loaded: a kind is one file with `KIND` and one entry here, in order of dependency."""

from cim.load.kind import Kind
from cim.load.kinds import (
    addresses,
    areas,
    buildings,
    devices,
    estates,
    facilities,
    floors,
    grids,
    organisations,
    people,
    projects,
    readings,
    streets,
    units,
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        areas.KIND,
        grids.KIND,
        estates.KIND,
        streets.KIND,
        buildings.KIND,
        floors.KIND,
        units.KIND,
        addresses.KIND,
        people.KIND,
        organisations.KIND,
        facilities.KIND,
        projects.KIND,
        devices.KIND,
        readings.KIND,
    )
}
"""Name → kind; a folder is loaded in this order."""
