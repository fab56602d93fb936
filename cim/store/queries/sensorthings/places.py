"""Rights as conditions: what in homes and what is secret is seen by whom, where."""

from cim.store.queries.parts import BUILDING_AREA
from cim.store.queries.sensorthings.shape import Asking, Place


def inside(asking: Asking, place: Place, building: str) -> str:
    """Whether a building, by the SQL of its id, stands where somebody may see more."""
    if place is None:
        return "true"
    areas, grids = place
    if not areas and not grids:
        return "false"
    return f"""EXISTS (SELECT FROM city.building b WHERE b.id = {building}
        AND (b.grid_id = ANY ({asking.values.add(list(grids), "int8[]")})
            OR {BUILDING_AREA} = ANY ({asking.values.add(list(areas), "int8[]")})))"""


def cleared(asking: Asking, a: str) -> str:
    """Whether a device may be seen, with `secrecy` and `house` of an alias."""
    # Written so that the planner expects most to be public: it walks along the ids then.
    found = [f"CASE WHEN {a}.secrecy > 0 THEN false ELSE true END"]
    for level, place in asking.sight:
        where = inside(asking, place, f"{a}.house")
        found.append(f"{a}.secrecy <= {asking.values.add(level, 'int4')} AND {where}")
    return f"({' OR '.join(found)})"


def entered(asking: Asking, a: str) -> str:
    """Whether any reading of a stream may be seen, with `home`, `house` of an alias.

    The same as of each of its readings, of which none is looked at then.
    """
    if asking.living is None:
        return "true"
    return f"(NOT {a}.home OR {inside(asking, asking.living, f'{a}.house')})"


def living(asking: Asking, a: str, at: str) -> str:
    """Whether a reading of the time `at` may be seen, with `home`, `house`, `holder` of an alias.

    What a device said in a unit where it is no longer is of that home.
    """
    if asking.living is None:
        return "true"
    there = inside(asking, asking.living, "hu.building_id")
    elsewhere = ""  # of who sees no home at all, none is looked up
    if there != "false":
        elsewhere = f"""AND NOT EXISTS (SELECT FROM city.unit hu
                WHERE hu.id = hb.bind_id AND {there})"""
    return f"""({entered(asking, a)} AND CASE WHEN EXISTS (SELECT FROM city.device_binding hb
            WHERE hb.device_id = {a}.holder AND hb.bind_type = 'unit'
                AND hb.valid_to > {at} {elsewhere})
        THEN false ELSE true END)"""
