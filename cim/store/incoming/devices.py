"""Devices on their way in: what each is bound to, and its datastreams."""

from typing import Final

from cim.store.incoming import links, merge
from cim.store.incoming.stage import ROWS, Counts, Stage
from cim.store.queries.incoming import links as statements

BOUND: Final = {
    "unit": "city.unit",
    "storey": "city.storey",
    "entrance": "city.entrance",
    "facility": "city.facility",
    "building": "city.building",
    "estate": "city.estate",
    "project": "city.project",
}
"""What a device can be bound to, the narrowest first, with its table."""

CODED: Final = frozenset(BOUND) - {"storey", "entrance"}
"""Those with a key in their source; the others go by our id alone."""

HOUSED: Final = ("unit", "storey", "entrance", "facility")
"""Those that stand in a building."""

REFERENCES: Final = (*(f"{kind}_ref" for kind in BOUND), "room_ref", "bind")
"""Fields that say what a device is bound to."""

_OWN_GATEWAYS: Final = """
    UPDATE city.device d SET gateway_id = g.id FROM stage_rows s
    JOIN city.device g ON g.source_id = :source_id AND g.ext_id = s.gateway_ref
        AND g.ended_at IS NULL
    WHERE d.source_id = :source_id AND d.ext_id = s.ext_id AND s.gateway_id IS NULL
      AND d.gateway_id IS DISTINCT FROM g.id"""
"""Gateways that came with the devices behind them."""

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
    """Find what each row names, and bind the device to what it says, else to the narrowest.

    A file that says nothing of it leaves devices that are known bound as they are.
    """
    links.resolve(stage)
    if stage.has("bind"):
        _as_said(stage)
    narrowest = " ".join(f"WHEN {kind}_id IS NOT NULL THEN '{kind}'" for kind in BOUND)
    wished = " ".join(f"WHEN '{kind}' THEN {kind}_id" for kind in BOUND)
    stage.run(f"UPDATE {ROWS} SET bind_type = CASE {narrowest} END WHERE bind_type IS NULL")
    stage.run(f"UPDATE {ROWS} SET bind_id = CASE bind_type {wished} END")
    for kind in BOUND:
        stage.set_aside(f"s.bind_type = '{kind}' AND s.bind_id IS NULL", "bind_type", f"no_{kind}")
    for kind in HOUSED:
        stage.run(statements.house_of(ROWS, kind, BOUND[kind]))
    if not any(map(stage.has, REFERENCES)):
        stage.insert_only |= {"bind_type", "bind_id", "building_id"}
    if stage.has("gateway_ref"):
        _behind(stage)
    else:
        stage.insert_only |= {"gateway_id"}


def _as_said(stage: Stage) -> None:
    """What rows say in one word, as unit:U-1001: it goes before all else they name."""
    stage.run(
        f"UPDATE {ROWS} SET bind_type = bind_kind, building_id = NULL WHERE bind_kind IS NOT NULL"
    )
    for kind, table in BOUND.items():
        mine, id = f"s.bind_kind = '{kind}'", f"s.{kind}_id"
        stage.run(f"UPDATE {ROWS} s SET {kind}_id = NULL WHERE {mine}")
        if kind in CODED:
            stage.run(statements.bound(ROWS, kind, table), source_id=stage.source_id)
        stage.run(statements.by_id(ROWS, "bind_key", f"{kind}_id", table, mine))
        for wrong, reason in ((f"{id} = -1", "ambiguous"), (f"{id} IS NULL", f"no_{kind}")):
            stage.set_aside(f"{mine} AND {wrong}", "bind", reason, value="s.bind")


def _behind(stage: Stage) -> None:
    """Gateways that rows name must be known, or come with them."""
    key = {"source_id": stage.source_id}
    stage.run(statements.by_key(ROWS, "gateway_ref", "gateway_id", "city.device"), **key)
    stage.run(statements.by_id(ROWS, "gateway_ref", "gateway_id", "city.device"))
    come = f"EXISTS (SELECT FROM {ROWS} o WHERE o.ext_id = s.gateway_ref)"
    # One that comes with the row is meant before one of that key in another source.
    stage.run(
        f"""UPDATE {ROWS} s SET gateway_id = NULL WHERE {come} AND NOT EXISTS (
            SELECT FROM city.device g WHERE g.id = s.gateway_id AND g.source_id = :source_id)""",
        **key,
    )
    missing = f"s.gateway_ref IS NOT NULL AND s.gateway_id IS NULL AND NOT {come}"
    for wrong, reason in (
        ("s.gateway_ref = s.ext_id", "own_gateway"),
        ("s.gateway_id = -1", "ambiguous"),
        (missing, "no_device"),
    ):
        stage.set_aside(wrong, "gateway_ref", reason, value="s.gateway_ref")


def enter(stage: Stage) -> Counts:
    """Devices by key, then the streams their rows name; others that they have stay."""
    counts = merge.by_source(stage)
    if stage.has("streams"):
        stage.run(_STREAMS, source_id=stage.source_id)
    if stage.has("gateway_ref"):
        stage.run(_OWN_GATEWAYS, source_id=stage.source_id)
    return counts
