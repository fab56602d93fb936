"""Devices on their way in: what each is bound to, and its datastreams."""

from typing import Final

from cim.store.incoming import links, merge
from cim.store.incoming.stage import ROWS, Counts, Stage

BOUND: Final = ("unit", "entrance", "facility", "building", "estate")
"""What a device can be bound to, the narrowest first."""

_STREAMS: Final = """
    INSERT INTO city.datastream
        (device_id, name, observed_property, unit_ucum, result_type, interval_s)
    SELECT DISTINCT ON (d.id, trim(split_part(x.part, ':', 1)))
        d.id, trim(split_part(x.part, ':', 1)), trim(split_part(x.part, ':', 1)),
        nullif(trim(split_part(x.part, ':', 2)), ''),
        coalesce(nullif(trim(split_part(x.part, ':', 3)), ''), 'number'),
        nullif(trim(split_part(x.part, ':', 4)), '')::int
    FROM stage_rows s
    JOIN city.device d ON d.source_id = :source_id AND d.ext_id = s.ext_id
    CROSS JOIN LATERAL regexp_split_to_table(s.streams, ';') AS x(part)
    WHERE trim(x.part) <> ''
    ON CONFLICT (device_id, name) DO UPDATE
    SET unit_ucum = excluded.unit_ucum, result_type = excluded.result_type,
        interval_s = excluded.interval_s
    WHERE ROW(city.datastream.unit_ucum, city.datastream.result_type, city.datastream.interval_s)
        IS DISTINCT FROM ROW(excluded.unit_ucum, excluded.result_type, excluded.interval_s)"""


def settle(stage: Stage) -> None:
    """Find what each row names, and bind the device to what it says, else to the narrowest."""
    links.resolve(stage)
    narrowest = " ".join(f"WHEN {kind}_id IS NOT NULL THEN '{kind}'" for kind in BOUND)
    wished = " ".join(f"WHEN '{kind}' THEN {kind}_id" for kind in BOUND)
    stage.run(f"UPDATE {ROWS} SET bind_type = CASE {narrowest} END WHERE bind_type IS NULL")
    stage.run(f"UPDATE {ROWS} SET bind_id = CASE bind_type {wished} END")
    for kind in BOUND:
        stage.set_aside(f"s.bind_type = '{kind}' AND s.bind_id IS NULL", "bind_type", f"no_{kind}")
    stage.run(
        f"""UPDATE {ROWS} s SET building_id = f.building_id FROM city.facility f
            WHERE f.id = s.facility_id AND s.building_id IS NULL"""
    )


def enter(stage: Stage) -> Counts:
    """Devices by key, then the streams their rows name; others that they have stay."""
    counts = merge.by_source(stage)
    if stage.has("streams"):
        stage.run(_STREAMS, source_id=stage.source_id)
    return counts
