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


def meant_by(known: str) -> str:
    """What the addresses of a query are the address of; it has `stage_known` and `place_level`."""
    return f"""
        SELECT m.row_no, m.address_id, m.kept, m.status, m.method, m.score, m.whole,
            (ARRAY['building', 'entrance', 'unit', 'estate'])[m.kind] AS object_type,
            (ARRAY[m.building_id, m.entrance_id, m.unit_id, m.estate_id])[m.kind] AS object_id,
            (CASE m.kind WHEN 3 THEN 15 WHEN 2 THEN 13 WHEN 4 THEN 10
                ELSE m.place_level END)::smallint AS level
        FROM (
            SELECT k.*,
                k.level <= 12 OR (k.level = 13 AND k.entrance_id IS NOT NULL)
                    OR (k.level = 15 AND k.unit_id IS NOT NULL) AS whole,
                CASE WHEN k.level = 15 AND k.unit_id IS NOT NULL THEN 3
                     WHEN k.level >= 13 AND k.entrance_id IS NOT NULL THEN 2
                     WHEN k.building_id IS NOT NULL THEN 1
                     WHEN k.level = 10 AND k.estate_id IS NOT NULL THEN 4 END AS kind
            FROM {known} k) m
        WHERE m.kind IS NOT NULL"""


def meant(condition: str = "true") -> str:
    """What each address of the file is the address of, and each one made for its rooms after them.

    Of the rows of `stage_known` only those that meet a condition on `k`.
    """
    known = f"""(SELECT k.*, p.level AS place_level
        FROM stage_known k JOIN stage_places p USING (place_no) WHERE {condition})"""
    return f"""{meant_by(known)}
    UNION ALL
    SELECT min(a.place_no) + (1::bigint << 62), a.id, NOT a.made, '标准', min(k.method),
        max(k.score), true, 'building', k.building_id, min(p.level)
    FROM stage_above a JOIN stage_places p USING (place_text)
    JOIN stage_known k ON k.place_no = p.place_no AND k.level >= 13
    WHERE a.free AND k.building_id IS NOT NULL GROUP BY 2, 3, k.building_id"""


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

_COLUMNS = "address_id, object_type, object_id, role, method, score, level"

_ROLE = """CASE WHEN NOT m.whole THEN '所在'
             WHEN m.status = '曾用' THEN '历史' WHEN m.status = '别名' THEN '别名'
             WHEN m.nth = 1 AND o.object_id IS NULL THEN '主'
             ELSE '别名' END"""


def _ranked(others: str = "true") -> str:
    """What is meant (`m`), with its turn among the addresses of a thing, and its others (`o`)."""
    return f"""(SELECT *, row_number() OVER (PARTITION BY object_id, object_type, whole
              ORDER BY (status = '标准') DESC, score DESC, kept DESC,
                  CASE WHEN kept THEN address_id ELSE row_no END, address_id) AS nth
          FROM stage_meant) m
    LEFT JOIN (
        SELECT object_type, object_id, min(address_id) AS first, max(address_id) AS last
        FROM city.address_link l WHERE role = '主'
          AND (object_type, object_id) IN (SELECT object_type, object_id FROM stage_meant)
          AND {others}
        GROUP BY 1, 2) o ON o.object_type = m.object_type AND o.object_id = m.object_id
            AND (o.first <> m.address_id OR o.last <> m.address_id)"""


_LINKS = f"""
    INSERT INTO city.address_link AS l ({_COLUMNS})
    SELECT m.address_id, m.object_type, m.object_id, {_ROLE}, m.method, m.score, m.level
    FROM {_ranked()}"""


def link(meant: str) -> str:
    """Links of new addresses, each as if its thing had no other."""
    alone = _ROLE.replace("m.nth = 1 AND o.object_id IS NULL", "true")
    return f"""INSERT INTO city.address_link ({_COLUMNS})
        SELECT m.address_id, m.object_type, m.object_id, {alone}, m.method, m.score, m.level
        FROM ({meant}) m"""


OTHERS: Final = "SELECT DISTINCT object_type, object_id FROM city.address_link"
"""For `stage_others`: things that have addresses already."""


def _twice(kind: str, which: str) -> str:
    return f"""
    SELECT '{kind}' AS object_type, {kind}_id AS object_id FROM stage_known
    WHERE {which} AND {kind}_id IS NOT NULL GROUP BY 2 HAVING count(*) > 1"""


SEVERAL: Final = f"""
    SELECT * FROM stage_others UNION {_twice("unit", "level = 15")}
    UNION {_twice("entrance", "level = 13")}
    UNION {_twice("estate", "level = 10 AND building_id IS NULL")}
    UNION SELECT 'building', building_id FROM (
        SELECT building_id, false AS there FROM stage_known WHERE level <= 12
        UNION ALL
        SELECT k.building_id, NOT a.made FROM stage_above a JOIN stage_places p USING (place_text)
        JOIN stage_known k ON k.place_no = p.place_no AND k.level >= 13
        WHERE a.free GROUP BY a.id, 1, 2) b
    WHERE building_id IS NOT NULL GROUP BY building_id HAVING count(*) > 1 OR bool_or(there)"""
"""For `stage_several`: things that have several addresses, or one that was there for its rooms."""

MEANT_WITH_OTHERS: Final = f"""
    SELECT m.* FROM ({meant()}) m JOIN stage_several USING (object_type, object_id)
    WHERE m.whole"""
"""What is meant of them."""

TELL_APART: Final = f"""
    UPDATE city.address_link l SET role = n.role FROM (
        SELECT m.address_id, m.object_type, m.object_id, {_ROLE} AS role
        FROM {_ranked("NOT EXISTS (SELECT FROM stage_meant n WHERE n.address_id = l.address_id)")}
        WHERE NOT m.kept) n
    WHERE l.address_id = n.address_id AND l.object_type = n.object_type
      AND l.object_id = n.object_id AND l.role <> n.role"""
"""Roles of links that were made as if their things had no other address."""

LINK: Final = f"{_LINKS} WHERE NOT m.kept"
"""Links of addresses that are new."""

LINK_AGAIN: Final = f"""{_LINKS} WHERE m.kept
    ON CONFLICT (address_id, object_type, object_id) DO UPDATE
    SET method = excluded.method, score = excluded.score, level = excluded.level,
        role = CASE WHEN (l.role = '所在') <> (excluded.role = '所在')
                    THEN excluded.role ELSE l.role END"""
"""Links of addresses that were there."""
