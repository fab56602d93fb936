"""Pieces of SQL for what hangs on an object and on what it stands in.

They read two tables that the statement around them makes: `chain(type, id, rank, label)`, the
object and what it stands in, the nearest first, and `served(id, name, class_code, type, label,
rank)`, the facilities that serve any of these. `h.living` is whether the caller may know there
whether somebody is at home.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cim.store.queries.sensorthings.objects import DEVICE, UNIT

SERVED = """
    SELECT DISTINCT ON (f.id) f.id, f.name, f.class_code, c.type, c.label, c.rank
    FROM chain c
    JOIN city.facility_service v ON v.object_type = c.type AND v.object_id = c.id
    JOIN city.facility f ON f.id = v.facility_id AND f.ended_at IS NULL
    ORDER BY f.id, c.rank"""
"""The facilities that serve an object, each by the nearest of what it serves."""

WITHHELD = "({type} = 'unit' AND NOT h.living)"
"""Whether something of a unit itself is not for this caller."""

ALARM = "e.ended_at IS NULL AND e.state IS DISTINCT FROM 'closed' AND e.kind <> '门禁'"
"""An event that goes on; who opens a door is none."""

PUBLIC = """NOT EXISTS (SELECT FROM city.device x WHERE x.id = e.device_id AND x.secrecy > 0)"""
"""An event of no device that is not public."""

OF_A_HOME_BEFORE = """EXISTS (SELECT FROM city.device_binding hb WHERE hb.device_id = t.device_id
        AND hb.bind_type = 'unit' AND hb.valid_to > t.last_at)"""
"""Whether the latest of a stream `t` was measured in a unit where its device is no longer."""

HOMES_BEFORE = """(SELECT coalesce(json_agg(json_build_array(hu.building_id, hb.valid_to)), '[]')
        FROM city.device_binding hb JOIN city.unit hu ON hu.id = hb.bind_id
        WHERE hb.device_id = d.id AND hb.bind_type = 'unit' AND hb.valid_to IS NOT NULL)::text"""
"""Where else a device `d` stood in units: their buildings, and until when."""


HOLDER = f"""LEFT JOIN city.sta_datastream x ON x.datastream_id = t.id
    LEFT JOIN city.device d
        ON d.id = coalesce(t.device_id, CASE WHEN x.thing & 7 = {DEVICE} THEN x.thing >> 3 END)"""
"""The device `d` of a stream `t`, or that which a client's stream `x` is said to be of, if any."""

AT_HOME = f"(coalesce(d.bind_type = 'unit', false) OR coalesce(x.thing & 7 = {UNIT}, false))"
HOUSE = f"""coalesce(d.building_id, CASE WHEN x.thing & 7 = {UNIT} THEN
    (SELECT u.building_id FROM city.unit u WHERE u.id = x.thing >> 3) END)"""
"""Whether such a stream is of a home, and its building."""


def named(list_code: str, column: str, alias: str = "i") -> tuple[str, str]:
    """A code with both its names as JSON, and the join that finds them; for many rows of one code.

    The code itself stands for names that the list lacks.
    """
    return (
        f"""json_build_object('code', {column}, 'zh', coalesce({alias}.name_zh, {column}),
            'en', coalesce({alias}.name_en, {column}))""",
        f"LEFT JOIN city.code_item {alias} ON {alias}.list_code = '{list_code}'"
        f" AND {alias}.code = {column}",
    )


_FACILITY = named("facility_class", "f.class_code")
_DEVICE = named("device_class", "d.class_code")

FACILITIES = f"""(SELECT coalesce(json_agg(json_build_object('id', f.id, 'name', f.name,
            'class', {_FACILITY[0]},
            'serves', json_build_object('type', f.type, 'label', f.label))
            ORDER BY f.rank, f.class_code, f.name), '[]')
        FROM served f {_FACILITY[1]})"""

_HIDDEN = WITHHELD.format(type="k.type")

_HERE = f"NOT {_HIDDEN} AND NOT {OF_A_HOME_BEFORE}"

LABEL = """json_build_object('zh', coalesce(st.name_zh, t.name),
            'en', coalesce(st.name_en, t.name))"""
LABELLED = """LEFT JOIN city.stream_type st
        ON st.class_code = d.class_code AND st.name = t.name"""
"""What a screen calls a stream `t` of a device `d`, and the join that finds it."""

_STREAMS = f"""(SELECT coalesce(json_agg(json_build_object('id', t.id, 'name', t.name,
        'label', {LABEL}, 'property', t.observed_property, 'unit', t.unit_ucum,
        'value', CASE WHEN {_HERE} THEN t.last_value END,
        'text', CASE WHEN {_HERE} THEN t.last_text END,
        'at', CASE WHEN {_HERE} THEN t.last_at END) ORDER BY t.name), '[]')
    FROM city.datastream t {LABELLED} WHERE t.device_id = d.id)"""

