"""Which buildings a tileset is about: of what states, in what part of the city."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Table, and_, func, not_, select, type_coerce
from sqlalchemy.sql import operators
from sqlalchemy.types import NullType

from cim.model.buildings import building
from cim.model.places import admin_area, estate, grid

STATES = ("planned", "under_construction", "existing", "partly_demolished", "demolished")
"""What a building may be (building.state)."""

ABSENT = ("planned", "demolished")
"""The states of buildings that are not there."""

PLACES: dict[str, Table] = {table.name: table for table in (admin_area, grid, estate)}
"""What a part of the city may be named by."""

SRID = 4490


@dataclass(frozen=True)
class Area:
    """An area, grid or estate: its table, one of PLACES, and a column by which it is known there.

    `name` is what people call it.
    """

    of: str
    column: str
    value: str | int
    name: str = field(default="", compare=False)

    def outline(self) -> ScalarSelect[Any]:
        """Its outline as it is now; NULL where it is no more."""
        table = PLACES[self.of]
        known = table.c[self.column] == self.value
        geom = type_coerce(table.c.geom, NullType())  # else it would come as bytes
        return select(geom).where(table.c.ended_at.is_(None), known).scalar_subquery()


@dataclass(frozen=True)
class Which:
    """Buildings of some states whose centre lies in a box, or an area; None for all of them.

    Without `states` they are those that are there.  `box` is west, south, east, north in degrees;
    its east and north sides are not in it, so that boxes side by side share nothing.
    """

    states: tuple[str, ...] | None = None
    box: tuple[float, float, float, float] | None = None
    area: Area | None = None


THERE = Which()
"""All buildings that are there: those planned are not yet, and those demolished no more."""

PLANNED = Which(states=("planned",))
"""All that are to be."""


def shown(which: Which) -> ColumnElement[bool]:
    """Whether a building is one of those."""
    c = building.c
    told = c.state.not_in(ABSENT) if which.states is None else c.state.in_(which.states)
    found: list[ColumnElement[bool]] = [c.ended_at.is_(None), told]
    longitude, latitude = centre()
    if which.box:
        west, south, east, north = which.box
        envelope = func.ST_MakeEnvelope(west, south, east, north, SRID)
        found += [
            _touches(c.footprint, envelope),
            longitude >= west,
            longitude < east,
            latitude >= south,
            latitude < north,
        ]
    if which.area:
        outline = which.area.outline()
        point = func.ST_SetSRID(func.ST_MakePoint(longitude, latitude), SRID)
        found += [_touches(c.footprint, outline), func.ST_Covers(outline, point)]
    return and_(*found)


def risen() -> ColumnElement[bool]:
    """Whether anything of a building is above the ground, or ought to be."""
    return not_(and_(sunk(), building.c.height == 0))


def sunk() -> ColumnElement[bool]:
    """Whether all storeys of a building are below the ground, by their numbers."""
    return and_(building.c.floors_above == 0, building.c.floors_below > 0)


def centre() -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Longitude and latitude of the middle of a building's box: where it stands in the tree."""
    shape = building.c.footprint
    return (
        (func.ST_XMin(shape) + func.ST_XMax(shape)) / 2,
        (func.ST_YMin(shape) + func.ST_YMax(shape)) / 2,
    )


def _touches(shape: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the boxes of two shapes meet: what the index on outlines is for."""
    return shape.operate(operators.custom_op("&&", is_comparison=True), other)
