"""What the data of a city leave to be wished for: findings, each with its place on the map."""

from sqlalchemy import TextClause, text

from cim.store.queries.quality import GRID, Check

FAR = 0.0005
"""Degrees, about 50 m: an address farther than that from its building is told."""

OFF = 10
"""Metres between a given ground and the terrain from which one of the two is doubted."""

SAME_PLACE = 0.5
"""Part of the smaller of two outlines that they share from which they may be one building."""

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
        "duplicate_buildings",
        "buildings that stand where another one does",
        "与其他建筑位置重叠的建筑",
        f"""SELECT DISTINCT b.id FROM city.building a JOIN city.building b
                ON b.id > a.id AND b.footprint && a.footprint
               AND (ST_Intersects(a.footprint, ST_PointOnSurface(b.footprint))
                    OR ST_Intersects(b.footprint, ST_PointOnSurface(a.footprint)))
             WHERE a.ended_at IS NULL AND b.ended_at IS NULL
               AND a.parent_building_id IS DISTINCT FROM b.id
               AND b.parent_building_id IS DISTINCT FROM a.id
               AND ST_Area(ST_Intersection(a.footprint, b.footprint, {GRID}))
                   > {SAME_PLACE} * least(ST_Area(a.footprint), ST_Area(b.footprint))
               AND NOT EXISTS (SELECT FROM platform.match m WHERE m.object_type = 'building'
                               AND m.decision = 'different'
                               AND (m.a_id, m.b_id) IN ((a.id, b.id), (b.id, a.id)))""",
    ),
    Check(
        "duplicate_addresses",
        "addresses that stand more than once",
        "重复的地址",
        """SELECT min(id) FROM city.std_address WHERE ended_at IS NULL
            GROUP BY norm_text HAVING count(*) > 1""",
        object_type="address",
    ),
    Check(
        "address_elsewhere",
        "addresses that lie more than 50 m from the building they are linked to",
        "距所关联建筑超过 50 米的地址",
        f"""SELECT DISTINCT a.id FROM city.std_address a
             JOIN city.address_link l ON l.address_id = a.id
             LEFT JOIN city.unit u ON l.object_type = 'unit' AND u.id = l.object_id
             LEFT JOIN city.entrance e ON l.object_type = 'entrance' AND e.id = l.object_id
             JOIN city.building b ON b.id = CASE l.object_type WHEN 'building' THEN l.object_id
                 ELSE coalesce(u.building_id, e.building_id) END
            WHERE a.geom IS NOT NULL AND a.ended_at IS NULL AND b.ended_at IS NULL
              AND NOT ST_DWithin(a.geom, b.footprint, {FAR})""",
        object_type="address",
    ),
    Check(
        "unlinked_addresses",
        "addresses with a house number or more that belong to nothing known",
        "有门牌但未关联到任何对象的地址",
        """SELECT a.id FROM city.std_address a WHERE a.ended_at IS NULL AND a.level >= 9
              AND NOT EXISTS (SELECT FROM city.address_link l WHERE l.address_id = a.id)""",
        object_type="address",
    ),
    Check(
        "no_address",
        "buildings without an address",
        "没有地址的建筑",
        """SELECT b.id FROM city.building b WHERE b.ended_at IS NULL
              AND NOT EXISTS (SELECT FROM city.address_link l
                              WHERE l.object_type = 'building' AND l.object_id = b.id)""",
    ),
    Check(
        "height_assumed",
        "buildings whose height and storeys nobody gave",
        "高度和层数均为默认值的建筑",
        """SELECT id FROM city.building WHERE ended_at IS NULL
              AND height_method = 'default' AND floors_method = 'default'""",
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
        "no_ground",
        "buildings within the terrain that it tells no ground of: run `cim load terrain` again, or "
        "it has a hole there",
        "位于地形范围内但没有地面高程的建筑：请重新运行 cim load terrain，或该处地形缺失",
        """SELECT b.id FROM city.building b WHERE b.ended_at IS NULL AND b.ground_low IS NULL
              AND EXISTS (SELECT FROM city.terrain t WHERE t.ended_at IS NULL
                          AND ST_Intersects(t.extent, b.footprint))""",
    ),
    Check(
        "off_ground",
        f"buildings whose given ground is more than {OFF} m above or below the terrain",
        f"所登记的地面高程与地形相差超过 {OFF} 米的建筑",
        f"""SELECT id FROM city.building WHERE ended_at IS NULL AND ground_method = 'given'
              AND ground_elev NOT BETWEEN ground_low - {OFF} AND ground_high + {OFF}""",
    ),
    Check(
        "sunk",
        "buildings on a slope whose roof would lie below the ground on its upper side",
        "位于坡地、屋顶低于上坡侧地面的建筑",
        """SELECT id FROM city.building
            WHERE ended_at IS NULL AND ground_elev + height < ground_high""",
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

_PLACED = {
    "building": ("city.building o", "o.id", "o.name", "o.footprint"),
    "floor_plan": (
        "city.floor_plan o JOIN city.building h ON h.id = o.building_id",
        "h.id",
        "h.name",
        "h.footprint",
    ),
    "storey": (
        "city.storey o JOIN city.building h ON h.id = o.building_id",
        "h.id",
        "concat_ws(' ', h.name, o.label)",
        "h.footprint",
    ),
    "unit": (
        "city.unit o JOIN city.building h ON h.id = o.building_id",
        "h.id",
        "concat_ws(' ', h.name, o.room_no)",
        "coalesce(o.outline, h.footprint)",
    ),
    "address": (
        """city.std_address o LEFT JOIN LATERAL (
            SELECT l.object_id FROM city.address_link l
            WHERE l.address_id = o.id AND l.object_type = 'building' LIMIT 1) l ON true
        LEFT JOIN city.building h ON h.id = l.object_id""",
        "h.id",
        "o.full_text",
        "coalesce(o.geom, h.footprint)",
    ),
    "device": ("city.device o", "NULL::bigint", "o.name", "o.geom"),
}
"""Type of object → from what, its building, what it is called, where it is."""


def look(check: Check) -> TextClause:
    """What a check finds, once, into a table that the next three statements ask."""
    return text(
        f"""CREATE TEMPORARY TABLE found ON COMMIT DROP AS
            SELECT DISTINCT f.id FROM ({check.faults}) AS f(id)"""
    )


COUNT = text(
    """SELECT count(*), coalesce(array(SELECT id FROM found ORDER BY id
                                       LIMIT CAST(:examples AS integer)), '{}') FROM found"""
)
"""How many, and the first few ids."""

DONE = text("DROP TABLE found")


def keep(check: Check) -> TextClause:
    """Keep the first of what was found, with its place. Parameter: `most`."""
    table, building, label, place = _PLACED[check.object_type]
    return text(
        f"""
        INSERT INTO platform.finding
               (name, no, object_type, object_id, building_id, label, lon, lat)
        SELECT '{check.name}', row_number() OVER (ORDER BY o.id), '{check.object_type}', o.id,
               {building}, {label}, ST_X(p.at), ST_Y(p.at)
          FROM (SELECT id FROM found ORDER BY id LIMIT CAST(:most AS integer)) AS first
          JOIN {table} ON o.id = first.id
          LEFT JOIN LATERAL (SELECT ST_PointOnSurface({place}) AS at) p ON true"""
    )


FORGET = text("DELETE FROM platform.finding")

KEEP_RUN = text(
    """WITH gone AS (DELETE FROM platform.check_run)
       INSERT INTO platform.check_run (result) VALUES (CAST(:result AS jsonb))"""
)

LAST_RUN = text("SELECT result, at FROM platform.check_run")


def found(name: str, limit: int, offset: int) -> TextClause:
    """What the last run found in one check, in order."""
    return text(
        """SELECT no, object_type, object_id, building_id, label, lon, lat
             FROM platform.finding WHERE name = :name AND no > :offset
            ORDER BY no LIMIT :limit"""
    ).bindparams(name=name, limit=limit, offset=offset)


_LINKED = "EXISTS (SELECT FROM city.address_link l WHERE l.address_id = t.id)"
_LOCATED = "EXISTS (SELECT FROM city.org_location l WHERE l.org_id = t.id AND l.to_date IS NULL)"

_COLLECTIONS = {
    "areas": ("city.admin_area", "geom IS NOT NULL"),
    "grids": ("city.grid", "geom IS NOT NULL"),
    "estates": ("city.estate", "geom IS NOT NULL"),
    "buildings": ("city.building", "true"),
    "storeys": ("city.storey", "plan_id IS NOT NULL"),
    "units": ("city.unit", "geom_status <> 'none'"),
    "addresses": ("city.std_address", f"geom IS NOT NULL OR {_LINKED}"),
    "organisations": ("city.organisation", _LOCATED),
    "facilities": ("city.facility", "geom IS NOT NULL"),
    "projects": ("city.project", "geom IS NOT NULL"),
    "devices": ("city.device", "geom IS NOT NULL"),
}
"""Collection → its table, and which of its rows are on the map."""


def mapped(months: int) -> TextClause:
    """Of each collection: objects, those on the map, days since the last change, and stale ones.

    The second is the base of 上图率. Stale is what nobody has touched for that many months; of
    residents, whom nobody has verified.
    """
    stale = "make_interval(months => CAST(:months AS integer))"
    counted = [
        f"""SELECT '{name}' AS name, count(*) AS objects,
                   count(*) FILTER (WHERE {placed}) AS placed,
                   extract(day FROM now() - max(updated_at))::int AS days,
                   count(*) FILTER (WHERE updated_at < now() - {stale}) AS stale
              FROM {table} t WHERE ended_at IS NULL"""
        for name, (table, placed) in _COLLECTIONS.items()
    ]
    counted.append(
        f"""SELECT 'residents', count(*), count(*) FILTER (WHERE unit_id IS NOT NULL),
                   extract(day FROM now() - max(verified_at))::int,
                   count(*) FILTER (WHERE verified_at < now() - {stale})
              FROM pii.residency WHERE to_date IS NULL"""
    )
    return text(" UNION ALL ".join(counted)).bindparams(months=months)
