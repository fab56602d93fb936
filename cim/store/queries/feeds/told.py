"""Alarms as they are told: to whom, which, and what is said of each.

An alarm of a device in a unit is for those who may know there whether somebody is at home; that of
a device that is not public, for those who are cleared for it there.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from cim.store.queries.linked.pieces import named
from cim.store.queries.ready import Asked, Ready

Where = tuple[Sequence[int], Sequence[int]] | None
"""Areas and grids, those below them included; None is the whole city."""

LIVING = """(:living OR coalesce(e.area_id = ANY (:areas), false)
        OR coalesce(e.grid_id = ANY (:grids), false))"""
"""Whether a caller may know where an alarm `e` is whether somebody is at home."""

UNIT_TOLD = f"(x.how <> 'facade' OR {LIVING})"
"""Whether a caller is told of a unit `x` that an alarm `e` affects: homes from which something may
have been thrown are candidates, and not for everybody to point at."""

VISIBLE = f"""(e.object_type IS DISTINCT FROM 'unit' OR {LIVING})
    AND (coalesce(d.secrecy, 0) = 0 OR EXISTS (
        SELECT FROM jsonb_array_elements(:sight) s
        WHERE (s ->> 'secrecy')::int >= d.secrecy AND (s -> 'areas' = 'null'
            OR s -> 'areas' @> to_jsonb(e.area_id) OR s -> 'grids' @> to_jsonb(e.grid_id))))
    AND e.kind <> '门禁'"""
"""Whether an alarm `e` of a device `d` is for a caller."""

RIGHTS = {"living": "boolean", "areas": "bigint[]", "grids": "bigint[]", "sight": "jsonb"}

_CLASS, _JOIN = named("device_class", "d.class_code")

ITEM = f"""json_build_object('id', e.id, 'kind', e.kind, 'severity', e.severity,
    'state', CASE WHEN e.ended_at IS NOT NULL THEN 'closed' ELSE coalesce(e.state, 'open') END,
    'message', CASE WHEN e.message_zh IS NOT NULL THEN
        json_build_object('zh', e.message_zh, 'en', coalesce(e.message_en, e.message_zh)) END,
    'value', e.value, 'text', e.value_text,
    'rule', CASE WHEN r.id IS NOT NULL THEN json_build_object('id', r.id, 'code', r.code,
        'zh', r.name, 'en', coalesce(r.name_en, r.name)) END,
    'device', CASE WHEN d.id IS NOT NULL THEN
        json_build_object('id', d.id, 'name', d.name, 'class', {_CLASS}) END,
    'datastream_id', e.datastream_id,
    'stream', (SELECT json_build_object('name', t.name, 'zh', coalesce(y.name_zh, t.name),
            'en', coalesce(y.name_en, t.name))
        FROM city.datastream t LEFT JOIN city.stream_type y
            ON y.class_code = d.class_code AND y.name = t.name WHERE t.id = e.datastream_id),
    'object', CASE WHEN e.object_type IS NOT NULL THEN
        json_build_object('type', e.object_type, 'id', e.object_id) END,
    'place', json_build_object('text', e.place, 'building_id', e.building_id,
        'storey_id', e.storey_id, 'entrance_id', e.entrance_id, 'estate_id', e.estate_id,
        'lon', round(ST_X(e.geom)::numeric, 7), 'lat', round(ST_Y(e.geom)::numeric, 7),
        'height', round(e.height::numeric, 2)),
    'begun', e.started_at, 'ended', e.ended_at, 'acknowledged', e.acknowledged_at,
    'false_alarm', e.false_alarm,
    'affected', json_build_object(
        'units', (SELECT count(*) FROM city.event_unit x WHERE x.event_id = e.id
            AND (x.open OR e.ended_at IS NOT NULL)),
        'buildings', (SELECT coalesce(json_agg(x.building_id ORDER BY x.building_id), '[]')
            FROM city.event_building x WHERE x.event_id = e.id)))"""
"""An alarm as JSON, of `e`, its rule `r` and its device `d`."""

_FROM = f"""city.event e LEFT JOIN city.rule r ON r.id = e.rule_id
    LEFT JOIN city.device d ON d.id = e.device_id {_JOIN}"""

MOST = 2000
"""Affected units that are listed of one alarm."""

_ONE = f"""json_build_object(
    'units', (SELECT coalesce(json_agg(json_build_object('id', u.id, 'room_no', u.room_no,
            'building_id', u.building_id, 'storey_id', u.storey_id, 'storey_no', s.no,
            'how', x.how, 'distance_m', x.distance_m, 'affected_still', x.open)
            ORDER BY u.building_id, s.no, u.room_no, u.id), '[]')
        FROM (SELECT * FROM city.event_unit x WHERE x.event_id = e.id AND {UNIT_TOLD}
            ORDER BY x.unit_id LIMIT {MOST}) x
        JOIN city.unit u ON u.id = x.unit_id JOIN city.storey s ON s.id = u.storey_id),
    'history', (SELECT coalesce(json_agg(json_build_object('id', h.id, 'kind', h.kind, 'at', h.at,
            'noted', h.noted_at, 'actor', CASE WHEN :staff THEN h.actor END,
            'note', CASE WHEN :staff THEN h.note END, 'value', h.value, 'text', h.value_text,
            'digest', encode(h.digest, 'hex')) ORDER BY h.id), '[]')
        FROM city.event_entry h WHERE h.event_id = e.id))"""

CONDITIONS: dict[str, tuple[str, dict[str, str]]] = {
    "active": ("e.ended_at IS NULL", {}),
    "open": ("e.ended_at IS NULL AND e.acknowledged_at IS NULL", {}),
    "acknowledged": ("e.ended_at IS NULL AND e.acknowledged_at IS NOT NULL", {}),
    "closed": ("e.ended_at IS NOT NULL", {}),
    "all": ("true", {}),
    "severity": ("e.severity >= :severity", {"severity": "int"}),
    "kind": ("e.kind = :kind", {"kind": "text"}),
    "class": ("d.class_code = :class", {"class": "text"}),
    "device": ("e.device_id = :device", {"device": "bigint"}),
    "rule": ("e.rule_id = :rule", {"rule": "bigint"}),
    "unit": (
        "e.id IN (SELECT x.event_id FROM city.event_unit x WHERE x.unit_id = :unit"
        " UNION ALL SELECT o.id FROM city.event o"
        " WHERE o.object_type = 'unit' AND o.object_id = :unit)"
        " AND NOT EXISTS (SELECT FROM city.event_unit x WHERE x.event_id = e.id"
        f" AND x.unit_id = :unit AND NOT {UNIT_TOLD})",
        {"unit": "bigint"},
    ),
    "building": (
        "e.id IN (SELECT x.event_id FROM city.event_building x WHERE x.building_id = :building)",
        {"building": "bigint"},
    ),
    "estate": ("e.estate_id = :estate", {"estate": "bigint"}),
    "project": (
        "e.object_type = 'project' AND e.object_id = :project",
        {"project": "bigint"},
    ),
    "grid": ("e.grid_id = :grid", {"grid": "bigint"}),
    "area": (
        "e.area_id IN (WITH RECURSIVE below AS (SELECT :area AS id UNION"
        " SELECT a.id FROM below b JOIN city.admin_area a ON a.parent_id = b.id)"
        " SELECT id FROM below)",
        {"area": "bigint"},
    ),
    "bbox": (
        "e.geom && ST_MakeEnvelope(:west, :south, :east, :north, 4490)",
        dict.fromkeys(("west", "south", "east", "north"), "float8"),
    ),
    "since": ("e.started_at >= :since", {"since": "timestamptz"}),
    "until": ("e.started_at < :until", {"until": "timestamptz"}),
    "after": ("e.id < :after", {"after": "bigint"}),
}
"""What alarms may be asked by, with the types of the values."""


def rights(living: Where, allowed: bool, sight: Sequence[tuple[int, Where]]) -> dict[str, Any]:
    """The values of VISIBLE: where somebody may know who is at home, if `allowed` at all, and what
    of the not public they are cleared for."""
    areas, grids = living if living is not None else ((), ())
    cleared = [
        {
            "secrecy": level,
            "areas": None if where is None else list(where[0]),
            "grids": None if where is None else list(where[1]),
        }
        for level, where in sight
    ]
    return {
        "living": allowed and living is None,
        "areas": list(areas) if allowed else [],
        "grids": list(grids) if allowed else [],
        "sight": json.dumps(cleared),
    }


@lru_cache(maxsize=500)
def _page(names: frozenset[str]) -> Ready:
    chosen = [CONDITIONS[name] for name in sorted(names)]
    types: dict[str, str] = {}
    for _, some in chosen:
        types |= some
    asked = " AND ".join(f"({sql})" for sql, _ in chosen)
    return Ready(
        f"""SELECT e.id, {ITEM}::text AS answer FROM {_FROM}
        WHERE {asked} AND {VISIBLE} ORDER BY e.id DESC LIMIT :limit""",
        limit="int",
        **types,
        **RIGHTS,
    )


def page(state: str, by: Mapping[str, Any], limit: int, who: Mapping[str, Any]) -> Asked:
    """Alarms of a state, newest first, that a caller may know of: `id`, and JSON as `answer`.

    `by` holds values by the names of CONDITIONS; `bbox` is a box in degrees. `who` is `rights`.
    """
    names = frozenset(by) | {state}
    values = {name: value for name, value in by.items() if name != "bbox"}
    if "bbox" in by:
        values |= dict(zip(("west", "south", "east", "north"), by["bbox"], strict=True))
    return _page(names)(limit=limit, **values, **who)


_TOLD = Ready(
    f"""SELECT e.id, {ITEM}::text AS answer FROM {_FROM}
    WHERE e.id = ANY (:ids) AND {VISIBLE} ORDER BY e.id""",
    ids="bigint[]",
    **RIGHTS,
)

_WHOLE = Ready(
    f"""SELECT {ITEM}::text AS answer, {_ONE}::text AS more FROM {_FROM}
    WHERE e.id = :id AND {VISIBLE}""",
    id="bigint",
    staff="boolean",
    **RIGHTS,
)

_PLACE = Ready(
    f"""SELECT e.area_id, e.grid_id FROM city.event e LEFT JOIN city.device d
        ON d.id = e.device_id WHERE e.id = :id AND {VISIBLE}""",
    id="bigint",
    **RIGHTS,
)


def told(ids: Sequence[int], who: Mapping[str, Any]) -> Asked:
    """These alarms, as far as a caller may know of them: `id` and JSON as `answer`."""
    return _TOLD(ids=list(ids), **who)


def whole(id: int, staff: bool, who: Mapping[str, Any]) -> Asked:
    """One alarm as JSON, and as `more` its units and its history; for `staff` with who did what."""
    return _WHOLE(id=id, staff=staff, **who)


def place(id: int, who: Mapping[str, Any]) -> Asked:
    """Where an alarm is that a caller may know of: its area and its grid."""
    return _PLACE(id=id, **who)
