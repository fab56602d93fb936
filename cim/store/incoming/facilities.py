"""Facilities on their way in: where each is, and what it serves."""

from typing import Final

from cim.store.incoming import links, merge
from cim.store.incoming.stage import ROWS, Counts, Stage

_SERVED: Final = """
    CREATE TEMPORARY TABLE stage_served ON COMMIT DROP AS
    SELECT t.id AS facility_id, o.object_type, o.object_id
    FROM (SELECT *, {wished} AS wished FROM stage_rows) s
    JOIN city.facility t ON t.source_id = :source_id AND t.ext_id = s.ext_id
    CROSS JOIN LATERAL (
        SELECT x.object_type, x.object_id FROM (VALUES
            ('unit', s.unit_id), ('entrance', s.entrance_id),
            ('building', s.building_id), ('estate', s.estate_id)) x(object_type, object_id)
        WHERE x.object_id IS NOT NULL AND (s.wished IS NULL OR s.wished = x.object_type)
        LIMIT 1) o"""
"""What each serves: what the row says, else the narrowest thing that it names."""

_STOP: Final = """
    DELETE FROM city.facility_service v USING stage_rows s, city.facility t
    WHERE t.source_id = :source_id AND t.ext_id = s.ext_id AND v.facility_id = t.id
      AND v.kind = 'serves' AND NOT EXISTS (
        SELECT FROM stage_served n WHERE n.facility_id = v.facility_id
        AND n.object_type = v.object_type AND n.object_id = v.object_id)"""

_SERVE: Final = """
    INSERT INTO city.facility_service (facility_id, object_type, object_id, kind)
    SELECT facility_id, object_type, object_id, 'serves' FROM stage_served
    ON CONFLICT DO NOTHING"""

_LIFTS: Final = """
    UPDATE city.entrance e SET lift_count = f.lifts, updated_at = now()
    FROM (SELECT v.object_id, count(*) AS lifts
          FROM city.facility_service v JOIN city.facility t ON t.id = v.facility_id
          WHERE v.object_type = 'entrance' AND t.class_code = 'lift' AND t.ended_at IS NULL
            AND v.object_id IN (SELECT object_id FROM stage_served WHERE object_type = 'entrance')
          GROUP BY 1) f
    WHERE e.id = f.object_id AND e.lift_count IS DISTINCT FROM f.lifts"""
"""An entrance has as many lifts as serve it."""


def settle(stage: Stage) -> None:
    """Find what each row names, and the estate of its building."""
    links.resolve(stage)
    stage.run(
        f"UPDATE {ROWS} s SET estate_id = b.estate_id FROM city.building b "
        "WHERE b.id = s.building_id AND s.estate_id IS NULL"
    )
    stage.set_aside(
        f"{_wished(stage)} = 'entrance' AND s.entrance_id IS NULL", "serves", "no_entrance"
    )


def _wished(stage: Stage) -> str:
    return "serves" if stage.has("serves") else "NULL::text"


def enter(stage: Stage) -> Counts:
    """Facilities by key, then what they serve, then the lifts of entrances."""
    counts = merge.by_source(stage)
    key = {"source_id": stage.source_id}
    stage.run(_SERVED.format(wished=_wished(stage)), **key)
    stage.run(_STOP, **key)
    stage.run(_SERVE)
    stage.run(_LIFTS)
    return counts
