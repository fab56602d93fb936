"""Which address is meant: many texts, taken apart, against the ladders of all addresses at once.

Candidates come from indexes alone: the whole text, the estate and the building, the road and the
number, the village and the number.  Each is compared with what was asked, level by level, and a
room is looked for below the best.  Nothing here decides: `cim.addresses.judging` does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import TextClause, text

from cim.addresses import LADDER

Columns = Mapping[str, Sequence[Any]]

WEIGHTS: Final = {
    "county": 4, "town": 8, "village": 10, "squad": 4, "natural_village": 6, "zone": 4,
    "road": 16, "lane": 12, "door_no": 20, "estate_name": 20, "building_name": 24,
    "building_plate": 8,
}  # fmt: skip
"""How much it says when a level agrees; down to the building."""

ROOM_WEIGHT, ENTRANCE_WEIGHT = 15, 5
"""The same for what is within a building."""

INTERPRETED: Final = text("SET LOCAL jit = off")
"""To be run before many are looked for: compiling such a statement takes longer than running it."""

LACKING: Final = 0.35
"""Share of a level's weight that is lost where the address says nothing of it."""

OTHER_AREA, OTHER = 2.5, 1.5
"""Shares that are lost where the address says something else: of an area, of any other level."""

DEEPER: Final = 3
"""Points lost by an address that goes on deeper than was asked."""

ALONE: Final = 20
"""Points lost by an address that agrees at one level alone, where more were asked for."""

LOOKED_INTO: Final = 12
"""Best places of each text in which a room is looked for."""

MOST: Final = 40
"""Addresses of one text that one index gives."""

TEXTS: Final = (
    "place_text",
    "whole_text",
    *(level for level in LADDER if level not in ("province", "city")),
)
"""Columns of what is asked, beside `row_no`."""

_ASKED: Final = f"""asked AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:row_no AS bigint[]),
        {", ".join(f"CAST(:{name} AS text[])" for name in TEXTS)})
        AS q(row_no, {", ".join(TEXTS)}))"""

_SAID: Final = """said AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:said_levels AS smallint[]), CAST(:said_as AS text[]),
        CAST(:said_names AS text[]), CAST(:said_how AS int[])) AS s(level, said, name, how))"""


def _meant(level: str) -> str:
    """The names that one of a level may stand for: itself, and those that resemble it."""
    return f"""(SELECT q.{level} AS name, 100 AS how WHERE q.{level} IS NOT NULL UNION ALL
        SELECT s.name, s.how FROM said s
        WHERE s.level = {LADDER[level]} AND s.said = q.{level}) m"""


_AREA_WORDS: Final = "'(街道|镇|乡|园区|社区|村)$'"

_ARMS: Final = f"""
    (SELECT a.id, 100 AS how FROM city.std_address a
     WHERE a.norm_text = q.place_text AND a.level <= 12 AND a.ended_at IS NULL LIMIT {MOST})
    UNION ALL
    (SELECT a.id, 100 FROM city.std_address a
     WHERE a.norm_text = q.whole_text AND a.level > 12 AND a.ended_at IS NULL LIMIT {MOST})
    UNION ALL
    (SELECT a.id, m.how FROM {_meant("estate_name")} JOIN city.std_address a
       ON a.estate_name = m.name AND a.building_name = q.building_name
      AND a.level BETWEEN 10 AND 12 AND a.ended_at IS NULL
     LIMIT {MOST})
    UNION ALL
    (SELECT a.id, m.how FROM {_meant("estate_name")} JOIN city.std_address a
       ON a.estate_name = m.name AND a.building_name IS NULL
      AND a.level BETWEEN 10 AND 12 AND a.ended_at IS NULL
     LIMIT {MOST})
    UNION ALL
    (SELECT a.id, m.how FROM {_meant("road")} JOIN city.std_address a
       ON a.road = m.name AND a.door_no = q.door_no
      AND a.level BETWEEN 9 AND 12 AND a.road IS NOT NULL AND a.ended_at IS NULL
     WHERE a.lane IS NOT DISTINCT FROM q.lane OR a.lane IS NULL
     ORDER BY (a.building_name IS NOT DISTINCT FROM q.building_name) DESC,
        (a.town IS NOT DISTINCT FROM q.town) DESC, a.level LIMIT {MOST})
    UNION ALL
    (SELECT a.id, m.how FROM {_meant("village")} JOIN city.std_address a
       ON a.village = m.name AND a.door_no = q.door_no
      AND a.level BETWEEN 9 AND 12 AND a.village IS NOT NULL AND a.road IS NULL
      AND a.ended_at IS NULL
     WHERE q.road IS NULL AND a.lane IS NOT DISTINCT FROM q.lane
     ORDER BY (a.squad IS NOT DISTINCT FROM q.squad) DESC,
        (a.natural_village IS NOT DISTINCT FROM q.natural_village) DESC, a.level LIMIT {MOST})
    UNION ALL
    (SELECT a.id, m.how FROM {_meant("building_name")} JOIN city.std_address a
       ON a.estate_name IS NULL AND a.building_name = m.name
      AND a.level BETWEEN 10 AND 12 AND a.ended_at IS NULL
     WHERE q.estate_name IS NULL AND q.building_name ~ '[^0-9A-Z-].*[^0-9A-Z-]' LIMIT {MOST})"""

