"""Statements of the addresses' way in: what a staged address `s` is the address of."""

from typing import Final

from cim.addresses import LADDER

NEAR: Final = 0.0003
"""Degrees (about 30 m): a building this near to an address's point may be meant."""

_SPELT: Final = (
    r"regexp_replace({name}, '^第?([0-9A-Z]+)(号楼|号厂房|栋楼|栋|幢|座|棟|号|楼|#楼?)?$', '\1栋')"
)
"""A building's name as the ladder spells it."""

_PLACE: Final = tuple(name for name, level in LADDER.items() if level <= 12)


def towns_without_word(rows: str) -> str:
    """南城翠堤春晓: a town without its word before an estate that is known becomes a town.

    Only where the rest is the name of an estate and the whole is not.
    """
    return f"""
        WITH short AS (
            SELECT name, regexp_replace(name, '(街道|镇|乡)$', '') AS short
            FROM city.admin_area WHERE level = 4 AND ended_at IS NULL),
        split AS (
            SELECT DISTINCT ON (r.estate_name) r.estate_name, a.name AS town, a.short,
                substr(r.estate_name, length(a.short) + 1) AS estate
            FROM (SELECT DISTINCT estate_name FROM {rows}
                  WHERE town IS NULL AND village IS NULL AND estate_name IS NOT NULL) r
            JOIN short a ON length(a.short) > 1 AND starts_with(r.estate_name, a.short)
            JOIN city.estate e ON e.name = substr(r.estate_name, length(a.short) + 1)
            WHERE NOT EXISTS (SELECT FROM city.estate x WHERE x.name = r.estate_name)
            ORDER BY 1, length(a.short) DESC)
        UPDATE {rows} s SET town = f.town, estate_name = f.estate,
            norm_text = replace(s.norm_text, f.estate_name, f.town || f.estate),
            place_text = replace(s.place_text, f.estate_name, f.town || f.estate)
        FROM split f WHERE f.estate_name = s.estate_name AND s.town IS NULL AND s.village IS NULL"""


def buildings_of_addresses(rows: str) -> str:
    """Buildings that an address with the same text down to the building is linked to."""
    return f"""
        UPDATE {rows} s SET building_id = f.id, method = 'ladder', score = 100 FROM (
            SELECT r.place_text, min(l.object_id) AS id
            FROM (SELECT DISTINCT place_text FROM {rows} WHERE building_id IS NULL) r
            JOIN city.std_address a ON a.norm_text = r.place_text AND a.ended_at IS NULL
            JOIN city.address_link l ON l.address_id = a.id AND l.object_type = 'building'
            GROUP BY 1 HAVING count(DISTINCT l.object_id) = 1) f
        WHERE f.place_text = s.place_text AND s.building_id IS NULL"""


def buildings_of_estates(rows: str) -> str:
    """Buildings by the estate's name and their own, where only one fits.

    A town or community that both know must be the same.
    """
    short = "replace(upper(b.name), upper(e.name), '')"
    return f"""
        WITH named AS MATERIALIZED (
            SELECT b.id, e.id AS estate_id, e.name, e.aliases,
                {_SPELT.format(name=short)} AS building_name,
                (SELECT string_agg(x.name, ',') FROM city.admin_area x
                 WHERE x.id IN (b.admin_area_id, e.admin_area_id, v.parent_id)) AS areas
            FROM city.estate e JOIN city.building b ON b.estate_id = e.id
            LEFT JOIN city.admin_area v ON v.id = coalesce(b.admin_area_id, e.admin_area_id)
            WHERE e.ended_at IS NULL AND b.ended_at IS NULL AND b.name IS NOT NULL
              AND (e.name IN (SELECT estate_name FROM {rows})
                   OR e.aliases && (SELECT array_agg(DISTINCT estate_name) FROM {rows})))
        UPDATE {rows} s SET building_id = f.id, method = 'ladder', score = 90 FROM (
            SELECT r.place_text, min(n.id) AS id
            FROM (SELECT DISTINCT place_text, estate_name, building_name, town, village
                  FROM {rows} WHERE building_id IS NULL AND building_name IS NOT NULL) r
            JOIN named n ON (n.name = r.estate_name OR r.estate_name = ANY (n.aliases))
                AND n.building_name = r.building_name
            WHERE n.areas IS NULL OR coalesce(r.village, r.town) IS NULL
               OR strpos(n.areas, r.village) > 0 OR strpos(n.areas, r.town) > 0
            GROUP BY 1 HAVING count(DISTINCT n.id) = 1) f
        WHERE f.place_text = s.place_text AND s.building_id IS NULL"""


