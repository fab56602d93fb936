"""Merge of derived rows into what stands: staged tables first, then one statement a step.

Staged rows carry new ids.  A step that finds a staged row's standing twin keeps the twin's id and
points the staged children at it; what has no twin is inserted; what has no staged row is ended.
Nothing that something may point to is deleted, except plans and slots, which nothing outside
refers to.
"""

from sqlalchemy import TextClause, text

STAGED = {
    "entrance": "city.entrance",
    "floor_plan": "city.floor_plan",
    "floor_slot": "city.floor_slot",
    "storey": "city.storey",
    "unit": "city.unit",
    "derived": "platform.derived",
}
"""Temporary tables `staged_NAME`, each like its table, with `twin_id` and `same`."""


def stage() -> list[TextClause]:
    """Empty staging tables; they vanish with the transaction."""
    steps = []
    for name, table in STAGED.items():
        made = f"CREATE TEMPORARY TABLE IF NOT EXISTS staged_{name} ON COMMIT DROP AS SELECT *,"
        kept = f"NULL::bigint AS twin_id, NULL::boolean AS same FROM {table} LIMIT 0"
        steps += [text(f"{made} {kept}"), text(f"TRUNCATE staged_{name}")]
    return steps


def analyse() -> list[TextClause]:
    """Statistics of what was staged: without them the planner takes the tables for empty."""
    return [text(f"ANALYZE staged_{name}") for name in STAGED]


def merge_entrances() -> list[TextClause]:
    """Entrances by building and number; surveyed and drawn places stay."""
    return [
        text(
            """
            INSERT INTO city.entrance AS e (id, building_id, no, name, geom, geom_status)
            SELECT id, building_id, no, name, geom, geom_status FROM staged_entrance
            ON CONFLICT (building_id, no) DO UPDATE
               SET geom = excluded.geom, geom_status = excluded.geom_status,
                   ended_at = NULL, updated_at = now()
             WHERE e.geom_status IN ('generated', 'none')
               AND (e.geom IS DISTINCT FROM excluded.geom OR e.ended_at IS NOT NULL)
            """
        ),
        text(
            """
            UPDATE city.entrance e SET ended_at = now(), updated_at = now()
              FROM staged_derived d
             WHERE e.building_id = d.building_id AND e.ended_at IS NULL
               AND e.geom_status IN ('generated', 'none')
               AND NOT EXISTS (SELECT FROM staged_entrance s
                                WHERE s.building_id = e.building_id AND s.no = e.no)
            """
        ),
    ]


_SIGNED = """
    SELECT p.id, p.building_id, p.kind,
           concat(p.area, '|', string_agg(
               concat(s.no, ' ', s.entrance_no, ' ', s.area, ' ', s.orientation, ' ',
                      md5(s.outline::text)), ',' ORDER BY s.no)) AS signature
"""


