"""How devices do: which are silent or outside their limits now, and how reliable they have been.

Devices that have ended are left out; those in units where the caller may not know whether somebody
is at home, and those that are not public and he is not cleared for, are left out too.
"""

from collections.abc import Mapping
from typing import Any, Final

from cim.store.queries.linked.pieces import LIVING, RIGHTS
from cim.store.queries.parts import DEVICE_AREA
from cim.store.queries.ready import Asked, Ready

BATTERY_LOW: Final = 20.0
"""Per cent below which a battery is low."""

_TYPES: Final[Mapping[str, str]] = RIGHTS | {
    "class": "text", "vendor": "bigint", "area": "bigint", "secrecy": "int",
    "everywhere": "boolean", "in_areas": "bigint[]", "in_grids": "bigint[]", "limit": "int",
    "now": "timestamptz",
}  # fmt: skip

_DEVICES: Final = f"""
    devices AS MATERIALIZED (
        SELECT d.id, d.class_code AS class, d.vendor_org_id AS vendor, d.name, d.bind_type,
            d.bind_id, d.building_id, a.area, d.created_at
        FROM city.device d
        LEFT JOIN city.building b ON b.id = d.building_id
        CROSS JOIN LATERAL (SELECT {DEVICE_AREA} AS area) a
        WHERE d.ended_at IS NULL AND d.status <> 'removed' AND d.secrecy <= :secrecy
            AND (:class IS NULL OR d.class_code = :class)
            AND (:vendor IS NULL OR d.vendor_org_id = :vendor)
            AND (:area IS NULL OR a.area IN (
                WITH RECURSIVE below AS (
                    SELECT :area AS id UNION
                    SELECT x.id FROM city.admin_area x JOIN below ON x.parent_id = below.id)
                SELECT id FROM below))
            AND (:everywhere OR coalesce(a.area = ANY (:in_areas), false)
                OR coalesce(b.grid_id = ANY (:in_grids), false))
            AND (d.bind_type IS DISTINCT FROM 'unit'
                OR {LIVING.format(area="a.area", grid="b.grid_id")}))"""

_GROUP: Final = """
    CASE WHEN grouping(class) = 0 THEN 'class' WHEN grouping(vendor) = 0 THEN 'vendor'
         WHEN grouping(area) = 0 THEN 'area' ELSE 'all' END AS by,
    CASE WHEN grouping(class) = 0 THEN json_build_object('code', class,
            'zh', (SELECT i.name_zh FROM city.code_item i
                   WHERE i.list_code = 'device_class' AND i.code = class),
            'en', (SELECT i.name_en FROM city.code_item i
                   WHERE i.list_code = 'device_class' AND i.code = class))
         WHEN grouping(vendor) = 0 THEN json_build_object('id', vendor,
            'name', (SELECT o.name FROM city.organisation o WHERE o.id = vendor))
         WHEN grouping(area) = 0 THEN json_build_object('id', area,
            'name', (SELECT x.name FROM city.admin_area x WHERE x.id = area)) END AS key,
    count(*) AS devices"""

_SETS: Final = "GROUP BY GROUPING SETS ((), (class), (vendor), (area)) ORDER BY by, devices DESC"

_NAMED: Final = """json_build_object('id', f.id, 'name', f.name, 'class', f.class,
    'vendor', f.vendor, 'bound_to', CASE WHEN f.bind_type IS NOT NULL THEN
        json_build_object('type', f.bind_type, 'id', f.bind_id) END, 'building_id', f.building_id"""

