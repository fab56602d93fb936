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
    "skip": "int", "now": "timestamptz",
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
SELECT CASE WHEN :skip > 0 THEN '[]' ELSE (SELECT coalesce(json_agg(g), '[]') FROM (
        SELECT {_GROUP}, count(*) FILTER (WHERE state = 'passed') AS passed,
            count(*) FILTER (WHERE state = 'silent') AS silent,
            count(*) FILTER (WHERE state = 'never') AS never,
            count(*) FILTER (WHERE state = 'outside') AS outside,
            count(*) FILTER (WHERE state = 'alarm') AS alarm
        FROM fleet {_SETS}) g)::text END AS groups,
    (SELECT coalesce(json_agg(w.answer), '[]') FROM (
        SELECT {_NAMED}, 'state', f.state, 'heard', f.heard) AS answer
        FROM fleet f WHERE f.state <> 'passed'
        ORDER BY array_position(ARRAY['alarm', 'outside', 'silent', 'never'], f.state),
            f.heard, f.id LIMIT :limit OFFSET :skip) w)::text AS worst,
    (SELECT count(*) FROM fleet WHERE state <> 'passed') > :skip + :limit AS more""",
    **_TYPES, hours="int",
)  # fmt: skip

_HEALTH: Final = Ready(
    f"""
WITH {_DEVICES},
streams AS MATERIALIZED (
    SELECT t.id, t.device_id, t.interval_s, 86400.0::float8 / t.interval_s AS a_day, t.first_at,
        greatest(t.last_at, t.received_at) AS heard,
        date_part('epoch', t.received_at - t.last_at) AS delay,
        CASE WHEN t.name = 'battery' OR t.observed_property IN ('battery level', 'battery', '电量')
            THEN t.last_value END AS battery,
        date_bin('1 hour', min(t.first_at) OVER a_device, :since) AS since,
        sum(86400.0::float8 / t.interval_s) OVER a_device AS due
    FROM devices d JOIN city.datastream t ON t.device_id = d.id
    WINDOW a_device AS (PARTITION BY t.device_id)),
days AS (
    -- Of the day on which a device was put up, what was left of it.
    SELECT s.device_id, least(max(p.part), max(CASE WHEN s.interval_s > 3600
            THEN (r.n + r.texts) / s.a_day ELSE r.hours / 24.0::float8 END)) AS online,
        least(max(p.part * s.due), sum(least(r.n + r.texts, s.a_day))) AS got
    FROM streams s JOIN city.rollup_day r ON r.datastream_id = s.id
        AND r.at >= :since AND r.at < :until
    CROSS JOIN LATERAL (SELECT least(1, greatest(0,
        coalesce(date_part('epoch', r.at - s.since) / 86400, 0) + 1)) AS part) p
    GROUP BY s.device_id, r.at),
-- What is known of a device is put beneath each other and added up once: nothing here has an index
-- by which it could be joined, however many there are.
told AS (
    SELECT d.id, d.class, d.vendor, d.area, d.created_at, NULL::timestamptz AS first_at,
        NULL::timestamptz AS heard, NULL::int AS every, NULL::float8 AS a_day,
        NULL::float8 AS delay, NULL::float8 AS battery, NULL::float8 AS online,
        NULL::float8 AS got, NULL::bigint AS alarms, NULL::bigint AS false_alarms,
        NULL::bigint AS faults, NULL::bigint AS mended, NULL::float8 AS repair
    FROM devices d
    UNION ALL SELECT s.device_id, NULL, NULL, NULL, NULL, s.first_at, s.heard, s.interval_s,
        s.a_day, s.delay, s.battery, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM streams s
    UNION ALL SELECT y.device_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        y.online, y.got, NULL, NULL, NULL, NULL, NULL FROM days y
    UNION ALL SELECT e.device_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, 1, e.false_alarm::int, (e.kind = '故障' AND NOT e.false_alarm)::int,
        ({{mended}})::int, CASE WHEN {{mended}}
            THEN date_part('epoch', e.ended_at - e.started_at) END
    FROM city.event e
    WHERE e.device_id IS NOT NULL AND e.started_at >= :since AND e.started_at < :until),
known AS (
    SELECT id, max(class) AS class, max(vendor) AS vendor, max(area) AS area, max(heard) AS heard,
        min(every) AS every, sum(a_day) AS a_day, greatest(max(delay), 0) AS delay,
        min(battery) AS battery, coalesce(sum(online), 0) AS online, coalesce(sum(got), 0) AS got,
        coalesce(sum(alarms), 0) AS alarms, coalesce(sum(false_alarms), 0) AS false_alarms,
        coalesce(sum(faults), 0) AS faults, coalesce(sum(mended), 0) AS mended,
        sum(repair) AS repair, greatest(0, date_part('epoch', :until - greatest(:since,
            date_bin('1 hour', coalesce(min(first_at), max(created_at)), :since))) / 86400) AS days,
        count(delay) > 0 AS spoke
    FROM told GROUP BY id HAVING count(created_at) > 0),
