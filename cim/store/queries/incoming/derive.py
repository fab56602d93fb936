"""Statements of the derivation: what to derive from, and the merge of what was derived."""

from sqlalchemy import TextClause, text

ANALYZE = (
    "ANALYZE city.entrance, city.floor_plan, city.floor_slot, city.storey, city.unit,"
    " city.building_pop, platform.derived"
)
"""Tells the planner what a derivation has made."""


def nothing_yet() -> TextClause:
    """Whether no storey, entrance or unit was ever derived or given."""
    return text(
        """SELECT NOT EXISTS (SELECT FROM city.storey) AND NOT EXISTS (SELECT FROM city.unit)
              AND NOT EXISTS (SELECT FROM city.entrance)"""
    )


def how_many() -> TextClause:
    """How many buildings there are."""
    return text("SELECT count(*) FROM city.building WHERE ended_at IS NULL")


def much() -> TextClause:
    """Whether `count` buildings are a tenth or more of those the planner knows to be derived."""
    return text(
        """SELECT :count * 10 >= reltuples FROM pg_class
            WHERE oid = CAST('platform.derived' AS regclass)"""
    )


_GIVEN = "(s.status = 'given' AND s.ended_at IS NULL)"

_GIVEN_STOREY = f"""
    ({_GIVEN} OR EXISTS (
        SELECT FROM city.unit g WHERE g.building_id = s.building_id AND g.storey_id = s.id
           AND g.ext_id IS NOT NULL AND g.ended_at IS NULL))
    AND (s.ended_at IS NULL OR NOT EXISTS (
        SELECT FROM city.storey o WHERE o.building_id = s.building_id AND o.no = s.no
           AND o.label = s.label AND o.ended_at IS NULL))
"""
"""Loaded, or holding units that were: then it stands, even where its own table dropped it."""


def outdated(*, chosen: bool, force: bool) -> TextClause:
    """Buildings whose inputs are not what their storeys and units were made from, by id.

    Parameters: `seed` (of the rules), and `ids` where `chosen`.  Columns: the inputs, `fresh`
    (nothing derived or given yet) and `input_hash`.

    Tables that are written while the rows are read are looked into before the first of them, once:
    a plan made for them as they were then, perhaps empty, is not held to what they become.
    """
    which = "AND b.id = ANY(CAST(:ids AS bigint[]))" if chosen else ""
    given = which.replace("b.id", "s.building_id")
    rooms = which.replace("b.id", "u.building_id")
    made = which.replace("b.id", "d.building_id")
    changed = "" if force else "WHERE d.input_hash IS DISTINCT FROM b.input_hash"
    return text(
        f"""
        WITH storeys AS (
            SELECT s.building_id, bit_xor(hashtextextended(ROW(s.no, s.label, s.kind, s.status,
                       s.given_bottom, s.given_height, p.outline)::text, :seed)) AS hash
              FROM city.storey s
              LEFT JOIN city.floor_plan p ON p.id = s.plan_id AND p.kind = 'drawn'
             WHERE s.status = 'given' AND s.ended_at IS NULL {given}
             GROUP BY s.building_id),
        rooms AS (
            SELECT u.building_id, bit_xor(hashtextextended(ROW(u.storey_id, s.no, s.label, s.kind,
                       e.no, u.room_no, u.outline)::text, :seed)) AS hash
              FROM city.unit u
              JOIN city.storey s ON s.id = u.storey_id
              LEFT JOIN city.entrance e ON e.id = u.entrance_id
             WHERE u.ext_id IS NOT NULL AND u.ended_at IS NULL {rooms}
             GROUP BY u.building_id),
        parts AS (
            SELECT u.building_id, bit_xor(hashtextextended(
                       ROW(p.storey_id, p.outline)::text, :seed)) AS hash
              FROM city.unit_storey p JOIN city.unit u ON u.id = p.unit_id
             WHERE p.outline IS NOT NULL AND u.ext_id IS NOT NULL AND u.ended_at IS NULL {rooms}
             GROUP BY u.building_id),
        known AS MATERIALIZED (
            SELECT d.building_id, d.input_hash FROM platform.derived d WHERE true {made}),
        bare AS MATERIALIZED (
            SELECT b.id FROM city.building b
             WHERE b.ended_at IS NULL {which}
               AND NOT EXISTS (SELECT FROM known d WHERE d.building_id = b.id)),
        stands AS MATERIALIZED (
            SELECT s.building_id FROM city.storey s JOIN bare ON bare.id = s.building_id
             WHERE s.ended_at IS NULL
            UNION
            SELECT e.building_id FROM city.entrance e JOIN bare ON bare.id = e.building_id),
        b AS (
            SELECT b.id, b.footprint, b.footprint_area, b.height, b.floors_above, b.floors_below,
                   b.podium_floors, b.units_per_floor, b.entrance_count, b.use_code,
                   hashtextextended(ROW(b.footprint, b.footprint_area, b.height, b.floors_above,
                       b.floors_below, b.podium_floors, b.units_per_floor, b.entrance_count,
                       b.use_code, storeys.hash, CASE WHEN parts.hash IS NULL THEN rooms.hash
                            ELSE rooms.hash # parts.hash END)::text, :seed) AS input_hash
              FROM city.building b
              LEFT JOIN storeys ON storeys.building_id = b.id
              LEFT JOIN rooms ON rooms.building_id = b.id
              LEFT JOIN parts ON parts.building_id = b.id
             WHERE b.ended_at IS NULL {which})
        SELECT b.id, ST_AsBinary(b.footprint) AS footprint, b.footprint_area, b.height,
               b.floors_above, b.floors_below, b.podium_floors, b.units_per_floor,
               b.entrance_count, b.use_code, b.input_hash,
               d.building_id IS NULL AND stands.building_id IS NULL AS fresh
          FROM b
          LEFT JOIN known d ON d.building_id = b.id
          LEFT JOIN stands ON stands.building_id = b.id
         {changed}
         ORDER BY b.id
        """
    )