_INSPECTION: Final = Ready(
    f"""
WITH {_DEVICES},
seen AS (
    SELECT d.*, max(t.last_at) AS heard, min(t.interval_s) AS every,
        coalesce(bool_or(t.quality IN (4, 5) OR t.last_value < t.low OR t.last_value > t.high),
            false) AS outside
    FROM devices d LEFT JOIN city.datastream t ON t.device_id = d.id
    GROUP BY d.id, d.class, d.vendor, d.name, d.bind_type, d.bind_id, d.building_id, d.area,
        d.created_at),
fleet AS MATERIALIZED (
    SELECT s.*, CASE WHEN heard IS NULL THEN 'never'
        WHEN heard < :now - greatest(make_interval(hours => :hours),
            make_interval(secs => 2 * coalesce(every, 0))) THEN 'silent'
        WHEN outside THEN 'outside'
        WHEN EXISTS (SELECT FROM city.event e WHERE e.device_id = s.id AND e.ended_at IS NULL)
            THEN 'alarm' ELSE 'passed' END AS state
    FROM seen s)
SELECT (SELECT coalesce(json_agg(g), '[]') FROM (
        SELECT {_GROUP}, count(*) FILTER (WHERE state = 'passed') AS passed,
            count(*) FILTER (WHERE state = 'silent') AS silent,
            count(*) FILTER (WHERE state = 'never') AS never,
            count(*) FILTER (WHERE state = 'outside') AS outside,
            count(*) FILTER (WHERE state = 'alarm') AS alarm
        FROM fleet {_SETS}) g)::text AS groups,
    (SELECT coalesce(json_agg(w.answer), '[]') FROM (
        SELECT {_NAMED}, 'state', f.state, 'heard', f.heard) AS answer
        FROM fleet f WHERE f.state <> 'passed'
        ORDER BY array_position(ARRAY['alarm', 'outside', 'silent', 'never'], f.state),
            f.heard, f.id LIMIT :limit) w)::text AS worst""",
    **_TYPES, hours="int",
)  # fmt: skip