_COMPARED: Final = ", ".join(
    f"('{level}', {LADDER[level]}, {weight}, q.{level}, a.{level})"
    for level, weight in WEIGHTS.items()
)

_SCORED: Final = f"""scored AS (
    SELECT f.row_no, f.id, a.level, a.norm_text, a.full_text, a.geom, q.entrance_no, q.room_no,
        q.floor_no, c.asked + {ROOM_WEIGHT} * (q.room_no IS NOT NULL)::int
            + {ENTRANCE_WEIGHT} * (q.entrance_no IS NOT NULL)::int
            + {ENTRANCE_WEIGHT} * (q.floor_no IS NOT NULL AND q.room_no IS NULL)::int AS weight,
        c.lost, f.how, c.agreed, c.differs, c.lacks,
        CASE WHEN cardinality(c.agreed) = 1 AND c.said > 1 THEN {ALONE} ELSE 0 END
            + {DEEPER} * ((a.building_name IS NOT NULL AND q.building_name IS NULL)::int
            + (a.door_no IS NOT NULL AND q.door_no IS NULL AND q.estate_name IS NULL)::int) AS more
    FROM found f JOIN asked q USING (row_no) JOIN city.std_address a ON a.id = f.id
    CROSS JOIN LATERAL (
        SELECT sum(weight) AS asked, count(*) AS said,
            coalesce(sum(CASE WHEN have IS NULL THEN {LACKING} WHEN agrees THEN (100 - alike) / 60.0
                WHEN level <= 4 THEN {OTHER_AREA} ELSE {OTHER} END * weight), 0) AS lost,
            array_agg(name) FILTER (WHERE agrees) AS agreed,
            array_agg(name) FILTER (WHERE NOT agrees) AS differs,
            array_agg(name) FILTER (WHERE have IS NULL) AS lacks
        FROM (SELECT v.*, CASE WHEN have IS NOT NULL THEN alike IS NOT NULL END AS agrees
              FROM (SELECT v.*, CASE WHEN have = want THEN 100
                        WHEN level BETWEEN 3 AND 4 AND regexp_replace(have, {_AREA_WORDS}, '')
                            = regexp_replace(want, {_AREA_WORDS}, '') THEN 100
                        ELSE (SELECT max(s.how) FROM said s WHERE s.level = v.level
                              AND s.said = want AND s.name = have) END AS alike
                    FROM (VALUES {_COMPARED}) v(name, level, weight, want, have)
                    WHERE want IS NOT NULL) v) v) c)"""

_TOP: Final = f"""top AS MATERIALIZED (
    SELECT * FROM (
        SELECT s.*, row_number() OVER (PARTITION BY row_no
            ORDER BY s.how * (1 - s.lost / greatest(s.weight, 1)) - s.more DESC,
                s.level, length(s.norm_text), s.id) AS place
        FROM scored s) s
    WHERE s.place <= {LOOKED_INTO})"""

