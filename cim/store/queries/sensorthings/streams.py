"""Datastreams and their Observations, with what shows who may see them.

A stream of a device hangs on what the device is bound to, else on the device; one that a client
made says itself where (`city.sta_datastream`). When somebody was at home is left out of what those
see who lack the right there.
"""

from cim.store.queries.sensorthings.objects import DEVICE, UNIT, kind_of
from cim.store.queries.sensorthings.places import living
from cim.store.queries.sensorthings.shape import Asking

TYPES = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
_THING = f"""coalesce(x.thing, v.bind_id * 8 + {kind_of("v.bind_type")}, v.id * 8 + {DEVICE})"""
_ON_DEVICE = f"""CASE WHEN x.thing & 7 = {DEVICE} THEN
    (SELECT {{column}} FROM city.device w WHERE w.id = x.thing >> 3) END"""
"""Of the device that a client's stream says it is of."""

_HOME = f"""(coalesce(v.bind_type = 'unit', false) OR coalesce(x.thing & 7 = {UNIT}, false)
    OR coalesce({_ON_DEVICE.format(column="w.bind_type = 'unit'")}, false))"""
_HOUSE = f"""coalesce(v.building_id, CASE WHEN x.thing & 7 = {UNIT} THEN
    (SELECT u.building_id FROM city.unit u WHERE u.id = x.thing >> 3) END,
    {_ON_DEVICE.format(column="w.building_id")})"""
_SECRECY = f"coalesce(v.secrecy::int4, {_ON_DEVICE.format(column='w.secrecy::int4')})"
_HOLDER = f"coalesce(v.id, CASE WHEN x.thing & 7 = {DEVICE} THEN x.thing >> 3 END)"
_FROM = """city.datastream d LEFT JOIN city.device v ON v.id = d.device_id
    LEFT JOIN city.sta_datastream x ON x.datastream_id = d.id"""
_LAST = """LEFT JOIN city.sta_observation l
    ON l.datastream_id = d.id AND l.phenomenon_time = d.last_at"""
"""What is said of the latest reading; where nobody asks for it, the database leaves it out."""
_SEEN = f"""{_HOME} AS home, {_HOUSE} AS house, {_SECRECY} AS secrecy,
    {_HOLDER} AS holder, v.ended_at AS gone"""

STREAMS = f"""SELECT d.id AS key, d.device_id AS device, {_THING} AS thing,
    coalesce(x.sensor, v.id * 8 + {DEVICE}) AS sensor, d.observed_property AS property,
    coalesce(x.name, concat_ws(' ', v.name, d.name)) AS name,
    coalesce(x.description, v.class_code || ' ' || d.name, d.name) AS description,
    coalesce(x.observation_type, '{TYPES}' || CASE d.result_type WHEN 'number' THEN
        'OM_Measurement' WHEN 'boolean' THEN 'OM_TruthObservation' WHEN 'code' THEN
        'OM_CategoryObservation' ELSE 'OM_Observation' END) AS observation_type,
    coalesce(x.unit, jsonb_build_object('name', d.unit_ucum, 'symbol', d.unit_ucum,
        'definition', 'http://unitsofmeasure.org/ucum#' || d.unit_ucum)) AS unit,
    coalesce(x.properties, jsonb_build_object('device', d.device_id, 'stream', d.name,
        'kind', d.kind, 'interval', d.interval_s)) AS properties,
    x.area AS area, x.result_first, x.result_last, x.multi IS NOT NULL AS multi,
    x.multi AS parts, d.result_type,
    coalesce(d.first_at, d.last_at) AS first_at, d.last_at, d.last_value, d.last_text,
    d.quality AS last_quality, l.until, l.result_time, l.result AS rich, l.result_quality,
    l.valid_from, l.valid_to, l.parameters, l.feature, {_SEEN}
    FROM {_FROM} {_LAST}"""

_TIMES = ("first_at", "last_at")
"""Without these nothing of the latest reading is shown."""
_PLAIN = (
    "key", "device", "thing", "sensor", "property", "name", "description", "observation_type",
    "unit", "properties", "area", "multi", "parts", "result_type", "home", "house", "secrecy",
    "holder", "gone", "last_value", "last_text", "last_quality", "until", "result_time", "rich",
    "result_quality", "valid_from", "valid_to", "parameters", "feature",
)  # fmt: skip