def given_storeys() -> TextClause:
    """Storeys of buildings `ids` that were loaded, or hold units that were, with drawn plans."""
    return text(
        f"""
        SELECT s.building_id, s.id, s.no, s.label, s.kind,
               CASE WHEN {_GIVEN} THEN s.given_bottom END AS given_bottom,
               CASE WHEN {_GIVEN} THEN s.given_height END AS given_height,
               p.id AS plan_id, ST_AsBinary(p.outline) AS outline, p.area
          FROM city.storey s
          LEFT JOIN city.floor_plan p ON p.id = s.plan_id AND p.kind = 'drawn' AND {_GIVEN}
         WHERE s.building_id = ANY(CAST(:ids AS bigint[])) AND {_GIVEN_STOREY}
         ORDER BY s.building_id, s.no, s.label
        """
    )


def given_units() -> TextClause:
    """Units of buildings `ids` that were loaded, on each storey on which they are drawn."""
    return text(
        """
        SELECT u.id, at.storey_id, coalesce(e.no, 0) AS entrance_no, u.room_no,
               ST_AsBinary(at.outline) AS outline
          FROM city.unit u
          CROSS JOIN LATERAL (
               SELECT u.storey_id, u.outline
               UNION ALL SELECT p.storey_id, p.outline FROM city.unit_storey p
                WHERE p.unit_id = u.id AND p.outline IS NOT NULL) at
          LEFT JOIN city.entrance e ON e.id = u.entrance_id
         WHERE u.building_id = ANY(CAST(:ids AS bigint[]))
           AND u.ext_id IS NOT NULL AND u.ended_at IS NULL
         ORDER BY at.storey_id, coalesce(e.no, 0), length(u.room_no), u.room_no, u.id
        """
    )


def numbers() -> TextClause:
    """The next `count` ids of a table's sequence: the first, the last, and whether all between."""
    return text(
        """
        SELECT min(v), max(v) FROM (
            SELECT nextval(sequence) AS v
              -- looked up once: for every id anew it takes longer than writing the unit
              FROM (SELECT CAST(pg_get_serial_sequence(:table, 'id') AS regclass) AS sequence
                    OFFSET 0) once, generate_series(1, :count)) taken
        """
    )


def end_departed(*, chosen: bool) -> tuple[TextClause, TextClause]:
    """End units and storeys of buildings that have ended: of `ids` where `chosen`, or of all."""
    which = "AND b.id = ANY(CAST(:ids AS bigint[]))" if chosen else ""
    return (
        text(
            f"""
            WITH ended AS (
                UPDATE city.unit u SET ended_at = now(), updated_at = now(), slot_id = NULL
                  FROM city.building b
                 WHERE b.ended_at IS NOT NULL AND u.building_id = b.id AND u.ended_at IS NULL
                       {which}
                RETURNING u.id)
            SELECT count(*) FROM ended
            """
        ),
        text(
            f"""
            WITH ended AS (
                UPDATE city.storey s SET ended_at = now(), updated_at = now()
                  FROM city.building b
                 WHERE b.ended_at IS NOT NULL AND s.building_id = b.id AND s.ended_at IS NULL
                       {which}
                RETURNING s.id)
            SELECT count(*) FROM ended
            """
        ),
    )


def forget_departed(*, chosen: bool) -> TextClause:
    """Buildings that have ended are derived no longer: should they come back, they are anew."""
    which = "AND b.id = ANY(CAST(:ids AS bigint[]))" if chosen else ""
    return text(
        f"""
        WITH gone AS (
            DELETE FROM platform.derived d USING city.building b
             WHERE b.id = d.building_id AND b.ended_at IS NOT NULL {which}
            RETURNING d.building_id)
        UPDATE city.building_pop p SET units = 0 FROM gone WHERE p.building_id = gone.building_id
        """
    )


def count_units() -> TextClause:
    """Keep the sums of buildings: `ids` with as many `units`."""
    return text(
        """
        INSERT INTO city.building_pop AS p (building_id, units)
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:units AS integer[]))
        ON CONFLICT (building_id) DO UPDATE SET units = excluded.units
         WHERE p.units <> excluded.units
        """
    )