_HEALTH: Final = Ready(
    f"""
WITH {_DEVICES},
days AS (
    SELECT t.device_id, r.at,
        max(CASE WHEN coalesce(t.interval_s, 0) <= 3600 THEN r.hours / 24.0
            ELSE least(1, (r.n + r.texts) * t.interval_s / 86400.0) END) AS online,
        sum(least(r.n + r.texts, 86400.0 / t.interval_s)) AS got
    FROM city.rollup_day r JOIN city.datastream t ON t.id = r.datastream_id
    WHERE r.at >= :since AND r.at < :until GROUP BY t.device_id, r.at),
sums AS (SELECT device_id, sum(online) AS online, sum(got) AS got FROM days GROUP BY device_id),
streams AS (
    SELECT t.device_id, max(greatest(t.last_at, t.received_at)) AS heard,
        min(t.interval_s) AS every, sum(86400.0 / t.interval_s) AS expected,
        min(t.first_at) AS first_at,
        max(date_part('epoch', t.received_at - t.last_at)) AS delay,
        min(t.last_value) FILTER (WHERE t.name = 'battery' OR t.observed_property IN
            ('battery level', 'battery', '电量')) AS battery
    FROM city.datastream t WHERE t.device_id IN (SELECT id FROM devices) GROUP BY t.device_id),
events AS (
    SELECT e.device_id, count(*) AS alarms, count(*) FILTER (WHERE e.false_alarm) AS false_alarms,
        count(*) FILTER (WHERE e.kind = '故障' AND NOT e.false_alarm) AS faults,
        count(*) FILTER (WHERE {{mended}}) AS mended,
        sum(date_part('epoch', e.ended_at - e.started_at)) FILTER (WHERE {{mended}}) AS repair
    FROM city.event e
    WHERE e.device_id IS NOT NULL AND e.started_at >= :since AND e.started_at < :until
    GROUP BY e.device_id),
fleet AS MATERIALIZED (
    SELECT d.*, t.heard, t.battery, y.days,
        CASE WHEN t.delay > 0 THEN t.delay ELSE 0 * t.delay END AS delay,
        coalesce(t.heard >= :now - make_interval(secs => greatest(3 * coalesce(t.every, 28800),
            600)), false) AS online_now,
        coalesce(s.online, 0) AS online, least(coalesce(s.got, 0), t.expected * y.days) AS got,
        t.expected * y.days AS expected, coalesce(e.alarms, 0) AS alarms,
        coalesce(e.false_alarms, 0) AS false_alarms, coalesce(e.faults, 0) AS faults,
        coalesce(e.mended, 0) AS mended, e.repair
    FROM devices d
    LEFT JOIN streams t ON t.device_id = d.id
    LEFT JOIN sums s ON s.device_id = d.id
    LEFT JOIN events e ON e.device_id = d.id
    CROSS JOIN LATERAL (SELECT greatest(0, ceil(date_part('epoch', :until - greatest(:since,
        coalesce(t.first_at, :since))) / 86400)) AS days) y)
SELECT (SELECT coalesce(json_agg(g), '[]') FROM (
        SELECT {_GROUP}, count(*) FILTER (WHERE online_now) AS online_now,
            round((sum(online) / nullif(sum(days), 0))::numeric, 4)::float8 AS online_rate,
            round((sum(got) / nullif(sum(expected), 0))::numeric, 4)::float8 AS completeness,
            round((24 * greatest(0, sum(days - online)))::numeric, 1)::float8 AS offline_hours,
            round((percentile_cont(0.5) WITHIN GROUP (ORDER BY delay))::numeric, 3)::float8
                AS delay_s,
            round((percentile_cont(0.95) WITHIN GROUP (ORDER BY delay))::numeric, 3)::float8
                AS delay_p95_s,
            count(battery) AS batteries,
            count(*) FILTER (WHERE battery < {BATTERY_LOW}) AS batteries_low,
            sum(alarms)::bigint AS alarms, sum(false_alarms)::bigint AS false_alarms,
            sum(faults)::bigint AS faults,
            round((sum(repair) / nullif(sum(mended), 0) / 3600)::numeric, 2)::float8
                AS repair_hours
        FROM fleet {_SETS}) g)::text AS groups,
    (SELECT coalesce(json_agg(w.answer), '[]') FROM (
        SELECT {_NAMED}, 'heard', f.heard, 'online_now', f.online_now,
            'online_rate', round((f.online / nullif(f.days, 0))::numeric, 4)::float8,
            'completeness', round((f.got / nullif(f.expected, 0))::numeric, 4)::float8,
            'offline_hours', round((24 * greatest(0, f.days - f.online))::numeric, 1)::float8,
            'delay_s', round(f.delay::numeric, 3)::float8, 'battery', f.battery,
            'alarms', f.alarms, 'false_alarms', f.false_alarms, 'faults', f.faults,
            'repair_hours', round((f.repair / nullif(f.mended, 0) / 3600)::numeric, 2)::float8)
            AS answer
        FROM fleet f ORDER BY f.online / nullif(f.days, 0) NULLS LAST, f.faults DESC, f.id
        LIMIT :limit) w)::text AS worst""".replace(
        "{mended}", "e.kind = '故障' AND NOT e.false_alarm AND e.ended_at IS NOT NULL"
    ),
    **_TYPES, since="timestamptz", until="timestamptz",
)  # fmt: skip

UNTIL: Final = Ready("SELECT rolled_until FROM city.rollup_level WHERE level = 'day'")
"""Until when days are summed up."""


def sight(
    place: tuple[list[int], list[int]] | None, living: Mapping[str, Any], secrecy: int
) -> dict[str, Any]:
    """Whose devices somebody looks after: those of the whole city, or of areas and grids."""
    areas, grids = place if place is not None else ([], [])
    where = {"everywhere": place is None, "in_areas": areas, "in_grids": grids}
    return {**where, **living, "secrecy": secrecy}


def inspection(now: Any, hours: int, limit: int, **by: Any) -> Asked:
    """Devices by what an inspection from afar finds, in `groups` and `worst`, as JSON."""
    return _INSPECTION(now=now, hours=hours, limit=limit, **by)


def health(now: Any, period: tuple[Any, Any], limit: int, **by: Any) -> Asked:
    """How reliable devices were in some days, in `groups` and `worst`, as JSON."""
    return _HEALTH(now=now, since=period[0], until=period[1], limit=limit, **by)
