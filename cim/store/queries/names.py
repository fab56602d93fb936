"""Statements about the names that addresses are made of: kept, read, and found as people type."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import TextClause, text

LEVELS: Final = {
    "county": 2, "town": 3, "village": 4, "natural_village": 6, "zone": 7, "road": 8,
    "estate_name": 10, "building_name": 11,
}  # fmt: skip
"""Level of the ladder whose names are kept → its number in `city.place_name`."""

SHORTEST, LONGEST = 2, 40
"""Characters of a name that is kept."""

_WORDS: Final = "[^0-9A-Z-].*[^0-9A-Z-]"
"""A name has two characters that are no figures: 12栋 and 3巷 are none."""

_SOURCES: Final = {
    "addresses": "city.std_address",
    "areas": """(SELECT CASE a.level WHEN 3 THEN a.name END AS county,
            CASE a.level WHEN 4 THEN a.name WHEN 5 THEN CASE WHEN NOT p.is_pseudo THEN p.name END
                END AS town,
            CASE a.level WHEN 5 THEN
                regexp_replace(a.name, '(居民|村民)?委(员)?会$', '') END AS village,
            NULL AS natural_village, NULL AS zone, NULL AS road, NULL AS estate_name,
            NULL AS building_name
        FROM city.admin_area a LEFT JOIN city.admin_area p ON p.id = a.parent_id
        WHERE a.level BETWEEN 3 AND 5 AND NOT a.is_pseudo AND a.ended_at IS NULL)""",
    "estates": """(SELECT NULL AS county, coalesce(t.name, '') AS town, NULL AS village,
            NULL AS natural_village, NULL AS zone, NULL AS road, w.name AS estate_name,
            NULL AS building_name
        FROM city.estate e LEFT JOIN city.admin_area v ON v.id = e.admin_area_id
        LEFT JOIN city.admin_area t
            ON t.id = CASE v.level WHEN 4 THEN v.id WHEN 5 THEN v.parent_id END AND t.level = 4
        CROSS JOIN LATERAL (SELECT e.name UNION SELECT unnest(e.aliases)) w(name)
        WHERE e.ended_at IS NULL)""",
    "streets": """(SELECT NULL AS county, coalesce(t.name, '') AS town, NULL AS village,
            NULL AS natural_village, NULL AS zone, s.name AS road, NULL AS estate_name,
            NULL AS building_name
        FROM city.street s LEFT JOIN city.admin_area v ON v.id = s.admin_area_id
        LEFT JOIN city.admin_area t
            ON t.id = CASE v.level WHEN 4 THEN v.id WHEN 5 THEN v.parent_id END AND t.level = 4
        WHERE s.ended_at IS NULL)""",
}  # fmt: skip
"""Where names come from, by the kind of file that brings them: relations with these levels."""


def keep(source: str) -> str:
    """Keep the names of a relation that has the levels of `LEVELS` as columns."""
    columns = ", ".join(name for name in LEVELS if name != "building_name")
    values = ", ".join(f"({level}, p.{name})" for name, level in LEVELS.items())
    return f"""
        INSERT INTO city.place_name (level, name, town)
        SELECT DISTINCT n.level, n.name, CASE WHEN n.level > 3 THEN coalesce(p.town, '') ELSE '' END
        FROM (SELECT DISTINCT {columns},
                CASE WHEN building_name ~ '{_WORDS}' THEN building_name END AS building_name
              FROM {source} s) p
        CROSS JOIN LATERAL (VALUES {values}) n(level, name)
        WHERE length(n.name) BETWEEN {SHORTEST} AND {LONGEST} AND n.name ~ '{_WORDS}'
        ORDER BY 2, 1, 3
        ON CONFLICT DO NOTHING"""


def keep_of(kind: str) -> TextClause | None:
    """Keep the names of what files of a kind bring; None for a kind that brings none."""
    source = _SOURCES.get(kind)
    return None if source is None else text(keep(source))


KINDS: Final = tuple(_SOURCES)
"""The kinds of files that bring names."""

FORGET: Final = text("DELETE FROM city.place_name")

UNREAD: Final = text("SELECT id, name FROM city.place_name WHERE said IS NULL ORDER BY id")
"""Names of which is not known how they are said."""

READ: Final = text("""
    UPDATE city.place_name p SET said = r.said, initials = r.initials
    FROM unnest(CAST(:ids AS bigint[]), CAST(:said AS text[]), CAST(:initials AS text[]))
        AS r(id, said, initials)
    WHERE p.id = r.id""")

READ_TOO: Final = text("""
    INSERT INTO city.place_name (level, name, town, said, initials, main)
    SELECT p.level, p.name, p.town, r.said, r.initials, false
    FROM unnest(CAST(:ids AS bigint[]), CAST(:said AS text[]), CAST(:initials AS text[]))
        AS r(id, said, initials)
    JOIN city.place_name p ON p.id = r.id
    ON CONFLICT DO NOTHING""")
"""Further readings."""


_SIMILAR: Final = text(f"""
    SELECT q.level, q.said, n.name, n.how
    FROM (
        SELECT * FROM unnest(CAST(:levels AS smallint[]), CAST(:names AS text[]),
            CAST(:spoken AS text[])) AS q(level, said, spoken)
        WHERE NOT EXISTS (SELECT FROM city.place_name k
                          WHERE k.name = q.said AND k.level = q.level AND k.main)
        OFFSET 0) q
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (x.name) x.name, x.how FROM (
            SELECT p.name, 90 AS how FROM city.place_name p
            WHERE p.said = q.spoken AND p.level = q.level
            UNION ALL
            SELECT p.name, 70 FROM city.place_name p
            WHERE p.main AND length(p.name) >= 4 AND p.level = q.level
              AND length(q.said) BETWEEN 4 AND {LONGEST}
              AND city.lacking_one(p.name) && city.lacking_one(q.said)) x
        ORDER BY x.name, x.how DESC LIMIT 8) n
    ORDER BY 1, 2, 4 DESC, 3""")


def similar(levels: Sequence[int], names: Sequence[str], spoken: Sequence[str]) -> TextClause:
    """Known names for those that the city does not know, which may be a slip of the pen.

    Columns: level, said (as asked), name (as known), how (90 for one that sounds the same, 70 for
    one that differs by a character).  Names that are known come with nothing.
    """
    return _SIMILAR.bindparams(levels=list(levels), names=list(names), spoken=list(spoken))


_TYPED: Final = """
    SELECT p.level, p.name, p.town, min(w.rank) AS rank, bool_or(p.initials = w.initials) AS whole
    FROM unnest(CAST(:initials AS text[]), CAST(:ends AS text[]), CAST(:patterns AS text[]),
                CAST(:ranks AS int[])) AS w(initials, ends, pattern, rank)
    JOIN city.place_name p
      ON p.initials ~>=~ w.initials AND p.initials ~<~ w.ends AND p.said ~ w.pattern
    WHERE p.level = ANY(CAST(:levels AS smallint[]))
    GROUP BY 1, 2, 3
    ORDER BY 4, 5 DESC, length(p.name), p.level, p.name, p.town LIMIT :limit"""


def typed(
    ways: Sequence[tuple[str, str]], limit: int, levels: Sequence[int] = tuple(LEVELS.values())
) -> TextClause:
    """Names that letters may stand for: `ways` are initials and a pattern of the reading.

    Columns: level, name, town, rank (which way), whole (whether the letters are all of it).
    """
    return text(_TYPED).bindparams(**_ways(ways), levels=list(levels), limit=limit)


def _ways(ways: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "initials": [initials for initials, _ in ways],
        "ends": [_end(initials) for initials, _ in ways],
        "patterns": [pattern for _, pattern in ways],
        "ranks": list(range(len(ways))),
    }


def _end(initials: str) -> str:
    """The first text behind all that begin with these letters."""
    return initials[:-1] + chr(ord(initials[-1]) + 1)


_AREAS: Final = """
    SELECT p.level, p.name, p.town, min(w.rank) AS rank, bool_or(p.initials = w.initials) AS whole
    FROM unnest(CAST(:initials AS text[]), CAST(:ends AS text[]), CAST(:patterns AS text[]),
                CAST(:ranks AS int[])) AS w(initials, ends, pattern, rank)
    JOIN city.place_name p
      ON p.initials ~>=~ w.initials AND p.initials ~<~ w.ends AND p.said ~ w.pattern
    WHERE p.level <= 4
      AND length(p.initials) - length(w.initials)
        <= CASE WHEN p.name ~ '(街道|社区)$' THEN 2 ELSE 1 END
    GROUP BY 1, 2, 3 ORDER BY 4, 5 DESC, p.level, p.name, p.town LIMIT :limit"""


def areas_typed(ways: Sequence[tuple[str, str]], limit: int) -> TextClause:
    """Areas whose name, or the name without its word, the letters stand for; columns as above."""
    return text(_AREAS).bindparams(**_ways(ways), limit=limit)


_BEGINNING: Final = """
    SELECT p.level, p.name, p.town, 0 AS rank, p.name = :words AS whole
    FROM city.place_name p
    WHERE p.initials ~>=~ :initials AND p.initials ~<~ :ends AND starts_with(p.name, :words)
    ORDER BY p.level, length(p.name), p.name, p.town LIMIT :limit"""


def beginning(words: str, initials: str, limit: int) -> TextClause:
    """Names that begin with a character that is said so; columns as above."""
    return text(_BEGINNING).bindparams(
        words=words, initials=initials, ends=_end(initials), limit=limit
    )


_WITHIN: Final = """
    SELECT p.level, p.name, p.town, 1 AS rank, false AS whole FROM city.place_name p
    WHERE p.main AND p.town = :town AND p.level > 3
    ORDER BY p.level, length(p.name), p.name LIMIT :limit"""


def within(town: str, limit: int) -> TextClause:
    """Names of places in a town, the widest first; columns as above."""
    return text(_WITHIN).bindparams(town=town, limit=limit)


_HOLDING: Final = """
    SELECT p.level, p.name, p.town, CASE WHEN starts_with(p.name, :words) THEN 0 ELSE 1 END AS rank,
        p.name = :words AS whole
    FROM city.place_name p
    WHERE p.main AND city.bigrams(p.name) @> CAST(:pairs AS text[])
      AND strpos(p.name, :words) > 0
    ORDER BY 5 DESC, 4, p.level, length(p.name), p.name, p.town LIMIT :limit"""


def holding(words: str, limit: int) -> TextClause:
    """Names that hold two characters or more, best first; columns as of `typed`."""
    pairs = [words[at : at + 2] for at in range(len(words) - 1)]
    return text(_HOLDING).bindparams(words=words, pairs=pairs, limit=limit)


_STANDING: Final = """
WITH n AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:levels AS smallint[]), CAST(:names AS text[]),
        CAST(:towns AS text[])) WITH ORDINALITY AS n(level, name, town, no)),