def merge_plans() -> list[TextClause]:
    """Plans by what is on them; a drawn plan keeps its id whatever its slots are."""
    return [
        text(
            f"""
            WITH old AS (SELECT building_id, kind, signature, min(id) AS id FROM ({_SIGNED}
                  FROM city.floor_plan p JOIN staged_derived d USING (building_id)
                  LEFT JOIN city.floor_slot s ON s.plan_id = p.id GROUP BY p.id) AS signed
                 GROUP BY building_id, kind, signature),
            new AS ({_SIGNED}
                  FROM staged_floor_plan p
                  LEFT JOIN staged_floor_slot s ON s.plan_id = p.id
                 GROUP BY p.id, p.building_id, p.kind, p.area)
            UPDATE staged_floor_plan p SET twin_id = old.id
              FROM new JOIN old USING (building_id, kind, signature)
             WHERE p.id = new.id AND p.kind <> 'drawn'
            """
        ),
        # Two layouts of a building may look alike: each slot of a twin stands once in the map.
        text(
            """
            UPDATE staged_floor_slot n SET twin_id = o.id
              FROM staged_floor_plan p JOIN city.floor_slot o ON o.plan_id = p.twin_id
             WHERE n.plan_id = p.id AND o.no = n.no AND p.kind <> 'drawn'
            """
        ),
        text(
            """
            UPDATE staged_storey s SET plan_id = p.twin_id
              FROM staged_floor_plan p WHERE s.plan_id = p.id AND p.twin_id IS NOT NULL
            """
        ),
        text(
            """
            INSERT INTO city.floor_plan (id, building_id, kind, outline, area, geom_status)
            SELECT id, building_id, kind, outline, area, geom_status
              FROM staged_floor_plan WHERE twin_id IS NULL
            """
        ),
        text(
            """
            UPDATE city.unit u SET slot_id = NULL
              FROM staged_floor_plan p JOIN city.floor_slot s ON s.plan_id = p.twin_id
             WHERE p.kind = 'drawn' AND u.building_id = p.building_id AND u.slot_id = s.id
            """
        ),
        text(
            """
            DELETE FROM city.floor_slot s USING staged_floor_plan p
             WHERE p.kind = 'drawn' AND s.plan_id = p.twin_id
            """
        ),
        text(
            """
            INSERT INTO city.floor_slot (id, plan_id, no, entrance_no, outline, area, orientation)
            SELECT s.id, coalesce(p.twin_id, p.id), s.no, s.entrance_no, s.outline, s.area,
                   s.orientation
              FROM staged_floor_slot s JOIN staged_floor_plan p ON p.id = s.plan_id
             WHERE s.twin_id IS NULL
            """
        ),
    ]


def merge_storeys() -> list[TextClause]:
    """Storeys by building, number and label; given ones by id, their names untouched."""
    return [
        text(
            """
            UPDATE staged_storey n SET twin_id = o.id
              FROM city.storey o
             WHERE n.twin_id IS NULL AND o.building_id = n.building_id AND o.no = n.no
               AND o.label = n.label AND o.ended_at IS NULL
            """
        ),
        # A storey that ended comes back as it was: its units, and who lives there, hang on its id.
        # One that its table dropped while units stand on it takes the usual label again.
        text(
            """
            UPDATE staged_storey n SET twin_id = f.old FROM (
                SELECT DISTINCT ON (s.id) s.id AS new, o.id AS old
                  FROM staged_storey s JOIN city.storey o
                    ON o.building_id = s.building_id AND o.no = s.no AND o.ended_at IS NOT NULL
                 WHERE s.twin_id IS NULL AND (o.label = s.label OR EXISTS (
                       SELECT FROM city.unit u WHERE u.building_id = o.building_id
                          AND u.storey_id = o.id AND u.ended_at IS NULL))
                 ORDER BY s.id, o.ended_at DESC, o.label = s.label DESC, o.id DESC) f
             WHERE n.id = f.new
            """
        ),
        text(
            """
            INSERT INTO city.storey (id, building_id, plan_id, no, label, kind, elev_bottom,
                                     elev_top, status)
            SELECT id, building_id, plan_id, no, label, kind, elev_bottom, elev_top, status
              FROM staged_storey WHERE twin_id IS NULL
            """
        ),
        text(
            """
            WITH old AS (
                SELECT o.id FROM city.storey o JOIN staged_storey n ON o.id = n.twin_id
                 WHERE (o.plan_id, o.elev_bottom, o.elev_top, o.ended_at) IS DISTINCT FROM
                       (n.plan_id, n.elev_bottom, n.elev_top, NULL))
            UPDATE city.storey o
               SET plan_id = n.plan_id, elev_bottom = n.elev_bottom, elev_top = n.elev_top,
                   kind = CASE WHEN o.status = 'given' AND o.ended_at IS NULL
                               THEN o.kind ELSE n.kind END,
                   label = CASE WHEN o.ended_at IS NULL THEN o.label ELSE n.label END,
                   status = CASE WHEN o.ended_at IS NULL THEN o.status ELSE 'generated' END,
                   ended_at = NULL, updated_at = now()
              FROM staged_storey n JOIN old ON old.id = n.twin_id
             WHERE o.id = old.id
            """
        ),
    ]


