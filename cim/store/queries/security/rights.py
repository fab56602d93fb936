"""Where something lies, as far as rights go by it: its lowest area and its grid."""

from sqlalchemy import BigInteger, TextClause, bindparam, text

from cim.store.queries.parts import BUILDING_AREA

PLACE = f"SELECT {BUILDING_AREA} AS area, b.grid_id AS grid FROM city.building b WHERE b.id = :id"


def place_of(building: int) -> TextClause:
    """The lowest area and the grid of a building; each may be NULL."""
    return text(PLACE).bindparams(bindparam("id", building, BigInteger))
