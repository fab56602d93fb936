"""Buildings of two sources that may be one: proposed by overlap, code and address; decided once."""

from sqlalchemy import TextClause, text

LEAST_OVERLAP = 0.1
"""Shared area ÷ area of both from which two outlines are compared at all."""

NEAR = 0.002
"""Degrees, about 200 m: a code or an address proves nothing farther than that."""

WEIGHTS = {"overlap": 70, "code": 30, "address": 20, "name": 10}
"""What speaks for a pair, and how much; together at most 100."""

SOURCES = text(
    """SELECT s.id, s.name, count(b.id) AS buildings FROM city.source_system s
         JOIN city.building b ON b.source_id = s.id AND b.ended_at IS NULL
        GROUP BY s.id ORDER BY s.name"""
)
"""The sources that buildings came from."""

TURNED = text(
    """SELECT EXISTS (SELECT FROM platform.match WHERE object_type = 'building'
                       AND source_a = :b AND source_b = :a)"""
)
"""Whether the two sources were compared the other way round before."""

_OVERLAPPING = f"""
    SELECT a_id, b_id, shared / nullif(area_a + area_b - shared, 0) AS overlap FROM (
        SELECT a.id AS a_id, b.id AS b_id, ST_Area(a.footprint) AS area_a,
               ST_Area(b.footprint) AS area_b,
               ST_Area(ST_Intersection(a.footprint, b.footprint, 1e-10)) AS shared
          FROM city.building a JOIN city.building b
            ON b.footprint && a.footprint AND ST_Intersects(a.footprint, b.footprint)
         WHERE a.source_id = :a AND b.source_id = :b
           AND a.ended_at IS NULL AND b.ended_at IS NULL) o
    WHERE shared >= {LEAST_OVERLAP} * (area_a + area_b - shared)"""

_NEAR = f"""b.source_id = :b AND b.ended_at IS NULL AND a.ended_at IS NULL
    AND ST_DWithin(a.footprint, b.footprint, {NEAR})"""

_CODED = f"""
    SELECT a.id AS a_id, b.id AS b_id FROM city.building a JOIN city.building b
        ON b.ext_id = a.ext_id WHERE a.source_id = :a AND {_NEAR}
    UNION
    SELECT a.id, b.id FROM city.object_code c
      JOIN city.object_code d ON d.code = c.code AND d.object_type = 'building'
      JOIN city.building a ON a.id = c.object_id AND a.source_id = :a
      JOIN city.building b ON b.id = d.object_id
     WHERE c.object_type = 'building' AND {_NEAR}"""

_ADDRESSED = f"""
    WITH told AS MATERIALIZED (
        SELECT DISTINCT l.object_id AS id, x.norm_text FROM city.address_link l
          JOIN city.std_address x ON x.id = l.address_id AND x.ended_at IS NULL
         WHERE l.object_type = 'building' AND l.method <> 'place' AND x.level BETWEEN 9 AND 12)
    SELECT DISTINCT a.id AS a_id, b.id AS b_id FROM told s JOIN told t USING (norm_text)
      JOIN city.building a ON a.id = s.id AND a.source_id = :a
      JOIN city.building b ON b.id = t.id WHERE {_NEAR}"""

PROPOSE = text(
    f"""
    WITH overlapping AS MATERIALIZED ({_OVERLAPPING}),
    coded AS MATERIALIZED ({_CODED}),
    addressed AS MATERIALIZED ({_ADDRESSED}),
    pairs AS (SELECT a_id, b_id FROM overlapping UNION SELECT a_id, b_id FROM coded
              UNION SELECT a_id, b_id FROM addressed),
    told AS (
        SELECT a_id, b_id, o.overlap, c.a_id IS NOT NULL AS code, d.a_id IS NOT NULL AS address,
               coalesce(a.name = b.name, false) AS name
          FROM pairs JOIN city.building a ON a.id = a_id JOIN city.building b ON b.id = b_id
          LEFT JOIN overlapping o USING (a_id, b_id) LEFT JOIN coded c USING (a_id, b_id)
          LEFT JOIN addressed d USING (a_id, b_id)),
    scored AS (
        SELECT *, least(100, round(
            {WEIGHTS["overlap"]} * least(1, coalesce(overlap, 0) / 0.8)
            + CASE WHEN code THEN {WEIGHTS["code"]} ELSE 0 END
            + CASE WHEN address THEN {WEIGHTS["address"]} ELSE 0 END
            + CASE WHEN name THEN {WEIGHTS["name"]} ELSE 0 END))::smallint AS score FROM told)
    INSERT INTO platform.match AS m
           (object_type, source_a, source_b, a_id, b_id, score, overlap, reasons)
    SELECT 'building', :a, :b, a_id, b_id, score, overlap,
           jsonb_build_object('code', code, 'address', address, 'name', name)
      FROM scored WHERE score >= :least
    ON CONFLICT (object_type, a_id, b_id) DO UPDATE
       SET score = excluded.score, overlap = excluded.overlap, reasons = excluded.reasons
     WHERE (m.score, m.overlap, m.reasons)
           IS DISTINCT FROM (excluded.score, excluded.overlap, excluded.reasons)"""
)
"""Propose pairs, or bring what is known of them up to date; what was decided stays decided."""