def buildings_by_place(rows: str) -> str:
    """The building under an address's point, else the nearest one within about 30 m."""
    return f"""
        UPDATE {rows} s SET building_id = f.id, method = 'place', score = f.score FROM (
            SELECT r.row_no, b.id,
                CASE WHEN b.d = 0 THEN 90 ELSE (70 * (1 - b.d / {NEAR}))::int END AS score
            FROM {rows} r CROSS JOIN LATERAL (
                SELECT b.id, ST_Distance(b.footprint, r.geom) AS d FROM city.building b
                WHERE b.ended_at IS NULL AND b.footprint && ST_Expand(r.geom, {NEAR})
                ORDER BY 2, 1 LIMIT 1) b
            WHERE r.building_id IS NULL AND r.geom IS NOT NULL AND r.level >= 9
              AND b.d < {NEAR}) f
        WHERE f.row_no = s.row_no"""


def estates(rows: str) -> str:
    """Estates by name, for addresses that end there, where only one fits."""
    return f"""
        UPDATE {rows} s SET estate_id = f.id, method = 'ladder', score = 90 FROM (
            SELECT r.estate_name, min(e.id) AS id
            FROM (SELECT DISTINCT estate_name FROM {rows} WHERE level = 10) r
            JOIN city.estate e ON e.name = r.estate_name AND e.ended_at IS NULL
            GROUP BY 1 HAVING count(*) = 1) f
        WHERE f.estate_name = s.estate_name AND s.level = 10 AND s.building_id IS NULL"""


def areas(rows: str) -> str:
    """The lowest area of each address: its building's, else where its point lies."""
    return f"""
        UPDATE {rows} s SET admin_area_id = coalesce(
            (SELECT b.admin_area_id FROM city.building b WHERE b.id = s.building_id),
            (SELECT a.id FROM city.admin_area a
             WHERE a.ended_at IS NULL AND ST_Intersects(a.geom, s.geom)
             ORDER BY a.level DESC, a.id LIMIT 1))"""


AREAS_OF_BUILDINGS: Final = """
    UPDATE stage_rows s SET admin_area_id = b.admin_area_id
    FROM city.building b WHERE b.id = s.building_id"""


def adopt(rows: str) -> str:
    """Buildings' addresses that were made for their rooms become those that now come in."""
    return f"""
        UPDATE city.std_address t SET ext_id = f.ext_id FROM (
            SELECT DISTINCT ON (s.norm_text) s.norm_text, s.ext_id FROM {rows} s
            WHERE s.level <= 12 ORDER BY s.norm_text, s.row_no) f
        WHERE t.source_id = :source_id AND t.ext_id IS NULL AND t.norm_text = f.norm_text
          AND t.level <= 12
          AND NOT EXISTS (SELECT FROM city.std_address o
                          WHERE o.source_id = :source_id AND o.ext_id = f.ext_id)"""


def parents(rows: str) -> str:
    """Addresses of buildings that rooms need and nobody loaded."""
    listed = ", ".join(_PLACE)
    first = ", ".join(f"s.{name}" for name in _PLACE)
    return f"""
        INSERT INTO city.std_address
            (source_id, level, full_text, norm_text, admin_area_id, {listed})
        SELECT DISTINCT ON (s.place_text) :source_id,
            {_deepest("s")}, s.place_text, s.place_text, s.admin_area_id, {first}
        FROM {rows} s
        WHERE s.level >= 13 AND s.place_text <> ''
          AND NOT EXISTS (SELECT FROM city.std_address a WHERE a.norm_text = s.place_text
                          AND a.level <= 12 AND a.ended_at IS NULL)
        ORDER BY s.place_text, s.row_no"""


