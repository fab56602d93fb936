"""Statements that write what clients of SensorThings make; tables and columns are named here."""

from collections.abc import Sequence
from typing import Final

from cim.store.queries.sensorthings.objects import features
from cim.store.queries.sensorthings.shape import Asking

TABLES: Final[dict[str, str]] = {
    "Thing": "city.sta_thing",
    "Location": "city.sta_location",
    "Sensor": "city.sta_sensor",
    "ObservedProperty": "city.sta_property",
    "FeatureOfInterest": "city.sta_feature",
    "HistoricalLocation": "city.sta_history",
}
"""Where entities of clients are, by their names."""

COLUMNS: Final[dict[str, str]] = {
    "name": "text",
    "description": "text",
    "definition": "text",
    "encoding_type": "text",
    "observation_type": "text",
    "properties": "jsonb",
    "metadata": "jsonb",
    "location": "jsonb",
    "feature": "jsonb",
    "unit": "jsonb",
    "multi": "jsonb",
    "time": "timestamptz",
    "geom": "bytea",
    "thing_id": "int8",
    "thing": "int8",
    "sensor": "int8",
    "made_of": "int8",
}
"""Type of every column that is written by its name."""


def _place(number: int, column: str) -> str:
    type_ = COLUMNS[column]
    if column == "geom":
        return f"ST_GeomFromWKB(${number}::bytea, 4490)"
    return f"${number}::text::jsonb" if type_ == "jsonb" else f"${number}::{type_}"


def insert(entity: str, columns: Sequence[str]) -> str:
    """A new entity; its id comes back."""
    places = ", ".join(_place(number, column) for number, column in enumerate(columns, 1))
    names = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {TABLES[entity]} ({names}) VALUES ({places}) RETURNING id"


def update(entity: str, columns: Sequence[str]) -> str:
    """Change columns of the entity whose id comes last."""
    sets = ", ".join(
        f'"{column}" = {_place(number, column)}' for number, column in enumerate(columns, 1)
    )
    return f"UPDATE {TABLES[entity]} SET {sets} WHERE id = ${len(columns) + 1}::int8"


def say(columns: Sequence[str]) -> str:
    """What is said of a datastream, whose id comes last, whether something was said or not."""
    names = ", ".join(f'"{column}"' for column in columns)
    places = ", ".join(_place(number, column) for number, column in enumerate(columns, 1))
    sets = ", ".join(f'"{column}" = excluded."{column}"' for column in columns)
    return f"""INSERT INTO city.sta_datastream (datastream_id, {names})
        VALUES (${len(columns) + 1}::int8, {places})
        ON CONFLICT (datastream_id) DO UPDATE SET {sets}"""


DELETE: Final = {name: f"DELETE FROM {table} WHERE id = $1" for name, table in TABLES.items()}

UNPLACE: Final = "DELETE FROM city.sta_thing_location WHERE thing_id = $1"
PLACE: Final = """INSERT INTO city.sta_thing_location (thing_id, location)
    SELECT $1, unnest($2::int8[]) ON CONFLICT DO NOTHING"""
REMEMBER: Final = """INSERT INTO city.sta_history_location (history_id, location)
    SELECT $1, unnest($2::int8[]) ON CONFLICT DO NOTHING"""
FORGET: Final = "DELETE FROM city.sta_history_location WHERE history_id = $1"
IS_NEWEST: Final = """SELECT NOT EXISTS (SELECT FROM city.sta_history
    WHERE thing_id = $1 AND "time" > $2)"""
THING_OF: Final = 'SELECT thing_id, "time" FROM city.sta_history WHERE id = $1'
UNPLACED: Final = """WITH gone AS (DELETE FROM city.sta_thing_location WHERE location = $1),
    left_over AS (DELETE FROM city.sta_history_location WHERE location = $1 RETURNING history_id)
    DELETE FROM city.sta_history h USING left_over l WHERE h.id = l.history_id
        AND NOT EXISTS (SELECT FROM city.sta_history_location o
            WHERE o.history_id = h.id AND o.location <> $1)"""