def end_storeys() -> TextClause:
    """End generated storeys that are no longer derived; their units have ended before."""
    return text(
        """
        UPDATE city.storey o SET ended_at = now(), updated_at = now(), plan_id = NULL
          FROM staged_derived d
         WHERE o.building_id = d.building_id AND o.ended_at IS NULL AND o.status = 'generated'
           AND NOT EXISTS (SELECT FROM staged_storey n
                            WHERE n.building_id = o.building_id
                              AND coalesce(n.twin_id, n.id) = o.id)
        """
    )


def match_units() -> list[TextClause]:
    """Generated units that stand already, by storey, entrance and room number; else ended ones.

    First, in one go, they learn which storeys, entrances and places stand already.
    """
    return [
        text(
            """
            UPDATE staged_unit u
               SET storey_id = m.storey_id, entrance_id = m.entrance_id, slot_id = m.slot_id
              FROM (SELECT n.id, coalesce(s.twin_id, n.storey_id) AS storey_id,
                           coalesce(e.id, n.entrance_id) AS entrance_id,
                           coalesce(l.twin_id, n.slot_id) AS slot_id
                      FROM staged_unit n
                      LEFT JOIN staged_storey s ON s.id = n.storey_id
                      LEFT JOIN staged_floor_slot l ON l.id = n.slot_id
                      LEFT JOIN staged_entrance d ON d.id = n.entrance_id
                      LEFT JOIN city.entrance e ON e.building_id = d.building_id AND e.no = d.no) m
             WHERE m.id = u.id
            """
        ),
        text(
            """
            UPDATE staged_unit n SET twin_id = o.id, same = (o.slot_id, o.kind, o.geom_status)
                       IS NOT DISTINCT FROM (n.slot_id, n.kind, n.geom_status)
              FROM city.unit o
             WHERE n.twin_id IS NULL AND o.building_id = n.building_id
               AND o.storey_id = n.storey_id AND o.room_no = n.room_no
               AND coalesce(o.entrance_id, 0) = coalesce(n.entrance_id, 0)
               AND o.ended_at IS NULL AND o.ext_id IS NULL
            """
        ),
        text(
            """
            UPDATE staged_unit n SET twin_id = f.old FROM (
                SELECT DISTINCT ON (s.id) s.id AS new, o.id AS old
                  FROM staged_unit s JOIN city.unit o
                    ON o.building_id = s.building_id AND o.storey_id = s.storey_id
                   AND o.room_no = s.room_no
                   AND coalesce(o.entrance_id, 0) = coalesce(s.entrance_id, 0)
                 WHERE s.twin_id IS NULL AND o.ended_at IS NOT NULL AND o.ext_id IS NULL
                 ORDER BY s.id, o.ended_at DESC, o.id DESC) f
             WHERE n.id = f.new
            """
        ),
        # Else the planner reads every unit of the city to find the few that changed.
        text("ANALYZE staged_unit (same, twin_id)"),
    ]


def end_units() -> TextClause:
    """End generated units that are no longer derived."""
    return text(
        """
        WITH ended AS (
            UPDATE city.unit o SET ended_at = now(), updated_at = now(), slot_id = NULL
              FROM staged_derived d
             WHERE o.building_id = d.building_id AND o.ended_at IS NULL AND o.ext_id IS NULL
               AND NOT EXISTS (SELECT FROM staged_unit n WHERE n.twin_id = o.id)
            RETURNING o.id)
        SELECT count(*) FROM ended
        """
    )


