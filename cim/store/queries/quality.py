"""What must be true of every city.

An invariant is ours to keep: a broken one is a fault of the program or of someone's hand in the
database.  A finding (`findings`) is the source's: it is counted, with examples, and breaks nothing.
Every statement is one pass over sets of rows; a layout is looked at once, however many storeys
share it.
"""

from dataclasses import dataclass

from sqlalchemy import TextClause, text

CLOSE = 1e-5
"""Part of an area that may be missed, overlapped or overhung: what the digits cannot hold."""

GRID = 1e-10
"""Degrees, a hundredth of a millimetre: lines that differ in the last digit fall together.

Without a grid GEOS may take one side of such a pair for the other.
"""


@dataclass(frozen=True)
class Check:
    """One question to the database: which rows break a rule."""

    name: str
    en: str
    zh: str
    faults: str
    """A statement whose first column is the id of each row at fault."""
    invariant: bool = False
    object_type: str = "building"
    """What the ids are ids of."""


def measure_plans() -> TextClause:
    """Measure every divided plan once, into a table of this transaction that the checks ask."""
    return text(
        f"""
        CREATE TEMPORARY TABLE measured_plan ON COMMIT DROP AS
        SELECT id, ST_Area(outline) AS area, total, ST_Area(covered) AS covered,
               ST_Area(ST_Difference(covered, outline, {GRID})) AS outside
          FROM (SELECT p.id, coalesce(p.outline, b.footprint) AS outline,
                       ST_Union(s.outline, {GRID}) AS covered, sum(ST_Area(s.outline)) AS total
                  FROM city.floor_plan p
                  JOIN city.building b ON b.id = p.building_id AND b.ended_at IS NULL
                  JOIN city.floor_slot s ON s.plan_id = p.id AND s.outline IS NOT NULL
                 GROUP BY p.id, b.id OFFSET 0) AS plan
        """
    )


INVARIANTS = (
    Check(
        "units_within_storey",
        "generated units reach beyond the outline of their storey",
        "生成的房屋单元超出楼层轮廓",
        f"SELECT id FROM measured_plan WHERE outside > {CLOSE} * area",
        True,
        "floor_plan",
    ),
    Check(
        "units_apart",
        "generated units of one storey overlap",
        "同一楼层生成的房屋单元互相重叠",
        f"SELECT id FROM measured_plan WHERE total - covered > {CLOSE} * area",
        True,
        "floor_plan",
    ),
    Check(
        "unit_areas",
        "the units of a storey have more area than the storey",
        "房屋单元面积之和大于楼层面积",
        f"""SELECT p.id FROM city.floor_plan p JOIN city.floor_slot s ON s.plan_id = p.id
             GROUP BY p.id HAVING sum(s.area) > p.area * (1 + {CLOSE})""",
        True,
        "floor_plan",
    ),
    Check(
        "storeys_stacked",
        "the top of a storey is not the floor of the next one",
        "楼层顶标高与上一层底标高不一致",
        """SELECT DISTINCT building_id FROM (
               SELECT building_id, elev_bottom, lag(elev_top) OVER (PARTITION BY building_id
                          ORDER BY CASE no WHEN 0 THEN 1.5 ELSE no END) AS below
                 FROM (SELECT DISTINCT ON (building_id, no) building_id, no, elev_bottom, elev_top
                         FROM city.storey WHERE ended_at IS NULL AND elev_top IS NOT NULL
                        ORDER BY building_id, no, label) AS single) AS pair
            WHERE elev_bottom <> below""",
        True,
    ),
    Check(
        "basements_below",
        "a basement reaches above the floor of the storey over it",
        "地下楼层高于地面层",
        """SELECT DISTINCT s.building_id FROM city.storey s JOIN city.storey g
               ON g.building_id = s.building_id AND g.no > 0 AND g.ended_at IS NULL
            WHERE s.no < 0 AND s.ended_at IS NULL AND s.elev_top > g.elev_bottom""",
        True,
    ),
    Check(
        "derived_whole",
        "a derived storey has no layout or no elevations",
        "已派生的楼层缺少平面或标高",
        """SELECT s.id FROM city.storey s JOIN platform.derived d USING (building_id)
            WHERE s.ended_at IS NULL
              AND (s.plan_id IS NULL OR s.elev_bottom IS NULL OR s.elev_top IS NULL)""",
        True,
        "storey",
    ),
    Check(
        "units_on_storeys",
        "a unit is on a storey that has ended, or of another building",
        "房屋单元所在楼层已注销或属于其他建筑",
        """SELECT u.id FROM city.unit u JOIN city.storey s ON s.id = u.storey_id
            WHERE u.ended_at IS NULL
              AND (s.ended_at IS NOT NULL OR s.building_id <> u.building_id)""",
        True,
        "unit",
    ),
    Check(
        "units_placed",
        "the place of a unit is not on the layout of its storey",
        "房屋单元的位置不在其楼层平面上",
        """SELECT u.id FROM city.unit u JOIN city.storey s ON s.id = u.storey_id
             LEFT JOIN city.floor_slot l ON l.id = u.slot_id
            WHERE u.slot_id IS NOT NULL AND (l.id IS NULL
                  OR u.ended_at IS NULL AND l.plan_id IS DISTINCT FROM s.plan_id)""",
        True,
        "unit",
    ),
    Check(
        "unit_counts",
        "the number of units kept with a building is not the number it has",
        "建筑登记的单元数与实际不符",
        """SELECT b.id FROM city.building b
             LEFT JOIN city.building_pop p ON p.building_id = b.id
             LEFT JOIN (SELECT building_id, count(*) AS units FROM city.unit
                         WHERE ended_at IS NULL GROUP BY building_id) u ON u.building_id = b.id
            WHERE coalesce(p.units, 0) <> coalesce(u.units, 0)""",
        True,
    ),
)