BOUND = """(SELECT type, id, rank, label FROM chain
            UNION ALL SELECT 'facility', id, rank, name FROM served)"""
"""What a device may be bound to, or an event be about."""

DEVICES = f"""(SELECT coalesce(json_agg(json_build_object('id', d.id, 'name', d.name,
            'class', {_DEVICE[0]},
            'bound_to', json_build_object('type', k.type, 'label', k.label),
            'status', d.status, 'withheld', {_HIDDEN},
            'datastreams', {_STREAMS}) ORDER BY k.rank, d.class_code, d.name, d.id), '[]')
        FROM {BOUND} k
        JOIN city.device d ON d.bind_type = k.type AND d.bind_id = k.id
        {_DEVICE[1]}
        WHERE d.ended_at IS NULL AND d.secrecy = 0)"""
"""Devices with their latest readings; those of a unit itself by right."""


_AFFECTED = """(SELECT x.how FROM city.event_unit x
        WHERE x.unit_id = {unit} AND x.open AND x.event_id = e.id
            AND (x.how <> 'facade' OR h.living))"""
"""How an alarm affects a unit."""

_ELSEWHERE = f"""
        UNION ALL SELECT e.id, e.object_type, e.place FROM city.event_unit x
        JOIN city.event e ON e.id = x.event_id AND {ALARM}
        WHERE x.unit_id = {{unit}} AND x.open AND (x.how <> 'facade' OR h.living)
            AND (e.object_type IS DISTINCT FROM 'unit' OR h.living)
            AND NOT EXISTS (SELECT FROM {BOUND} k
                WHERE k.type = e.object_type AND k.id = e.object_id)"""
"""Alarms of what a unit does not stand in, which affect it all the same: gas next door."""


def alarms(bound: str = BOUND, unit: str | None = None) -> str:
    """Alarms that are open, of what is `bound`; those of a unit itself by right.

    Where `unit` is the SQL of a unit's id, those that affect it too, and how each does.
    """
    more = "" if unit is None else _ELSEWHERE.format(unit=unit)
    how = "NULL" if unit is None else _AFFECTED.format(unit=unit)
    return f"""(SELECT coalesce(json_agg(json_build_object('id', e.id, 'kind', e.kind,
            'about', json_build_object('type', a.type, 'label', a.label),
            'severity', e.severity, 'state', e.state, 'since', e.started_at,
            'device_id', e.device_id, 'affects', {how})
            ORDER BY e.severity DESC NULLS LAST, e.started_at, e.id), '[]')
        FROM (SELECT e.id, k.type, k.label FROM {bound} k
            JOIN city.event e ON e.object_type = k.type AND e.object_id = k.id AND {ALARM}
            WHERE NOT {_HIDDEN}{more}) a
        JOIN city.event e ON e.id = a.id WHERE {PUBLIC})"""


def codes(kind: str, key: str) -> str:
    """The official codes of an object, those in force first."""
    return f"""(SELECT coalesce(json_agg(json_build_object('scheme', x.scheme,
            'title', y.title, 'code', x.code, 'status', x.status)
            ORDER BY x.valid_to NULLS FIRST, x.scheme, x.code), '[]')
        FROM city.object_code x JOIN city.code_scheme y ON y.code = x.scheme
        WHERE x.object_type = '{kind}' AND x.object_id = {key})"""


def organisations(condition: str) -> str:
    """Organisations that are somewhere now, `l` being where."""
    return f"""(SELECT coalesce(json_agg(json_build_object('id', o.id, 'name', o.name,
            'kind', o.kind, 'tags', coalesce(o.tags, '{{}}'), 'role', l.role)
            ORDER BY o.name, l.role), '[]')
        FROM city.org_location l JOIN city.organisation o ON o.id = l.org_id
        WHERE {condition} AND o.ended_at IS NULL
            AND (l.to_date IS NULL OR l.to_date > current_date))"""


LIVING = """(:living OR coalesce({area} = ANY (:areas), false)
        OR coalesce({grid} = ANY (:grids), false))"""
"""Whether the caller may know there whether somebody is at home: in the whole city, or in an area
or grid of his, those below them included."""

RIGHTS = {"living": "boolean", "areas": "bigint[]", "grids": "bigint[]"}
"""The types of the values that LIVING takes."""

Living = Mapping[str, Any]
"""Where somebody may know that: values of LIVING by name."""


def living(where: tuple[Sequence[int], Sequence[int]] | None) -> Living:
    """The values of LIVING: None is the whole city, else ids of areas and of grids."""
    if where is None:
        return {"living": True, "areas": [], "grids": []}
    return {"living": False, "areas": list(where[0]), "grids": list(where[1])}