o AS MATERIALIZED (
    SELECT n.no, 'admin_area' AS object_type, a.id AS object_id, a.geom
    FROM n JOIN city.admin_area a ON a.level = n.level + 1 AND a.ended_at IS NULL
        AND NOT a.is_pseudo
        AND (a.name = n.name
             OR regexp_replace(a.name, '(居民|村民)?委(员)?会$', '') = n.name)
    LEFT JOIN city.admin_area p ON p.id = a.parent_id
    WHERE n.level BETWEEN 2 AND 4 AND (n.town = '' OR p.name IS NULL OR p.name = n.town)
    UNION ALL
    SELECT n.no, 'estate', e.id, e.geom FROM n JOIN city.estate e
      ON e.name = n.name AND e.ended_at IS NULL WHERE n.level = 10
    UNION ALL
    SELECT n.no, 'street', s.id, s.geom FROM n JOIN city.street s
      ON s.name = n.name AND s.ended_at IS NULL WHERE n.level = 8)
SELECT n.no::int, o.object_type, o.object_id, ST_X(coalesce(o.point, a.geom)) AS lon,
    ST_Y(coalesce(o.point, a.geom)) AS lat
FROM n
LEFT JOIN LATERAL (
    SELECT (array_agg(o.object_type))[1] AS object_type, min(o.object_id) AS object_id,
        ST_PointOnSurface((array_agg(o.geom ORDER BY o.object_id))[1]) AS point
    FROM o WHERE o.no = n.no HAVING count(*) = 1) o ON true
