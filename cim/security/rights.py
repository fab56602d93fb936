"""What a caller may do: with what, where, and up to which level of secrecy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

CITY_READ: Final = "city.read"
"""Objects of the city that are not public, by their level of secrecy."""

LIVING_READ: Final = "living.read"
"""What tells whether somebody is at home: occupancy, a meter's readings."""

RESIDENTS_READ: Final = "residents.read"
"""Who lives in a unit, masked."""

RESIDENTS_PLAIN: Final = "residents.plain"
"""The same unmasked, where the purpose needs it."""

RESIDENTS_REQUESTS: Final = "residents.requests"
"""Giving persons what is kept of them, and erasing it, when they ask."""

INTAKE: Final = "intake"
"""Bringing files in."""

FEATURES_WRITE: Final = "features.write"
"""Changing single objects."""

DEVICES_WRITE: Final = "devices.write"
"""Registering devices, binding them, their keys, their datastreams; entities of SensorThings."""

ALARMS_WRITE: Final = "alarms.write"
"""Acknowledging alarms, and the rules they are raised by."""

SYSTEM, SECURITY, AUDIT = "admin.system", "admin.security", "admin.audit"
"""Making accounts; giving roles and making keys; reading the audit log."""

SCOPES: Final = (
    CITY_READ,
    LIVING_READ,
    RESIDENTS_READ,
    RESIDENTS_PLAIN,
    RESIDENTS_REQUESTS,
    INTAKE,
    FEATURES_WRITE,
    DEVICES_WRITE,
    ALARMS_WRITE,
    SYSTEM,
    SECURITY,
    AUDIT,
)
"""Everything that can be allowed."""


@dataclass(frozen=True)
class Where:
    """The areas and grids that somebody is confined to; none of either is nowhere."""

    areas: tuple[int, ...] = ()
    """Ids of `city.admin_area`, those below them included."""

    grids: tuple[int, ...] = ()
    """Ids of `city.grid`, those below them included."""

    def holds(self, areas: Iterable[int], grid: int | None) -> bool:
        """Whether something lies here that lies in these areas and this grid.

        >>> here = Where(areas=(4, 5), grids=(9,))
        >>> here.holds([1, 2, 4], None), here.holds([1, 2], 9), here.holds([1, 2], 8)
        (True, True, False)
        """
        return grid in self.grids or not set(self.areas).isdisjoint(areas)


@dataclass(frozen=True)
class Right:
    """One thing that one role allows, in one place."""

    role: str
    scope: str
    collection: str | None = None
    """With which collection; None is all."""

    fields: frozenset[str] | None = None
    """Which of its fields; None is all."""

    secrecy: int = 0
    where: Where | None = None
    """None is the whole city."""

    def allows(self, scope: str, collection: str | None) -> bool:
        """Whether this is a right to do that with a collection; None asks of all of them."""
        return self.scope == scope and self.collection in (None, collection)


@dataclass(frozen=True)
class Rights:
    """All that somebody may do."""

    rights: tuple[Right, ...] = ()

    @property
    def roles(self) -> frozenset[str]:
        """The roles these come from."""
        return frozenset(right.role for right in self.rights)

    @property
    def scopes(self) -> frozenset[str]:
        """What may be done, somewhere, with something."""
        return frozenset(right.scope for right in self.rights)

    def of(self, scope: str, collection: str | None = None) -> list[Right]:
        """The rights to do that with a collection, or with all of them."""
        return [right for right in self.rights if right.allows(scope, collection)]

    def may(self, scope: str, collection: str | None = None) -> bool:
        """Whether that may be done somewhere; `where` says where.

        >>> tower = Rights((Right("r", "city.read", "devices"),))
        >>> tower.may("city.read", "devices"), tower.may("city.read"), tower.may("intake")
        (True, False, False)
        """
        return bool(self.of(scope, collection))

    def where(self, scope: str, collection: str | None = None) -> Where | None:
        """Where that may be done: None is everywhere, an empty place nowhere.

        >>> here, there = Where(areas=(4,)), Where(grids=(9,))
        >>> Rights((Right("r", "intake", where=here), Right("r", "intake", where=there))).where(
        ...     "intake")
        Where(areas=(4,), grids=(9,))
        >>> Rights((Right("r", "intake", where=here), Right("r", "intake"))).where("intake")
        >>> Rights().where("intake")
        Where(areas=(), grids=())
        """
        places = [right.where for right in self.of(scope, collection)]
        if None in places:
            return None
        found = [place for place in places if place is not None]
        return Where(
            tuple(dict.fromkeys(id for place in found for id in place.areas)),
            tuple(dict.fromkeys(id for place in found for id in place.grids)),
        )

    def at(self, areas: Iterable[int], grids: Iterable[int]) -> "Rights":
        """Those that hold for something in these areas and grids; in none, those of the whole city.

        >>> town = Right("r", "features.write", where=Where(areas=(4,)))
        >>> city = Right("r", "features.write", fields=frozenset({"name"}))
        >>> Rights((town, city)).at([1, 4], []).fields("features.write", "units")
        >>> Rights((town, city)).at([1, 5], []).fields("features.write", "units")
        frozenset({'name'})
        """
        here = frozenset(areas)
        there: tuple[int | None, ...] = tuple(grids) or (None,)
        return Rights(
            tuple(
                right
                for right in self.rights
                if right.where is None or any(right.where.holds(here, grid) for grid in there)
            )
        )

    def fields(self, scope: str, collection: str) -> frozenset[str] | None:
        """Which fields of a collection, somewhere; `at` first says where. None is all of them."""
        found = [right.fields for right in self.of(scope, collection)]
        if None in found:
            return None
        return frozenset(name for fields in found for name in fields or ())

    def secrecy(self, scope: str = CITY_READ, collection: str | None = None) -> int:
        """The highest level of secrecy that may be seen anywhere; 0 is public."""
        return max((right.secrecy for right in self.of(scope, collection)), default=0)

    def only(self, scopes: Iterable[str] | None) -> "Rights":
        """Those of some scopes; all of them for None."""
        if scopes is None:
            return self
        kept = frozenset(scopes)
        return replace(self, rights=tuple(r for r in self.rights if r.scope in kept))


def read(lines: Sequence[Sequence[Any]]) -> Rights:
    """Rights as the store tells them: role, scope, collection, fields, secrecy, areas, grids."""
    return Rights(
        tuple(
            Right(
                role,
                scope,
                collection,
                None if fields is None else frozenset(fields),
                secrecy,
                None
                if areas is None and grids is None
                else Where(tuple(areas or ()), tuple(grids or ())),
            )
            for role, scope, collection, fields, secrecy, areas, grids in lines
        )
    )