"""A Location goes, and with it what says that something was there and nowhere else."""

APART: Final = "UPDATE city.sta_feature SET made_of = NULL WHERE made_of = $1"
"""Readings stay where they were made; the next ones are made elsewhere."""

CODE: Final = "SELECT code FROM city.sta_property WHERE id = $1"
NEW_STREAM: Final = """INSERT INTO city.datastream
        (name, observed_property, unit_ucum, result_type, kind, retention)
    VALUES ($1, $2, $3, $4, $5, 'long') RETURNING id"""
OBSERVE: Final = "UPDATE city.datastream SET observed_property = $1 WHERE id = $2"
PART: Final = """INSERT INTO city.sta_part (datastream_id, no, property_id)
    SELECT $1, n, id FROM unnest($2::int8[]) WITH ORDINALITY AS f(id, n)"""
UNPART: Final = "DELETE FROM city.sta_part WHERE datastream_id = $1"

OF_DEVICES: Final = """SELECT EXISTS (SELECT FROM city.datastream
    WHERE id = ANY ($1::int8[]) AND device_id IS NOT NULL)"""
STREAMS_OF: Final[dict[str, str]] = {
    "Thing": "SELECT datastream_id AS id FROM city.sta_datastream WHERE thing = $1 * 8",
    "Sensor": "SELECT datastream_id AS id FROM city.sta_datastream WHERE sensor = $1 * 8",
    "ObservedProperty": """SELECT d.id FROM city.datastream d
        JOIN city.sta_property p ON p.code = d.observed_property WHERE p.id = $1
        UNION SELECT datastream_id FROM city.sta_part WHERE property_id = $1""",
}
"""What goes with an entity."""

END_STREAMS: Final = (
    "DELETE FROM city.observation WHERE datastream_id = ANY ($1::int8[])",
    "DELETE FROM city.datastream WHERE id = ANY ($1::int8[]) AND device_id IS NULL",
)

STREAM: Final = """SELECT d.id, d.device_id IS NULL AS free, d.result_type, d.unit_ucum, d.low,
        d.high, d.ruled, c.days, d.observed_property, x.multi IS NOT NULL AS multi,
        (SELECT count(*) FROM city.sta_part p WHERE p.datastream_id = d.id) AS parts,
        (SELECT min(l.location) FROM city.sta_thing_location l
            WHERE l.thing_id = x.thing >> 3 AND x.thing & 7 = 0) AS place,
        x.thing & 7 > 0 OR EXISTS (SELECT FROM city.sta_thing_location l
            WHERE l.thing_id = x.thing >> 3) AS placed
    FROM city.datastream d JOIN city.retention_class c ON c.code = d.retention
    LEFT JOIN city.sta_datastream x ON x.datastream_id = d.id
    WHERE d.id = ANY ($1::int8[])"""
"""What decides on readings of these streams."""

FEATURE: Final = """INSERT INTO city.sta_feature
        (name, description, encoding_type, feature, geom, made_of)
    SELECT name, description, encoding_type, location, geom, id * 8 FROM city.sta_location
    WHERE id = $1
    ON CONFLICT (made_of) WHERE made_of IS NOT NULL DO UPDATE SET made_of = excluded.made_of
    RETURNING id, xmax = 0 AS new"""
"""The feature made of a Location, made once."""

_RICH: Final = """until, result_time, result, result_quality, valid_from, valid_to, parameters,
    feature"""
READING: Final = f"""INSERT INTO city.sta_observation (datastream_id, phenomenon_time, {_RICH})
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6::text::jsonb, $7, $8, $9::text::jsonb, $10)
    ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE SET until = excluded.until,
        result_time = excluded.result_time, result = excluded.result,
        result_quality = excluded.result_quality, valid_from = excluded.valid_from,
        valid_to = excluded.valid_to, parameters = excluded.parameters,
        feature = excluded.feature"""