FORGET = text(
    """DELETE FROM platform.match WHERE source_a = :a AND source_b = :b
          AND object_type = 'building' AND decision = 'proposed'"""
)
"""Take back what was proposed and not decided."""

SUMMARY = text(
    """
    WITH mine AS (SELECT * FROM platform.match WHERE source_a = :a AND source_b = :b)
    SELECT (SELECT count(*) FROM city.building WHERE source_id = :a AND ended_at IS NULL) AS in_a,
           (SELECT count(*) FROM city.building WHERE source_id = :b AND ended_at IS NULL) AS in_b,
           (SELECT count(DISTINCT a_id) FROM mine WHERE decision <> 'different') AS paired_a,
           (SELECT count(DISTINCT b_id) FROM mine WHERE decision <> 'different') AS paired_b,
           (SELECT count(*) FROM mine WHERE decision = 'proposed') AS proposed,
           (SELECT count(*) FROM mine WHERE decision = 'same') AS same,
           (SELECT count(*) FROM mine WHERE decision = 'different') AS different,
           (SELECT count(*) FROM (SELECT FROM mine WHERE decision <> 'different'
                                   GROUP BY a_id HAVING count(*) > 1) x) AS several"""
)

_PAIRS = """
    SELECT m.id, m.score, round(CAST(m.overlap AS numeric), 3)::float AS overlap, m.reasons,
           m.decision, m.a_id, a.name AS a_name, a.ext_id AS a_key, m.b_id, b.name AS b_name,
           b.ext_id AS b_key, a.height AS a_height, b.height AS b_height,
           a.floors_above AS a_floors, b.floors_above AS b_floors,
           ST_X(ST_PointOnSurface(a.footprint)) AS lon, ST_Y(ST_PointOnSurface(a.footprint)) AS lat
      FROM platform.match m JOIN city.building a ON a.id = m.a_id
      JOIN city.building b ON b.id = m.b_id"""

LIST = text(
    f"""{_PAIRS} WHERE (CAST(:a AS smallint) IS NULL OR m.source_a = :a)
         AND (CAST(:b AS smallint) IS NULL OR m.source_b = :b)
         AND (CAST(:decision AS text) IS NULL OR m.decision = :decision)
       ORDER BY m.score DESC, m.id LIMIT :limit OFFSET :offset"""
)
"""Pairs, the surest first."""

_DECIDED = """UPDATE platform.match SET decision = CAST(:decision AS text), decided_by = :by,
    decided_at = CASE WHEN CAST(:decision AS text) = 'proposed' THEN NULL ELSE now() END"""

DECIDE = text(f"{_DECIDED} WHERE id = ANY (:ids) AND decision <> CAST(:decision AS text)")

ACCEPT = text(
    f"""{_DECIDED} WHERE source_a = :a AND source_b = :b AND decision = 'proposed'
         AND score >= :least
         AND NOT EXISTS (SELECT FROM platform.match o WHERE o.id <> platform.match.id
                          AND o.object_type = platform.match.object_type
                          AND o.decision <> 'different'
                          AND (o.a_id = platform.match.a_id AND o.source_b = :b
                               OR o.b_id = platform.match.b_id AND o.source_a = :a))"""
)
"""Decide what is sure: pairs of at least this score whose two buildings are in no other pair."""


def known() -> TextClause:
    """Which of these pairs there are. Parameter: `ids`."""
    return text("SELECT id FROM platform.match WHERE id = ANY (:ids)")


def one() -> TextClause:
    """One pair. Parameter: `id`."""
    return text(f"{_PAIRS} WHERE m.id = :id")
