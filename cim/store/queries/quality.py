"""What must be true of every city, and what its data leave to be wished for.

An invariant is ours to keep: a broken one is a fault of the program or of someone's hand in the
database.  A finding is the source's: it is counted, with examples, and breaks nothing.  Every
statement is one pass over sets of rows; a layout is looked at once, however many storeys share it.
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

    @property
    def statement(self) -> TextClause:
        """How many rows are at fault, and the first few ids. Parameter: `examples`."""
        return text(
            f"""SELECT count(*), coalesce((array_agg(f.id ORDER BY f.id))
                                          [1 : CAST(:examples AS integer)], '{{}}')
                  FROM ({self.faults}) AS f(id)"""
        )


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

_OWN = """
    SELECT u.id, u.storey_id, u.outline, coalesce(p.outline, b.footprint) AS storey
      FROM city.unit u
      JOIN city.storey s ON s.id = u.storey_id
      JOIN city.building b ON b.id = u.building_id
      LEFT JOIN city.floor_plan p ON p.id = s.plan_id
     WHERE u.outline IS NOT NULL AND u.ended_at IS NULL
"""

FINDINGS = (
    Check(
        "duplicate_addresses",
        "addresses that stand more than once",
        "重复的地址",
        """SELECT min(id) FROM city.std_address WHERE ended_at IS NULL
            GROUP BY norm_text HAVING count(*) > 1""",
        object_type="address",
    ),
    Check(
        "no_estate",
        "buildings in no estate",
        "未关联小区的建筑",
        "SELECT id FROM city.building WHERE ended_at IS NULL AND estate_id IS NULL",
    ),
    Check(
        "no_grid",
        "buildings in no grid",
        "未关联网格的建筑",
        "SELECT id FROM city.building WHERE ended_at IS NULL AND grid_id IS NULL",
    ),
    Check(
        "height_mismatch",
        "storeys add up to another height than the building has",
        "层高之和与建筑高度不符",
        """SELECT b.id FROM city.building b JOIN city.storey s ON s.building_id = b.id
            WHERE b.ended_at IS NULL AND s.ended_at IS NULL AND s.no >= 0
            GROUP BY b.id
           HAVING abs(max(s.elev_top) - min(s.elev_bottom) - b.height)
                  > greatest(0.5, 0.05 * b.height)""",
    ),
    Check(
        "storey_height",
        "buildings whose storeys would be lower than 2.2 m or higher than 8 m on average",
        "平均层高低于 2.2 米或高于 8 米的建筑",
        """SELECT id FROM city.building
            WHERE ended_at IS NULL AND floors_above > 0
              AND height / floors_above NOT BETWEEN 2.2 AND 8""",
    ),
    Check(
        "storey_count",
        "buildings with another number of storeys than their floor count",
        "楼层数与登记层数不符的建筑",
        """SELECT b.id FROM city.building b
             JOIN platform.derived d ON d.building_id = b.id
             LEFT JOIN city.storey s ON s.building_id = b.id AND s.ended_at IS NULL AND s.no > 0
                  AND s.kind <> '屋面'
            WHERE b.ended_at IS NULL
            GROUP BY b.id HAVING count(DISTINCT s.no) <> b.floors_above""",
    ),
    Check(
        "not_derived",
        "buildings without storeys and units: run `cim units build`",
        "尚未生成楼层和单元的建筑:请运行 cim units build",
        """SELECT b.id FROM city.building b WHERE b.ended_at IS NULL
              AND NOT EXISTS (SELECT FROM platform.derived d WHERE d.building_id = b.id)""",
    ),
    Check(
        "no_outline",
        "units without an outline, because their storey could not be divided",
        "楼层无法划分而没有轮廓的房屋单元",
        """SELECT id FROM city.unit WHERE ended_at IS NULL AND geom_status = 'none'""",
        object_type="unit",
    ),
    Check(
        "overlapping_units",
        "drawn units that overlap another one of their storey",
        "同层绘制轮廓互相重叠的房屋单元",
        f"""WITH own AS ({_OWN})
            SELECT DISTINCT a.id FROM own a JOIN own b ON b.storey_id = a.storey_id
               AND b.id <> a.id AND b.outline && a.outline
             WHERE ST_Area(ST_Intersection(a.outline, b.outline, {GRID}))
                   > 0.01 * ST_Area(a.outline)""",
        object_type="unit",
    ),
    Check(
        "units_outside",
        "drawn units that reach beyond their storey",
        "绘制轮廓超出楼层的房屋单元",
        f"""SELECT id FROM ({_OWN}) AS own
             WHERE ST_Area(ST_Difference(outline, storey, {GRID})) > 0.01 * ST_Area(outline)""",
        object_type="unit",
    ),
    Check(
        "unbound_devices",
        "devices bound to nothing",
        "未绑定对象的设备",
        """SELECT id FROM city.device
            WHERE ended_at IS NULL AND (bind_type IS NULL OR bind_id IS NULL)""",
        object_type="device",
    ),
)
"""The default data-quality summary."""


def mapped() -> TextClause:
    """Of each collection: objects, those with a place on the map, and days since the last change.

    The first is the base of 上图率, the last tells data that nobody keeps up.
    """
    sources = {
        "areas": ("city.admin_area", "geom IS NOT NULL"),
        "grids": ("city.grid", "geom IS NOT NULL"),
        "estates": ("city.estate", "geom IS NOT NULL"),
        "buildings": ("city.building", "true"),
        "storeys": ("city.storey", "plan_id IS NOT NULL"),
        "units": ("city.unit", "geom_status <> 'none'"),
        "addresses": ("city.std_address", "geom IS NOT NULL"),
        "facilities": ("city.facility", "geom IS NOT NULL"),
        "devices": ("city.device", "geom IS NOT NULL"),
    }
    return text(
        " UNION ALL ".join(
            f"""SELECT '{name}' AS name, count(*) AS objects,
                       count(*) FILTER (WHERE {placed}) AS placed,
                       extract(day FROM now() - max(updated_at))::int AS days
                  FROM {table} WHERE ended_at IS NULL"""
            for name, (table, placed) in sources.items()
        )
    )