def leave_places() -> list[TextClause]:
    """Units that have ended, or have an outline of their own now, give up their places.

    The entrance of a unit that moved to another building is the one of that number there.
    """
    return [
        text(
            """
            UPDATE city.unit u SET slot_id = NULL, updated_at = now(),
                   geom_status = CASE WHEN u.outline IS NULL AND u.ended_at IS NULL
                                      THEN 'none' ELSE u.geom_status END
              FROM staged_derived d
             WHERE u.building_id = d.building_id AND u.slot_id IS NOT NULL
               AND (u.ended_at IS NOT NULL OR u.ext_id IS NOT NULL)
               AND NOT EXISTS (SELECT FROM staged_unit n WHERE n.twin_id = u.id)
            """
        ),
        text(
            """
            UPDATE city.unit u SET entrance_id = own.id, updated_at = now()
              FROM staged_derived d, city.entrance e, city.entrance own
             WHERE u.building_id = d.building_id AND u.ext_id IS NOT NULL AND u.ended_at IS NULL
               AND e.id = u.entrance_id AND e.building_id <> u.building_id
               AND own.building_id = u.building_id AND own.no = e.no
               AND NOT EXISTS (
                   SELECT FROM city.unit o WHERE o.storey_id = u.storey_id
                      AND o.room_no = u.room_no AND coalesce(o.entrance_id, 0) = own.id
                      AND o.ended_at IS NULL)
            """
        ),
    ]


def merge_units() -> list[TextClause]:
    """Update the units that stand where they changed, insert the others."""
    return [
        text(
            """
            WITH changed AS (
                SELECT o.id, n.slot_id AS new_slot,
                       CASE WHEN o.ext_id IS NULL THEN n.kind ELSE o.kind END AS new_kind,
                       n.geom_status AS new_status
                  FROM staged_unit n JOIN city.unit o ON o.id = n.twin_id
                 WHERE n.same IS NOT TRUE AND ((o.slot_id, o.geom_status, o.ended_at)
                       IS DISTINCT FROM (n.slot_id, n.geom_status, NULL)
                    OR o.ext_id IS NULL AND o.kind <> n.kind))
            UPDATE city.unit o SET slot_id = c.new_slot, kind = c.new_kind,
                   geom_status = c.new_status, ended_at = NULL, updated_at = now()
              FROM changed c
             WHERE o.id = c.id
            """
        ),
        text(
            """
            INSERT INTO city.unit (id, building_id, storey_id, entrance_id, slot_id, room_no,
                                   kind, geom_status)
            SELECT id, building_id, storey_id, entrance_id, slot_id, room_no, kind, geom_status
              FROM staged_unit WHERE twin_id IS NULL
            """
        ),
    ]


def drop_plans() -> list[TextClause]:
    """Delete plans that no present storey has, with their slots."""
    return [
        text(
            """
            UPDATE city.storey o SET plan_id = NULL FROM staged_derived d
             WHERE o.building_id = d.building_id AND o.ended_at IS NOT NULL AND plan_id > 0
            """
        ),
        text(
            """
            DELETE FROM city.floor_slot s
             USING city.floor_plan p JOIN staged_derived d USING (building_id)
             WHERE s.plan_id = p.id
               AND NOT EXISTS (SELECT FROM city.storey o WHERE o.plan_id = p.id)
            """
        ),
        text(
            """
            DELETE FROM city.floor_plan p USING staged_derived d
             WHERE p.building_id = d.building_id
               AND NOT EXISTS (SELECT FROM city.storey o WHERE o.plan_id = p.id)
            """
        ),
    ]


def settle() -> list[TextClause]:
    """Note what the buildings were derived from, and how many units they have now."""
    return [
        text(
            """
            INSERT INTO platform.derived AS d (building_id, input_hash)
            SELECT building_id, input_hash FROM staged_derived
            ON CONFLICT (building_id) DO UPDATE SET input_hash = excluded.input_hash, at = now()
            """
        ),
        text(
            """
            INSERT INTO city.building_pop AS p (building_id, units)
            SELECT d.building_id, count(u.id)
              FROM staged_derived d
              LEFT JOIN city.unit u ON u.building_id = d.building_id AND u.ended_at IS NULL
             GROUP BY d.building_id
            ON CONFLICT (building_id) DO UPDATE SET units = excluded.units
             WHERE p.units <> excluded.units
            """
        ),
    ]