"""What is said of a reading besides its value."""

KNOWN: Final = """SELECT o.result, o.result_text, o.quality, r.until, r.result_time,
        r.result::text AS rich, r.result_quality::text AS result_quality, r.valid_from, r.valid_to,
        r.parameters::text AS parameters, r.feature
    FROM city.observation o LEFT JOIN city.sta_observation r
        ON r.datastream_id = o.datastream_id AND r.phenomenon_time = o.phenomenon_time
    WHERE o.datastream_id = $1 AND o.phenomenon_time = $2"""
"""A reading with all that is said of it."""

HOLD: Final = """SELECT FROM city.datastream WHERE id = ANY ($1::int8[])
    ORDER BY id FOR NO KEY UPDATE"""
"""Nobody writes the latest value of these streams meanwhile: it is read anew."""

END_SAID: Final = """DELETE FROM city.sta_observation
    USING unnest($1::int8[], $2::timestamptz[]) AS f(id, at)
    WHERE datastream_id = f.id AND phenomenon_time = f.at
    RETURNING datastream_id AS stream, feature, result_time"""
END_READINGS: Final = (
    """DELETE FROM city.observation USING unnest($1::int8[], $2::timestamptz[]) AS f(id, at)
    WHERE datastream_id = f.id AND phenomenon_time = f.at""",
    """UPDATE city.datastream d SET last_at = n.phenomenon_time, last_value = n.result,
        last_text = n.result_text, quality = n.quality,
        first_at = (SELECT min(phenomenon_time) FROM city.observation WHERE datastream_id = d.id)
    FROM (SELECT id, min(at) AS first, max(at) AS last
        FROM unnest($1::int8[], $2::timestamptz[]) AS g(id, at) GROUP BY id) f
    LEFT JOIN LATERAL (SELECT * FROM city.observation o WHERE o.datastream_id = f.id
        ORDER BY phenomenon_time DESC LIMIT 1) n ON true
    WHERE d.id = f.id
        AND (f.last >= d.last_at OR f.first <= coalesce(d.first_at, d.last_at))""",
    "SELECT city.mark_rollups($1::int8[], $2::timestamptz[])",
)
"""Readings go, and what was worked out of them is put right."""


def _box(made: str) -> str:
    """SQL of the box of features, whose numbers a statement makes; most are clients' own."""
    return f"""(WITH o AS ({made})
        SELECT ST_Envelope(ST_Collect(f.shape)) FROM (
            SELECT f.geom AS shape FROM o JOIN city.sta_feature f ON f.id = o.feature >> 3
            WHERE o.feature & 7 = 0
            UNION ALL SELECT f.shape FROM o JOIN {features(Asking(""))} f
                ON f.key = o.feature >> 3 AND f.kind = (o.feature & 7)::int4
            WHERE o.feature & 7 > 0) f)"""


WIDEN: Final = f"""UPDATE city.sta_datastream x
    SET area = ST_Envelope(ST_Collect(x.area, n.box)),
        result_first = least(x.result_first, $3), result_last = greatest(x.result_last, $4)
    FROM (SELECT {_box("SELECT unnest($2::int8[]) AS feature")} AS box OFFSET 0) n
    WHERE x.datastream_id = $1
        AND (x.area IS DISTINCT FROM ST_Envelope(ST_Collect(x.area, n.box))
            OR least(x.result_first, $3) IS DISTINCT FROM x.result_first
            OR greatest(x.result_last, $4) IS DISTINCT FROM x.result_last)"""
"""A datastream has readings at features, with results of these times, besides those it had."""

_FEATURES = """SELECT DISTINCT r.feature FROM city.sta_observation r
    WHERE r.datastream_id = x.datastream_id AND r.feature IS NOT NULL"""