def _deepest(alias: str) -> str:
    """The deepest level down to the building that a row fills."""
    whens = " ".join(
        f"WHEN {alias}.{name} IS NOT NULL THEN {max(level, 1)}"
        for name, level in reversed(LADDER.items())
        if level <= 12
    )
    return f"CASE {whens} ELSE 1 END"


def hang(rows: str) -> str:
    """Hang each entrance, storey and room on the address of its building."""
    return f"""
        UPDATE city.std_address t SET parent_id = f.id
        FROM {rows} s JOIN (
            SELECT a.norm_text, min(a.id) AS id FROM city.std_address a
            WHERE a.level <= 12 AND a.ended_at IS NULL
              AND a.norm_text IN (SELECT place_text FROM {rows} WHERE level >= 13)
            GROUP BY 1) f ON f.norm_text = s.place_text
        WHERE s.level >= 13 AND t.source_id = :source_id AND t.ext_id = s.ext_id
          AND t.parent_id IS DISTINCT FROM f.id"""


END_EMPTY: Final = """
    UPDATE city.std_address t SET ended_at = now(), updated_at = now()
    WHERE t.source_id = :source_id AND t.ext_id IS NULL AND t.ended_at IS NULL AND NOT EXISTS (
        SELECT FROM city.std_address c WHERE c.parent_id = t.id AND c.ended_at IS NULL)"""
"""Addresses made for rooms that are no longer there."""

MEANT: Final = """
    CREATE TEMPORARY TABLE stage_meant ON COMMIT DROP AS
    SELECT t.id AS address_id, o.object_type, o.object_id, t.status,
        coalesce(s.method, 'code') AS method, coalesce(s.score, 100) AS score
    FROM stage_rows s
    JOIN city.std_address t ON t.source_id = :source_id AND t.ext_id = s.ext_id
    CROSS JOIN LATERAL (
        SELECT 'unit' AS object_type, s.unit_id AS object_id
            WHERE s.level = 15 AND s.unit_id IS NOT NULL
        UNION ALL SELECT 'entrance', s.entrance_id WHERE s.level = 13 AND s.entrance_id IS NOT NULL
        UNION ALL SELECT 'building', s.building_id WHERE s.level <= 12 AND s.building_id IS NOT NULL
        UNION ALL SELECT 'estate', s.estate_id
            WHERE s.level = 10 AND s.building_id IS NULL AND s.estate_id IS NOT NULL) o
    UNION
    SELECT p.id, 'building', s.building_id, p.status, coalesce(min(s.method), 'code'),
        coalesce(max(s.score), 100)
    FROM stage_rows s
    JOIN city.std_address t ON t.source_id = :source_id AND t.ext_id = s.ext_id
    JOIN city.std_address p ON p.id = t.parent_id AND p.ext_id IS NULL
    WHERE s.building_id IS NOT NULL GROUP BY 1, 2, 3, 4"""
"""What each address of the file is the address of, and each one made for its rooms."""

UNLINK: Final = """
    DELETE FROM city.address_link l USING stage_meant m
    WHERE l.address_id = m.address_id AND NOT EXISTS (
        SELECT FROM stage_meant n WHERE n.address_id = l.address_id
        AND n.object_type = l.object_type AND n.object_id = l.object_id)"""

LINK: Final = """
    INSERT INTO city.address_link (address_id, object_type, object_id, role, method, score)
    SELECT m.address_id, m.object_type, m.object_id,
        CASE WHEN m.status = '曾用' THEN '历史' WHEN m.status = '别名' THEN '别名'
             WHEN m.nth = 1 AND NOT EXISTS (
                SELECT FROM city.address_link o
                WHERE o.object_type = m.object_type AND o.object_id = m.object_id
                  AND o.role = '主' AND o.address_id <> m.address_id) THEN '主'
             ELSE '别名' END, m.method, m.score
    FROM (SELECT *, row_number() OVER (PARTITION BY object_type, object_id
              ORDER BY (status = '标准') DESC, score DESC, address_id) AS nth FROM stage_meant) m
    ON CONFLICT (address_id, object_type, object_id)
    DO UPDATE SET method = excluded.method, score = excluded.score"""
