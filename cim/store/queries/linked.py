"""Statements that link addresses to what they are the address of, and say how sure that is.

A link holds the method that found it, its score, and the level: the deepest rung of the ladder
that the object answers to.  A room whose unit is unknown is linked to the entrance or building it
lies in (role 所在), with the level that was matched.
"""

from collections.abc import Iterable
from typing import Final

NEAR: Final = 30.0
"""Metres: a building this near to an address's point may be meant."""

APART: Final = 1.0
"""Metres by which the second building must be farther for the nearest to be sure."""

WITHIN: Final = 90
"""Score of the building that a point lies in; one beside the point has 70 or less."""

_METRES: Final = """CROSS JOIN LATERAL (SELECT
        111320 * cos(radians(ST_Y(r.geom))) AS x, 111133 - 560 * cos(2 * radians(ST_Y(r.geom))) AS y
    OFFSET 0) k"""
"""Metres a degree, east and north, at a point (first terms of the series for the ellipsoid)."""


def points(rows: str, staged: Iterable[str]) -> str:
    """For `stage_points`: each place of unlinked rows with its building and area.

    The building that the point lies in, else the nearest within NEAR; of several equally near the
    one whose middle is nearest, with half the score (`unsure`).
    """
    coded = [f"AND s.{ref} IS NULL" for ref in ("building_ref", "unit_ref") if ref in staged]
    return f"""
        SELECT r.geom, n.building_id, n.unsure, a.id AS area_id,
            ((CASE WHEN n.d = 0 THEN {WITHIN} ELSE 70 * (1 - n.d / {NEAR}) END)
                * (CASE WHEN n.unsure THEN 0.5 ELSE 1 END))::smallint AS score
        FROM (SELECT DISTINCT s.geom FROM {rows} s JOIN stage_places p USING (place_no)
              WHERE s.geom IS NOT NULL AND p.building_id IS NULL {" ".join(coded)}) r
        {_METRES}
        LEFT JOIN LATERAL (
            SELECT f.ids[1] AS building_id, f.ds[1] AS d, CASE WHEN f.ds[1] = 0 THEN f.ds[2] = 0
                ELSE f.ds[2] - f.ds[1] < {APART} END IS TRUE AS unsure
            FROM (
                SELECT array_agg(c.id ORDER BY c.d, c.away, c.id) AS ids,
                    array_agg(c.d ORDER BY c.d, c.away, c.id) AS ds
                FROM (SELECT b.id,
                          ST_Distance(ST_Scale(b.footprint, k.x, k.y), ST_Scale(r.geom, k.x, k.y))
                              AS d,
                          ST_Distance(ST_Centroid(b.footprint), r.geom) AS away
                      FROM city.building b WHERE b.ended_at IS NULL
                        AND b.footprint && ST_Expand(r.geom, {NEAR} / k.x, {NEAR} / k.y)) c
                WHERE c.d < {NEAR}) f
            WHERE f.ids IS NOT NULL) n ON true
        LEFT JOIN LATERAL (
            SELECT a.id FROM city.admin_area a
            WHERE a.ended_at IS NULL AND ST_Intersects(a.geom, r.geom)
            ORDER BY a.level DESC, a.id LIMIT 1) a ON true"""


MEANT: Final = """
    SELECT m.address_id, m.kept, m.status, m.method, m.score, m.whole,
        (ARRAY['building', 'entrance', 'unit', 'estate'])[m.kind] AS object_type,
        (ARRAY[m.building_id, m.entrance_id, m.unit_id, m.estate_id])[m.kind] AS object_id,
        (CASE m.kind WHEN 3 THEN 15 WHEN 2 THEN 13 WHEN 4 THEN 10
            ELSE m.place_level END)::smallint AS level
    FROM (
        SELECT k.*, p.level AS place_level,
            k.level <= 12 OR (k.level = 13 AND k.entrance_id IS NOT NULL)
                OR (k.level = 15 AND k.unit_id IS NOT NULL) AS whole,
            CASE WHEN k.level = 15 AND k.unit_id IS NOT NULL THEN 3
                 WHEN k.level >= 13 AND k.entrance_id IS NOT NULL THEN 2
                 WHEN k.building_id IS NOT NULL THEN 1
                 WHEN k.level = 10 AND k.estate_id IS NOT NULL THEN 4 END AS kind
        FROM stage_known k JOIN stage_places p USING (place_no)) m
    WHERE m.kind IS NOT NULL
    UNION ALL
    SELECT a.id, NOT a.made, '标准', min(k.method), max(k.score), true, 'building',
        k.building_id, min(p.level)
    FROM stage_above a JOIN stage_places p USING (place_text)
    JOIN stage_known k ON k.place_no = p.place_no AND k.level >= 13
    WHERE a.free AND k.building_id IS NOT NULL GROUP BY 1, 2, k.building_id"""
"""What each address of the file is the address of, and each one made for its rooms."""

UNLINK: Final = """
    DELETE FROM city.address_link l USING (
        SELECT address_id FROM stage_known WHERE kept
        UNION SELECT id FROM stage_above WHERE free AND NOT made) a
    WHERE l.address_id = a.address_id AND l.method IN ('code', 'ladder', 'place')
      AND NOT EXISTS (SELECT FROM stage_meant n WHERE n.address_id = l.address_id
                      AND n.object_type = l.object_type AND n.object_id = l.object_id)"""
"""Links that the file no longer means; those made otherwise stay."""

STANDING: Final = """
    DELETE FROM stage_meant m USING city.address_link l
    WHERE l.address_id = m.address_id AND l.object_type = m.object_type
      AND l.object_id = m.object_id AND l.method = m.method AND l.score = m.score
      AND l.level = m.level AND (l.role <> '所在') = m.whole"""
"""What is meant and stands already: nothing is to be written."""

_LINKS = """
    INSERT INTO city.address_link AS l
        (address_id, object_type, object_id, role, method, score, level)
    SELECT m.address_id, m.object_type, m.object_id,
        CASE WHEN NOT m.whole THEN '所在'
             WHEN m.status = '曾用' THEN '历史' WHEN m.status = '别名' THEN '别名'
             WHEN m.nth = 1 AND o.object_id IS NULL THEN '主'
             ELSE '别名' END, m.method, m.score, m.level
    FROM (SELECT *, row_number() OVER (PARTITION BY object_id, object_type, whole
              ORDER BY (status = '标准') DESC, score DESC, address_id) AS nth FROM stage_meant) m
    LEFT JOIN (
        SELECT object_type, object_id, min(address_id) AS first, max(address_id) AS last
        FROM city.address_link WHERE role = '主'
          AND (object_type, object_id) IN (SELECT object_type, object_id FROM stage_meant)
        GROUP BY 1, 2) o ON o.object_type = m.object_type AND o.object_id = m.object_id
            AND (o.first <> m.address_id OR o.last <> m.address_id)"""

LINK: Final = f"{_LINKS} WHERE NOT m.kept"
"""Links of addresses that are new."""

LINK_AGAIN: Final = f"""{_LINKS} WHERE m.kept
    ON CONFLICT (address_id, object_type, object_id) DO UPDATE
    SET method = excluded.method, score = excluded.score, level = excluded.level,
        role = CASE WHEN (l.role = '所在') <> (excluded.role = '所在')
                    THEN excluded.role ELSE l.role END"""
"""Links of addresses that were there."""