MEASURE: Final = f"""UPDATE city.sta_datastream x SET area = {_box(_FEATURES)},
        (result_first, result_last) = (SELECT min(r.result_time), max(r.result_time)
            FROM city.sta_observation r WHERE r.datastream_id = x.datastream_id)
    FROM city.datastream d
    WHERE x.datastream_id = ANY ($1::int8[]) AND d.id = x.datastream_id AND d.device_id IS NULL"""
"""Where and when the readings of clients' datastreams were made, out of all that there are."""

_LOST = """SELECT f AS feature FROM unnest($2::int8[]) f WHERE NOT EXISTS
    (SELECT FROM city.sta_observation r WHERE r.datastream_id = $1 AND r.feature = f)"""
_INSIDE = " AND ".join(
    f"ST_{edge}(n.lost) {sign} ST_{edge}(x.area)"
    for edge, sign in (("XMin", ">"), ("XMax", "<"), ("YMin", ">"), ("YMax", "<"))
)
_OF_X = "FROM city.sta_observation r WHERE r.datastream_id = x.datastream_id"
HOLD_SAID: Final = """SELECT FROM city.sta_datastream WHERE datastream_id = $1
    FOR NO KEY UPDATE"""
NARROW: Final = f"""UPDATE city.sta_datastream x
    SET area = CASE WHEN n.lost IS NULL OR {_INSIDE} THEN x.area ELSE {_box(_FEATURES)} END,
        result_first = CASE WHEN $3 <= x.result_first THEN (SELECT min(r.result_time) {_OF_X})
            ELSE x.result_first END,
        result_last = CASE WHEN $4 >= x.result_last THEN (SELECT max(r.result_time) {_OF_X})
            ELSE x.result_last END
    FROM (SELECT {_box(_LOST)} AS lost OFFSET 0) n
    WHERE x.datastream_id = $1
        AND (n.lost IS NOT NULL OR $3 <= x.result_first OR $4 >= x.result_last)
        AND EXISTS (SELECT FROM city.datastream d WHERE d.id = $1 AND d.device_id IS NULL)"""
"""A datastream has readings no more that were at features, with results of these times.

All that there are are looked at only where one of them lay at an edge of what was known.
"""

STREAMS_OF_FEATURE: Final = """SELECT DISTINCT datastream_id AS id FROM city.sta_observation
    WHERE feature = $1 * 8"""

READINGS_OF_FEATURE: Final = """SELECT datastream_id AS id, phenomenon_time AS at
    FROM city.sta_observation WHERE feature = $1 * 8"""

WITHIN: Final = """SELECT (extract(epoch FROM phenomenon_time) * 1000000)::int8 AS us
    FROM city.observation WHERE datastream_id = $1
        AND phenomenon_time >= to_timestamp(0) + $2::int8 * interval '1 millisecond'
        AND phenomenon_time < to_timestamp(0) + ($2::int8 + 1) * interval '1 millisecond'"""
"""The readings of a millisecond."""

TELL: Final = "SELECT pg_notify('cim_sensorthings', line) FROM unnest($1::text[]) AS line"
"""Who listens is told what was made or changed when the transaction is through."""

PARTS: Final = """SELECT multi::text AS multi, (SELECT count(*) FROM city.sta_part p
    WHERE p.datastream_id = x.datastream_id)::int4 AS parts
    FROM city.sta_datastream x WHERE datastream_id = $1"""
"""What is said of the results of a MultiDatastream, and how many it has."""

STAND: Final = """SELECT set_config('cim.actor', $1, true), set_config('cim.account', $2, true),
    set_config('cim.roles', $3, true), set_config('cim.purpose', '', true),
    set_config('cim.areas', '*', true), set_config('cim.grids', '', true),
    set_config('cim.address', $4, true), set_config('cim.request', $5, true)"""
"""Who acts, for the log: as `cim.security.identity` says it, for the driver itself."""

RECORD: Final = "SELECT security.record($1, true, $2, $3, NULL, $4::text::jsonb, NULL)"
"""A line in the audit log."""