_ROOMED: Final = f"""roomed AS (
    SELECT p.*, r.address_id, r.unit_id, r.entrance, r.inside, r.storey, p.lost
        + CASE WHEN p.room_no IS NULL OR r.room THEN 0 ELSE {ROOM_WEIGHT * LACKING} END
        + CASE WHEN p.entrance_no IS NULL OR r.entrance IS NOT NULL THEN 0
               ELSE {ENTRANCE_WEIGHT * LACKING} END
        + CASE WHEN p.floor_no IS NULL OR p.room_no IS NOT NULL OR r.storey THEN 0
               ELSE {ENTRANCE_WEIGHT * LACKING} END AS all_lost
    FROM top p LEFT JOIN LATERAL (
        (SELECT p.id AS address_id, NULL::bigint AS unit_id, r.entrance_no AS entrance,
            r.full_text AS inside, r.room_no IS NOT NULL AS room, r.floor_no IS NOT NULL AS storey
         FROM city.std_address r WHERE r.id = p.id AND p.level > 12)
        UNION ALL
        (SELECT r.id, NULL, r.entrance_no, r.full_text, r.room_no IS NOT NULL,
            r.floor_no IS NOT NULL
         FROM city.std_address r
         WHERE r.parent_id = p.id AND p.level <= 12 AND r.ended_at IS NULL
           AND r.room_no IS NOT DISTINCT FROM p.room_no
           AND (r.floor_no = p.floor_no OR p.floor_no IS NULL
                OR (r.floor_no IS NULL AND p.room_no IS NOT NULL))
           AND (p.entrance_no IS NULL OR r.entrance_no IS NULL OR r.entrance_no = p.entrance_no)
         LIMIT {LOOKED_INTO})
        UNION ALL
        (SELECT NULL, u.id, coalesce(e.name, e.no || '单元'),
            p.full_text || coalesce(e.name, '') || u.room_no
                || CASE WHEN right(u.room_no, 1) ~ '[0-9A-Za-z]' THEN '室' ELSE '' END, true, true
         FROM city.address_link l
         LEFT JOIN city.entrance g ON l.object_type = 'entrance' AND g.id = l.object_id
         JOIN city.unit u ON u.building_id = coalesce(g.building_id, l.object_id)
             AND u.room_no = p.room_no AND u.ended_at IS NULL
             AND (g.id IS NULL OR u.entrance_id = g.id)
         LEFT JOIN city.entrance e ON e.id = u.entrance_id
         WHERE l.address_id = p.id AND l.object_type IN ('building', 'entrance')
           AND l.role <> '所在' AND p.level <= 12
           AND (p.entrance_no IS NULL OR e.id IS NULL
                OR p.entrance_no IN (e.name, e.no || '单元'))
           AND NOT EXISTS (SELECT FROM city.address_link k JOIN city.std_address x
                             ON x.id = k.address_id AND x.ended_at IS NULL
                           WHERE k.object_type = 'unit' AND k.object_id = u.id
                             AND k.role <> '所在' AND x.parent_id = p.id)
         LIMIT {LOOKED_INTO})) r
      ON coalesce(p.room_no, p.floor_no, p.entrance_no) IS NOT NULL)"""

_RANKED: Final = """ranked AS (
    SELECT r.*, row_number() OVER (PARTITION BY row_no ORDER BY r.score DESC, r.level,
        length(r.norm_text), r.id, r.address_id, r.unit_id) AS rank
    FROM (SELECT r.*, greatest(0, r.how * (1 - r.all_lost / greatest(r.weight, 1)) - r.more)::int
              AS score FROM roomed r) r)"""

_ANSWER: Final = """
SELECT r.row_no, coalesce(r.address_id, r.id) AS id, coalesce(r.inside, r.full_text) AS text,
    CASE WHEN r.unit_id IS NOT NULL THEN 15 ELSE coalesce(x.level, r.level) END AS level,
    r.score, r.agreed, r.differs, r.lacks, r.entrance IS NOT NULL AS entrance,
    coalesce(r.storey, false) AS storey,
    CASE WHEN r.unit_id IS NULL THEN coalesce(x.norm_text, r.norm_text) END AS spelling,
    (r.address_id IS NOT NULL AND x.room_no IS NOT NULL) OR r.unit_id IS NOT NULL AS room,
    CASE WHEN r.unit_id IS NOT NULL THEN 'unit' ELSE l.object_type END AS object_type,
    coalesce(r.unit_id, l.object_id) AS object_id,
    CASE WHEN r.unit_id IS NOT NULL THEN v.building_id
         ELSE coalesce(u.building_id, e.building_id,
            CASE WHEN l.object_type = 'building' THEN l.object_id END) END AS building_id,
    CASE WHEN r.unit_id IS NOT NULL THEN r.unit_id
         WHEN l.object_type = 'unit' THEN l.object_id END AS unit_id,
    ST_X(coalesce(x.geom, r.geom)) AS lon, ST_Y(coalesce(x.geom, r.geom)) AS lat
FROM ranked r
LEFT JOIN LATERAL (
    SELECT level, room_no, norm_text, geom FROM city.std_address
    WHERE id = r.address_id OFFSET 0) x ON true
LEFT JOIN LATERAL (
    SELECT object_type, object_id FROM city.address_link
    WHERE address_id = coalesce(r.address_id, r.id) AND r.unit_id IS NULL
    ORDER BY (role = '主') DESC, score DESC, object_id LIMIT 1) l ON true
LEFT JOIN LATERAL (
    SELECT building_id FROM city.unit
    WHERE l.object_type = 'unit' AND id = l.object_id OFFSET 0) u ON true
LEFT JOIN LATERAL (SELECT building_id FROM city.unit WHERE id = r.unit_id OFFSET 0) v ON true
LEFT JOIN LATERAL (
    SELECT building_id FROM city.entrance
    WHERE l.object_type = 'entrance' AND id = l.object_id OFFSET 0) e ON true
WHERE r.rank <= :each ORDER BY r.row_no, r.rank"""

