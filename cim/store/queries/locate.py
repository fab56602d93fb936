"""Which building, storey and unit a point lies in."""

from sqlalchemy import BigInteger, Float, TextClause, bindparam, text

from cim.store.queries.parts import UNIT_OUTLINE, UNIT_PLACE, area_of, areas, grid

REACH = 0.000003
"""Degrees (about 0.3 m): a point picked on a wall may lie a hair outside the outline."""

SLACK = 0.3
"""Metres: a point picked on a roof or a floor lies on the boundary of two storeys."""

BUILDING = f"""
SELECT b.id, b.name, b.ground_elev, {grid("b.grid_id")}::text AS grid,
    {areas(area_of())}::text AS areas
FROM city.building b,
    LATERAL (SELECT ST_Distance(b.footprint, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)) AS off) d
WHERE b.footprint && ST_Expand(ST_SetSRID(ST_MakePoint(:lon, :lat), 4490), {REACH})
    AND d.off <= {REACH} AND b.ended_at IS NULL
    AND b.state NOT IN ('demolished', 'planned')
ORDER BY d.off, CASE WHEN CAST(:h AS float8) IS NULL THEN 0
        ELSE greatest(0, CAST(:h AS float8) - b.ground_elev - b.height - {SLACK}) END,
    (b.kind = '逻辑幢') DESC, b.footprint_area, b.id
LIMIT 1
"""

GROUND = f"""
SELECT (SELECT json_build_object('id', g.id, 'code', g.code, 'name', g.name) FROM city.grid g
        WHERE g.ended_at IS NULL AND ST_Intersects(g.geom, p.here)
        ORDER BY (g.kind = '综合网格') DESC, g.level DESC NULLS LAST, g.id LIMIT 1)::text AS grid,
    {
    areas('''(SELECT a.id FROM city.admin_area a
        WHERE a.ended_at IS NULL AND ST_Intersects(a.geom, p.here)
        ORDER BY a.level DESC, a.id LIMIT 1)''')
}::text AS areas
FROM (SELECT ST_SetSRID(ST_MakePoint(:lon, :lat), 4490) AS here) p
"""

STOREY = f"""
SELECT id, no, label FROM city.storey
WHERE building_id = :building AND ended_at IS NULL
    AND :h BETWEEN elev_bottom - {SLACK} AND elev_top + {SLACK}
ORDER BY (:h >= elev_bottom AND :h < elev_top) DESC,
    greatest(elev_bottom - :h, :h - elev_top), no
LIMIT 1
"""

UNIT = f"""
SELECT u.id, u.room_no
FROM {UNIT_PLACE},
    LATERAL (SELECT ST_Distance({UNIT_OUTLINE},
        ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)) AS off) d
WHERE u.building_id = :building AND u.ended_at IS NULL AND u.geom_status <> 'none'
    AND (u.storey_id = :storey OR EXISTS (SELECT FROM city.unit_storey x
        WHERE x.unit_id = u.id AND x.storey_id = :storey))
    AND d.off <= {REACH}
ORDER BY d.off, (u.outline IS NULL), coalesce(fs.area, 0), u.id
LIMIT 1
"""


def _point(lon: float, lat: float) -> tuple[object, object]:
    return bindparam("lon", lon, Float), bindparam("lat", lat, Float)


def building_at(lon: float, lat: float, height: float | None) -> TextClause:
    """The building at a point: id, name, ground_elev, and grid and areas as JSON texts.

    `height` is metres in the 1985 datum; where buildings overlap, it prefers one that reaches it.
    """
    place = text(BUILDING).bindparams(bindparam("h", height, Float))
    return place.bindparams(*_point(lon, lat))  # type: ignore[arg-type]  # bindparams of any type


def ground_at(lon: float, lat: float) -> TextClause:
    """The grid and the areas a point lies in, as JSON texts."""
    return text(GROUND).bindparams(*_point(lon, lat))  # type: ignore[arg-type]


def storey_at(building: int, height: float) -> TextClause:
    """The storey of a building at a height above its ground, metres: id, no, label."""
    return text(STOREY).bindparams(
        bindparam("building", building, BigInteger), bindparam("h", height, Float)
    )


def unit_at(building: int, storey: int, lon: float, lat: float) -> TextClause:
    """The unit of a storey at a point: id, room_no."""
    return (
        text(UNIT)
        .bindparams(
            bindparam("building", building, BigInteger), bindparam("storey", storey, BigInteger)
        )
        .bindparams(*_point(lon, lat))  # type: ignore[arg-type]
    )