def streams(asking: Asking) -> str:
    """Every stream, and of those that may be seen the time and value of the latest reading."""
    if asking.living is None:
        return f"({STREAMS})"
    first, last = (living(asking, "q", f"q.{name}") for name in _TIMES)
    times = f"""CASE WHEN {first} THEN q.first_at WHEN {last} THEN q.last_at END AS first_at,
        CASE WHEN {last} THEN q.last_at END AS last_at,
        CASE WHEN {first} THEN q.result_first END AS result_first,
        CASE WHEN {first} THEN q.result_last END AS result_last"""
    return f"(SELECT {', '.join(f'q.{name}' for name in _PLAIN)}, {times} FROM ({STREAMS}) q)"


_BOUND = f"""(SELECT b.bind_id * 8 + {kind_of("b.bind_type")} FROM city.device_binding b
    WHERE b.device_id = d.device_id AND b.valid_from <= o.phenomenon_time
        AND (b.valid_to IS NULL OR b.valid_to > o.phenomenon_time)
    ORDER BY b.valid_from DESC LIMIT 1)"""
_OBJECT = f"CASE WHEN {_THING} & 7 > 0 THEN {_THING} END"
FEATURE = f"coalesce(r.feature, {_BOUND}, {_OBJECT})"
"""What a reading is of: as it says itself, else what its device was bound to at the time."""

_RICH = """coalesce(r.until, {at}) AS until, r.result_time, r.result AS rich, r.result_quality,
    r.valid_from, r.valid_to, r.parameters"""

OBSERVATIONS = f"""(SELECT o.datastream_id AS stream, o.phenomenon_time AS at,
    o.result AS number, o.result_text AS words, o.quality, d.result_type,
    x.multi IS NOT NULL AS multi, {_RICH.format(at="o.phenomenon_time")}, {FEATURE} AS feature,
    {_SEEN}
    FROM city.observation o JOIN ({_FROM}) ON d.id = o.datastream_id
    LEFT JOIN city.sta_observation r
        ON r.datastream_id = o.datastream_id AND r.phenomenon_time = o.phenomenon_time)"""


def observations(_asking: Asking) -> str:
    """Every reading."""
    return OBSERVATIONS


def rollups(level: str) -> str:
    """Readings summed up by the hour or day: mean, and what else there is of each."""
    return f"""(SELECT r.datastream_id AS stream, r.at, r.at + interval '1 {level}' AS until,
    r.sum / nullif(r.n, 0) AS number, r.last_text AS words, NULL::jsonb AS rich,
    jsonb_strip_nulls(jsonb_build_object('count', r.n + r.texts, 'min', r.min, 'max', r.max,
        'first', r.first, 'last', r.last, 'sum', r.sum, 'increase', r.increase,
        'timeWeightedMean', r.area / nullif(extract(epoch FROM r.last_at - r.first_at), 0)
        )) AS parameters, {_SEEN}
    FROM city.rollup_{level} r JOIN ({_FROM}) ON d.id = r.datastream_id)"""


LATEST = """(SELECT l.*, coalesce(l.till, l.at) AS until FROM (SELECT {a}.key AS stream,
    {a}.last_at AS at, {a}.last_value AS number, {a}.last_text AS words,
    {a}.last_quality AS quality, {a}.result_type, {a}.multi, {a}.until AS till, {a}.result_time,
    {a}.rich, {a}.result_quality, {a}.valid_from, {a}.valid_to, {a}.parameters, {a}.home,
    {a}.house, {a}.secrecy, {a}.holder, {a}.gone,
    coalesce({a}.feature, CASE WHEN {a}.thing & 7 > 0 THEN {a}.thing END) AS feature OFFSET 0) l)"""
"""The latest reading of a stream `{a}`, out of what is kept of it: nothing is searched.

OFFSET 0 has the database ask once whether it may be seen, however often its time is said.
"""