LEFT JOIN LATERAL (
    (SELECT a.geom FROM city.std_address a WHERE n.level = 10 AND a.estate_name = n.name
        AND a.level BETWEEN 10 AND 12 AND a.ended_at IS NULL AND n.town IN ('', a.town) LIMIT 1)
    UNION ALL
    (SELECT a.geom FROM city.std_address a WHERE n.level = 8 AND a.road = n.name
        AND a.level BETWEEN 9 AND 12 AND a.road IS NOT NULL AND a.ended_at IS NULL
        AND n.town IN ('', a.town) LIMIT 1)
    UNION ALL
    (SELECT a.geom FROM city.std_address a WHERE n.level = 4
        AND a.village BETWEEN n.name AND n.name
        AND a.level BETWEEN 9 AND 12 AND a.village IS NOT NULL AND a.road IS NULL
        AND a.ended_at IS NULL AND n.town IN ('', a.town)
        ORDER BY a.village, a.door_no, a.lane LIMIT 1)
    LIMIT 1) a ON o.point IS NULL
ORDER BY n.no"""


def standing(levels: Sequence[int], names: Sequence[str], towns: Sequence[str]) -> TextClause:
    """Where names are: the one object that is called so, and a point in it or of an address there.

    Columns: no (1 for the first), object_type, object_id, lon, lat.
    """
    return text(_STANDING).bindparams(levels=list(levels), names=list(names), towns=list(towns))