_ALIKE: Final = f""",
alike AS MATERIALIZED (
    SELECT q.row_no, a.id, 60 AS how FROM asked q CROSS JOIN LATERAL (
        SELECT a.id FROM city.std_address a
        WHERE q.place_text <% a.norm_text AND a.level <= 13 AND a.ended_at IS NULL
        ORDER BY word_similarity(q.place_text, a.norm_text) DESC, a.id LIMIT {LOOKED_INTO}) a
    WHERE length(q.place_text) >= 3
      AND NOT EXISTS (SELECT FROM near n WHERE n.row_no = q.row_no)),
found AS (SELECT * FROM near UNION ALL SELECT * FROM alike)"""

_MATCH: Final = f"""
WITH {_ASKED}, {_SAID},
near AS MATERIALIZED (
    SELECT q.row_no, a.id, max(a.how) AS how
    FROM asked q CROSS JOIN LATERAL ({_ARMS}) a GROUP BY 1, 2){{further}},
{_SCORED}, {_TOP}, {_ROOMED}, {_RANKED}
{_ANSWER}"""

_EXACT: Final = text(_MATCH.format(further=",\nfound AS (SELECT * FROM near)"))
_FUZZY: Final = text(_MATCH.format(further=_ALIKE))


def match(asked: Columns, said: Columns, each: int, *, alike: bool = False) -> TextClause:
    """Candidates for what was asked, the best `each` of every row, best first.

    `asked` are columns: `row_no` and `TEXTS`.  `said` are the names that unknown ones may stand
    for, as `names.similar` finds them.  With `alike`, texts of which nothing is known are compared
    with all addresses, which takes some hundredths of a second each.

    Columns: row_no, id, text, level, score (0 to 100), agreed, differs and lacks (levels down to
    the building, of those asked), entrance, storey and room (whether found), spelling,
    object_type, object_id, building_id, unit_id, lon, lat.  A unit without an address of its own
    comes with the id of its building's address.
    """
    values = {name: list(asked[name]) for name in ("row_no", *TEXTS)}
    values |= {f"said_{name}": list(said[name]) for name in ("levels", "as", "names", "how")}
    return (_FUZZY if alike else _EXACT).bindparams(**values, each=each)


_PLACES: Final = f"""
WITH {_ASKED},
areas AS MATERIALIZED (
    SELECT a.id, a.name, a.level, a.geom, p.name AS above,
        regexp_replace(regexp_replace(a.name, '(社区)?(居民|村民)?委(员)?会$', ''),
            {_AREA_WORDS}, '') AS stem
    FROM city.admin_area a LEFT JOIN city.admin_area p ON p.id = a.parent_id
    WHERE a.level IN (4, 5) AND a.ended_at IS NULL AND NOT a.is_pseudo)
SELECT f.row_no, f.level, f.object_type, f.object_id, f.text,
    ST_X(ST_PointOnSurface(f.geom)) AS lon, ST_Y(ST_PointOnSurface(f.geom)) AS lat
FROM (
    SELECT f.*, rank() OVER (PARTITION BY row_no ORDER BY level DESC) AS place,
        row_number() OVER (PARTITION BY row_no ORDER BY level DESC, object_id) AS n
    FROM (
        SELECT q.row_no, 10 AS level, 'estate' AS object_type, e.id AS object_id, e.name AS text,
            e.geom
        FROM asked q JOIN city.estate e ON e.name = q.estate_name AND e.ended_at IS NULL
        UNION ALL
        SELECT q.row_no, 8, 'street', s.id, s.name, s.geom
        FROM asked q JOIN city.street s ON s.name = q.road AND s.ended_at IS NULL
        UNION ALL
        SELECT q.row_no, 4, 'admin_area', a.id, concat(a.above, a.name), a.geom
        FROM asked q JOIN areas a ON a.level = 5
          AND a.stem = regexp_replace(q.village, {_AREA_WORDS}, '')
          AND (q.town IS NULL OR a.above IS NULL OR a.above = q.town)
        UNION ALL
        SELECT q.row_no, 3, 'admin_area', a.id, a.name, a.geom
        FROM asked q JOIN areas a ON a.level = 4
          AND a.stem = regexp_replace(q.town, {_AREA_WORDS}, '')) f) f
WHERE f.place = 1 AND f.n <= :each ORDER BY f.row_no, f.n"""


def places(asked: Columns, each: int) -> TextClause:
    """The deepest place that is known of each text no address of which is: estate, road or area.

    Columns: row_no, level, object_type, object_id, text, lon, lat; several rows where the name is
    that of several places.
    """
    values = {name: list(asked[name]) for name in ("row_no", *TEXTS)}
    return text(_PLACES).bindparams(**values, each=each)
