"""To whom a room belongs, as a file says it: by its zones, or by its properties."""

from collections import defaultdict
from typing import Any

import ifcopenshell.util.element as elements

from cim.load.models import names

NOT_FLATS = ("fire", "therm", "hvac", "light", "vent", "security", "消防", "防火", "暖通", "照明")
"""Words of zones that group rooms for another purpose."""

OTHER_PURPOSES = frozenset(
    {"CONSTRUCTION", "FIRESAFETY", "LIGHTING", "SECURITY", "THERMAL", "TRANSPORT", "VENTILATION"}
)
"""IfcSpatialZoneTypeEnum without occupancy."""

Entity = Any
"""An instance in the file."""


def zone(space: Entity) -> str | None:
    """The smallest zone that groups the space as somebody's own rooms."""
    found: dict[str, int] = {}
    for relation in getattr(space, "HasAssignments", ()) or ():
        group = getattr(relation, "RelatingGroup", None)
        if group is not None and group.is_a("IfcZone") and _of_people(group):
            found[group.Name or group.GlobalId] = len(relation.RelatedObjects)
    for relation in getattr(space, "ReferencedInStructures", ()) or ():
        group = relation.RelatingStructure
        if group.is_a("IfcSpatialZone") and _of_people(group):
            found[group.Name or group.GlobalId] = len(relation.RelatedElements)
    return min(found, key=lambda name: (found[name], name)) if found else None


def _of_people(group: Entity) -> bool:
    words = " ".join(str(word or "") for word in (group.Name, group.ObjectType)).lower()
    return getattr(group, "PredefinedType", None) not in OTHER_PURPOSES and not any(
        word in words for word in NOT_FLATS
    )


def flat(space: Entity) -> str | None:
    """The flat that a property of the space names, by the order of FLAT_PROPERTIES."""
    said: dict[str, list[str]] = defaultdict(list)
    for properties in elements.get_psets(space).values():
        for name, value in properties.items():
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                said[name.lower().replace(" ", "").replace("_", "")].append(f"{value}\0{name}")
    for wanted in names.FLAT_PROPERTIES:
        for value in said.get(wanted, []):
            found = names.flat_of(*value.split("\0"))
            if found:
                return found
    return None
