"""What is asked of a collection most: its next page, the features in a box, one by its id.

To build and bind such a statement takes longer than the database takes to answer it. So its text is
made once for each shape of the question and run as it is by the driver, with a plan that is kept;
all that a caller wrote is a value. Whatever is asked besides goes the way of `items`.
"""

import struct
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Integer, Select, bindparam, literal_column, select
from sqlalchemy.types import UserDefinedType

from cim.model.base import SRID
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.items import Ask, Box, feature, features, meeting
from cim.store.queries.ready import Asked, Ready

SHAPES = 512
"""Texts that are remembered: collections by the systems and properties that are asked for."""

READ = (11, 101, 1001, 10_001)
"""Rows that a plan is made for: without a number it would be made for a tenth of the table."""


class _Geometry(UserDefinedType[str]):
    """A geometry the server reads once, when it is handed over: as hexadecimal EWKB."""

    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        return "geometry"


Shape = tuple[str, tuple[str, ...] | None, int, bool]
"""A collection's name, the properties that are shown, the system, and whether its axes are turned.
"""


def page(ask: Ask) -> Asked | None:
    """`items.features` of an ask; None where it is none that comes often."""
    rare = ask.where or ask.sort or _confined(ask) or (ask.box and not ask.gathered)
    if rare or ask.srid not in (SRID, 4326):
        return None
    values: dict[str, Any] = {"read": ask.limit + 1}
    if ask.after is not None:
        values["after"] = ask.after[-1]
    if ask.box is not None:
        values["box"] = hexadecimal(ask.box)
        return _boxed(_shape(ask), ask.after is not None)(**values)
    planned = next(rows for rows in READ if ask.limit < rows or rows == READ[-1])
    return _next(_shape(ask), ask.after is not None, planned)(**values)


def one(ask: Ask, key: int) -> Asked | None:
    """`items.feature` of an ask and an id; None where it is none that comes often."""
    if _confined(ask) or ask.srid not in (SRID, 4326):
        return None
    return _one(_shape(ask))(key=key)


def hexadecimal(box: Box) -> str:
    """A box in CGCS2000 degrees as EWKB in hexadecimal digits.

    >>> hexadecimal((0.0, 0.0, 1.0, 1.0))[:26]
    '01030000208a11000001000000'
    """
    w, s, e, n = box
    ring = (w, s, w, n, e, n, e, s, w, s)
    return struct.pack("<BIIII10d", 1, 0x20000003, SRID, 1, 5, *ring).hex()


def _confined(ask: Ask) -> bool:
    """Whether what is answered depends on who asks."""
    return ask.collection.secrecy is not None and bool(ask.sight)


def _shape(ask: Ask) -> Shape:
    shows = None if ask.shows is None else tuple(each.name for each in ask.properties)
    return ask.collection.name, shows, ask.srid, ask.swapped


def _asked(shape: Shape, **more: Any) -> Ask:
    """An ask of that shape, with parameters in the place of values."""
    name, shows, srid, swapped = shape
    return Ask(COLLECTIONS[name], shows=shows, srid=srid, swapped=swapped, **more)


def _after(*, later: bool) -> tuple[Any, ...] | None:
    return (bindparam("after", type_=BigInteger),) if later else None


@lru_cache(SHAPES)
def _boxed(shape: Shape, later: bool) -> Ready:
    here = COLLECTIONS[shape[0]]
    meets = meeting(here, bindparam("box", type_=_Geometry()), upright=True)
    ask = _asked(shape, where=(meets,), after=_after(later=later), gathered=True)
    return Ready.of(features(ask, bindparam("read", type_=Integer)))


@lru_cache(SHAPES)
def _next(shape: Shape, later: bool, planned: int) -> Ready:
    ask = _asked(shape, after=_after(later=later))
    found = features(ask, literal_column(str(planned))).subquery("found")
    whole: Select[Any] = select(found).order_by(found.c.id)
    return Ready.of(whole.limit(bindparam("read", type_=Integer)))


@lru_cache(SHAPES)
def _one(shape: Shape) -> Ready:
    key: Any = bindparam("key", type_=BigInteger)
    return Ready.of(feature(_asked(shape), key))