fleet AS MATERIALIZED (
    SELECT k.id, k.class, k.vendor, k.area, k.heard, k.battery, k.days, k.online, k.got,
        CASE WHEN k.spoke THEN k.delay END AS delay, k.a_day * k.days AS expected, k.alarms,
        k.false_alarms, k.faults, k.mended, k.repair,
        coalesce(k.heard >= :now - make_interval(secs => greatest(3 * coalesce(k.every, 28800),
            600)), false) AS online_now
    FROM known k),
grouped AS (
    SELECT {_GROUP}, count(*) FILTER (WHERE online_now) AS online_now,
        sum(online) / nullif(sum(days), 0) AS online_rate,
        sum(got) / nullif(sum(expected), 0) AS completeness,
        24 * greatest(0, sum(days - online)) AS offline_hours,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY delay) AS delays,
        count(battery) AS batteries,
        count(*) FILTER (WHERE battery < {BATTERY_LOW}) AS batteries_low,
        sum(alarms)::bigint AS alarms, sum(false_alarms)::bigint AS false_alarms,
        sum(faults)::bigint AS faults, sum(repair) / nullif(sum(mended), 0) / 3600 AS repair_hours
    FROM fleet {_SETS})
SELECT CASE WHEN :skip > 0 THEN '[]' ELSE (SELECT coalesce(json_agg(g), '[]') FROM (
        SELECT by, key, devices, online_now, round(online_rate::numeric, 4)::float8 AS online_rate,
            round(completeness::numeric, 4)::float8 AS completeness,
            round(offline_hours::numeric, 1)::float8 AS offline_hours,
            round(delays[1]::numeric, 3)::float8 AS delay_s,
            round(delays[2]::numeric, 3)::float8 AS delay_p95_s, batteries, batteries_low, alarms,
            false_alarms, faults, round(repair_hours::numeric, 2)::float8 AS repair_hours
        FROM grouped) g)::text END AS groups,
    (SELECT coalesce(json_agg(w.answer), '[]') FROM (
        SELECT {_NAMED}, 'heard', f.heard, 'online_now', f.online_now,
            'online_rate', round((f.online / nullif(f.days, 0))::numeric, 4)::float8,
            'completeness', round((f.got / nullif(f.expected, 0))::numeric, 4)::float8,
            'offline_hours', round((24 * greatest(0, f.days - f.online))::numeric, 1)::float8,
            'delay_s', round(f.delay::numeric, 3)::float8, 'battery', f.battery,
            'alarms', f.alarms, 'false_alarms', f.false_alarms, 'faults', f.faults,
            'repair_hours', round((f.repair / nullif(f.mended, 0) / 3600)::numeric, 2)::float8)
            AS answer
        FROM (SELECT o.*, d.name, d.bind_type, d.bind_id, d.building_id FROM (SELECT * FROM fleet
                ORDER BY online / nullif(days, 0) NULLS LAST, faults DESC, id
                LIMIT :limit OFFSET :skip) o JOIN city.device d ON d.id = o.id
            ORDER BY o.online / nullif(o.days, 0) NULLS LAST, o.faults DESC, o.id) f
        ) w)::text AS worst,
    (SELECT count(*) FROM fleet) > :skip + :limit AS more""".replace(
        "{mended}", "e.kind = '故障' AND NOT e.false_alarm AND e.ended_at IS NOT NULL"
    ),
    **_TYPES, since="timestamptz", until="timestamptz",
)  # fmt: skip

UNTIL: Final = Ready("SELECT rolled_until FROM city.rollup_level WHERE level = 'day'")
"""Until when days are summed up."""

_KNOWN: Final = Ready(
    """SELECT :vendor IS NULL OR EXISTS (SELECT FROM city.organisation WHERE id = :vendor)
            AS vendor,
        :area IS NULL OR EXISTS (SELECT FROM city.admin_area WHERE id = :area) AS area""",
    vendor="bigint",
    area="bigint",
)


def known(vendor: int | None, area: int | None) -> Asked:
    """Whether there is an organisation and an area of these ids; none is asked for by None."""
    return _KNOWN(vendor=vendor, area=area)


def sight(
    place: tuple[list[int], list[int]] | None, living: Mapping[str, Any], secrecy: int
) -> dict[str, Any]:
    """Whose devices somebody looks after: those of the whole city, or of areas and grids."""
    areas, grids = place if place is not None else ([], [])
    where = {"everywhere": place is None, "in_areas": areas, "in_grids": grids}
    return {**where, **living, "secrecy": secrecy}


def inspection(now: Any, hours: int, page: tuple[int, int], **by: Any) -> Asked:
    """Devices by what an inspection from afar finds, in `groups` and `worst`, as JSON.

    A page is how many of the worst are skipped, and how many are told; `more` is whether there are
    more. Groups come with the first.
    """
    return _INSPECTION(now=now, hours=hours, skip=page[0], limit=page[1], **by)


def health(now: Any, period: tuple[Any, Any], page: tuple[int, int], **by: Any) -> Asked:
    """How reliable devices were in some days, likewise."""
    return _HEALTH(now=now, since=period[0], until=period[1], skip=page[0], limit=page[1], **by)
