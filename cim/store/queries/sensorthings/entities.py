"""The entity sets of SensorThings 1.1 over the city, each with its properties and links."""

from cim.store.queries.sensorthings import objects
from cim.store.queries.sensorthings.objects import DEVICE, kind_of, name_of
from cim.store.queries.sensorthings.places import cleared, entered, living
from cim.store.queries.sensorthings.shape import (
    MOMENT,
    NUMBER,
    PAIR,
    Asking,
    Entity,
    Link,
    Property,
    by_name,
    geojson,
    iso,
    period,
    span,
)
from cim.store.queries.sensorthings.streams import observations, rollups, streams

NUMBER_OF_A = "({a}.key * 8 + {a}.kind)"


def _text(name: str, column: str = "", written: str = "") -> Property:
    return Property(name, "string", f"{{a}}.{column or name}", written=written or name)


NAME, DESCRIPTION = _text("name"), _text("description")
PROPERTIES = Property("properties", "json", "{a}.properties", written="properties")


def _seen(asking: Asking, a: str) -> str:
    return f"{a}.gone IS NULL AND {cleared(asking, a)}"


def _placed(asking: Asking, a: str) -> str:
    return f"{a}.placed AND {_seen(asking, a)}"


def _reading(asking: Asking, a: str) -> str:
    return f"{_seen(asking, a)} AND {living(asking, a, f'{a}.at')}"


def _pair(number: str) -> tuple[str, str]:
    """Key and kind out of one number."""
    return (f"({number} >> 3)", f"({number} & 7)::int4")


def _at(number: str) -> str:
    key, kind = _pair(number)
    return f"{{b}}.key = {key} AND {{b}}.kind = {kind}"


_VIA = "{b}.key = {v}.key AND {b}.kind = {v}.kind"
_STREAM = "{b}.key = {v}.id"
_OF_THING = f"""SELECT d.id FROM city.device v JOIN city.datastream d ON d.device_id = v.id
        WHERE v.bind_type = {name_of("{a}.kind")} AND v.bind_id = {{a}}.key
    UNION SELECT d.id FROM city.device v JOIN city.datastream d ON d.device_id = v.id
        WHERE {{a}}.kind = {DEVICE} AND v.id = {{a}}.key
    UNION SELECT x.datastream_id FROM city.sta_datastream x WHERE x.thing = {NUMBER_OF_A}"""
_OF_SENSOR = f"""SELECT d.id FROM city.datastream d
        WHERE {{a}}.kind = {DEVICE} AND d.device_id = {{a}}.key
    UNION SELECT x.datastream_id FROM city.sta_datastream x WHERE x.sensor = {NUMBER_OF_A}"""
_ON_THING = f"{_STREAM} AND {{b}}.thing = {NUMBER_OF_A}"
_ON_SENSOR = f"{_STREAM} AND {{b}}.sensor = {NUMBER_OF_A}"

THING = Entity(
    "Thing",
    "Things",
    PAIR,
    objects.things,
    by_name(NAME, DESCRIPTION, PROPERTIES),
    by_name(
        Link(
            "Locations",
            "Location",
            _VIA,
            """SELECT {a}.key AS key, {a}.kind AS kind WHERE {a}.kind > 0
            UNION ALL SELECT location >> 3, (location & 7)::int4 FROM city.sta_thing_location
            WHERE {a}.kind = 0 AND thing_id = {a}.key""",
            many=True,
        ),
        Link(
            "HistoricalLocations",
            "HistoricalLocation",
            _VIA,
            f"""SELECT id AS key, 1 AS kind FROM city.device_binding
            WHERE {{a}}.kind = {DEVICE} AND device_id = {{a}}.key
            UNION ALL SELECT id, 0 FROM city.sta_history
            WHERE {{a}}.kind = 0 AND thing_id = {{a}}.key""",
            many=True,
        ),
        Link("Datastreams", "Datastream", _ON_THING, _OF_THING, many=True),
        Link("MultiDatastreams", "MultiDatastream", _ON_THING, _OF_THING, many=True),
    ),
    _seen,
)

_GEOJSON = "application/geo+json"
_ENCODING = Property(
    "encodingType",
    "string",
    f"coalesce({{a}}.encoding_type, '{_GEOJSON}')",
    written="encoding_type",
)


def _geometry(name: str) -> Property:
    return Property(
        name,
        "geometry",
        "{a}.shape",
        "coalesce({a}.given::text, " + geojson("{a}.shape") + ")",
        written=name,
    )


LOCATION = Entity(
    "Location",
    "Locations",
    PAIR,
    objects.locations,
    by_name(NAME, DESCRIPTION, _ENCODING, _geometry("location"), PROPERTIES),
    by_name(
        Link(
            "Things",
            "Thing",
            _VIA,
            f"""SELECT {{a}}.key AS key, {{a}}.kind AS kind WHERE {{a}}.kind > 0
            UNION ALL SELECT thing_id, 0 FROM city.sta_thing_location
            WHERE location = {NUMBER_OF_A}""",
            many=True,
        ),
        Link(
            "HistoricalLocations",
            "HistoricalLocation",
            _VIA,
            f"""SELECT id AS key, 1 AS kind FROM city.device_binding
            WHERE bind_type = {name_of("{a}.kind")} AND bind_id = {{a}}.key
            UNION ALL SELECT history_id, 0 FROM city.sta_history_location
            WHERE location = {NUMBER_OF_A}""",
            many=True,
        ),
    ),
    _placed,
)

_HISTORY = f"""(SELECT 0 AS kind, id AS key, thing_id * 8 AS thing, "time" AS at,
        NULL::int8 AS place, NULL::int8 AS house, 0 AS secrecy, NULL::timestamptz AS gone
        FROM city.sta_history
    UNION ALL SELECT 1, b.id, b.device_id * 8 + {DEVICE}, b.valid_from,
        coalesce(b.bind_id * 8 + {kind_of("b.bind_type")}, b.device_id * 8 + {DEVICE}),
        v.building_id, v.secrecy::int4, v.ended_at
        FROM city.device_binding b JOIN city.device v ON v.id = b.device_id)"""

HISTORICAL_LOCATION = Entity(
    "HistoricalLocation",
    "HistoricalLocations",
    PAIR,
    lambda _asking: _HISTORY,
    by_name(Property("time", "time", "{a}.at", iso("{a}.at"), written="time")),
    by_name(
        Link("Thing", "Thing", _at("{a}.thing"), keys=_pair("{a}.thing")),
        Link(
            "Locations",
            "Location",
            _at("{v}.id"),
            """SELECT {a}.place AS id WHERE {a}.kind = 1
            UNION ALL SELECT location FROM city.sta_history_location
            WHERE {a}.kind = 0 AND history_id = {a}.key""",
            many=True,
        ),
    ),
    _seen,
)

_SENSORS = f"""(SELECT 0 AS kind, id AS key, name, description, encoding_type, metadata, properties,
        NULL::int8 AS house, 0 AS secrecy, NULL::timestamptz AS gone FROM city.sta_sensor
    UNION ALL SELECT {DEVICE}, v.id, coalesce(v.name, v.class_code), v.class_code, 'text/plain',
        to_jsonb(concat_ws(' ', v.class_code, v.model)),
        jsonb_build_object('type', 'device', 'id', v.id), v.building_id, v.secrecy::int4,
        v.ended_at FROM city.device v)"""

SENSOR = Entity(
    "Sensor",
    "Sensors",
    PAIR,
    lambda _asking: _SENSORS,
    by_name(
        NAME,
        DESCRIPTION,
        Property("encodingType", "string", "{a}.encoding_type", written="encoding_type"),
        Property("metadata", "json", "{a}.metadata", written="metadata"),
        PROPERTIES,
    ),
    by_name(
        Link("Datastreams", "Datastream", _ON_SENSOR, _OF_SENSOR, many=True),
        Link("MultiDatastreams", "MultiDatastream", _ON_SENSOR, _OF_SENSOR, many=True),
    ),
    _seen,
)

OBSERVED_PROPERTY = Entity(
    "ObservedProperty",
    "ObservedProperties",
    NUMBER,
    lambda _asking: (
        "(SELECT id AS key, code, name, definition, description, properties FROM city.sta_property)"
    ),
    by_name(NAME, _text("definition"), DESCRIPTION, PROPERTIES),
    by_name(
        Link("Datastreams", "Datastream", "{b}.property = {a}.code", many=True),
        Link(
            "MultiDatastreams",
            "MultiDatastream",
            _STREAM,
            "SELECT DISTINCT datastream_id AS id FROM city.sta_part WHERE property_id = {a}.key",
            many=True,
        ),
    ),
)

_PERIOD = Property(
    "phenomenonTime", "time", "{a}.first_at", span("{a}.first_at", "{a}.last_at"),
    end="{a}.last_at",
)  # fmt: skip
_FIRST = "coalesce({a}.result_first, {a}.first_at)"
_LAST = "coalesce({a}.result_last, {a}.last_at)"
_UPSTREAM = (
    NAME,
    DESCRIPTION,
    Property(
        "observationType", "string", "{a}.observation_type", written="observation_type"
    ),
    Property("observedArea", "geometry", "{a}.area", geojson("{a}.area")),
    _PERIOD,
    Property("resultTime", "time", _FIRST, span(_FIRST, _LAST), end=_LAST),
    PROPERTIES,
)  # fmt: skip
_DOWNSTREAM = (
    Link("Thing", "Thing", _at("{a}.thing"), keys=_pair("{a}.thing")),
    Link("Sensor", "Sensor", _at("{a}.sensor"), keys=_pair("{a}.sensor")),
    Link("Observations", "Observation", "{b}.stream = {a}.key", many=True, open=entered),
)

DATASTREAM = Entity(
    "Datastream",
    "Datastreams",
    NUMBER,
    streams,
    by_name(*_UPSTREAM, Property("unitOfMeasurement", "json", "{a}.unit", written="unit")),
    by_name(*_DOWNSTREAM, Link("ObservedProperty", "ObservedProperty", "{b}.code = {a}.property")),
    lambda asking, a: f"CASE WHEN {a}.multi THEN false ELSE true END AND {_seen(asking, a)}",
    walk="city.datastream",
)

MULTI_DATASTREAM = Entity(
    "MultiDatastream",
    "MultiDatastreams",
    NUMBER,
    streams,
    by_name(
        *_UPSTREAM,
        Property("unitOfMeasurements", "json", "({a}.parts -> 'units')", written="units"),
        Property("multiObservationDataTypes", "json", "({a}.parts -> 'types')", written="types"),
    ),
    by_name(
        *_DOWNSTREAM,
        Link(
            "ObservedProperties",
            "ObservedProperty",
            "{b}.key = {v}.id",
            "SELECT property_id AS id FROM city.sta_part WHERE datastream_id = {a}.key",
            many=True,
            order="(SELECT min(p.no) FROM city.sta_part p WHERE p.datastream_id = {a}.key"
            " AND p.property_id = {b}.key)",
        ),
    ),
    lambda asking, a: f"{a}.multi AND {_seen(asking, a)}",
)

_RESULT = """coalesce({a}.rich::text, CASE WHEN {a}.number IS NULL THEN to_json({a}.words)::text
    WHEN {a}.result_type = 'boolean' THEN ({a}.number <> 0)::text ELSE {a}.number::text END,
    'null')"""

OBSERVATION = Entity(
    "Observation",
    "Observations",
    MOMENT,
    observations,
    by_name(
        Property("phenomenonTime", "time", "{a}.at", period("{a}.at", "{a}.until"),
            end="{a}.until"),
        Property(
            "resultTime", "time", "{a}.result_time", f"coalesce({iso('{a}.result_time')}, 'null')"
        ),
        Property("result", "any", "{a}.number", _RESULT, other="{a}.words"),
        Property(
            "resultQuality",
            "json",
            "{a}.result_quality",
            "coalesce({a}.result_quality::text, nullif({a}.quality, 0)::text)",
        ),
        Property(
            "validTime", "time", "{a}.valid_from", span("{a}.valid_from", "{a}.valid_to"),
            end="{a}.valid_to",
        ),
        Property("parameters", "json", "{a}.parameters"),
    ),
    by_name(
        Link("Datastream", "Datastream", "{b}.key = {a}.stream", keys=("{a}.stream",)),
        Link("MultiDatastream", "MultiDatastream", "{b}.key = {a}.stream", keys=("{a}.stream",)),
        Link(
            "FeatureOfInterest", "FeatureOfInterest", _at("{a}.feature"),
            keys=_pair("{a}.feature"),
        ),
    ),
    _reading,
)  # fmt: skip


def _rolled(level: str) -> Entity:
    return Entity(
        "Observation",
        "Observations",
        MOMENT,
        lambda _asking: rollups(level),
        by_name(
            OBSERVATION.properties["phenomenonTime"],
            Property("result", "any", "{a}.number", "coalesce({a}.number::text, "
                "to_json({a}.words)::text)", other="{a}.words"),
            OBSERVATION.properties["parameters"],
        ),
        by_name(OBSERVATION.links["Datastream"]),
        _reading,
        nameless=True,
    )  # fmt: skip


ROLLED = {level: _rolled(level) for level in ("hour", "day")}
"""Readings summed up: what the standard has not, at the addresses that it has."""

FEATURE_OF_INTEREST = Entity(
    "FeatureOfInterest",
    "FeaturesOfInterest",
    PAIR,
    objects.features,
    by_name(NAME, DESCRIPTION, _ENCODING, _geometry("feature"), PROPERTIES),
    by_name(
        Link(
            "Observations",
            "Observation",
            f"""{{b}}.stream = {{v}}.id AND {{b}}.at >= {{v}}.begin AND {{b}}.at <= {{v}}.until
            AND {{b}}.feature = {NUMBER_OF_A}""",
            f"""SELECT r.datastream_id AS id, r.phenomenon_time AS begin,
                r.phenomenon_time AS until
            FROM city.sta_observation r WHERE r.feature = {NUMBER_OF_A}
            UNION SELECT d.id, '-infinity', 'infinity' FROM city.datastream d
            WHERE d.id IN (SELECT d.id FROM city.device_binding b
                    JOIN city.datastream d ON d.device_id = b.device_id
                    WHERE b.bind_type = {name_of("{a}.kind")} AND b.bind_id = {{a}}.key
                UNION SELECT id FROM ({_OF_THING}) of_thing)""",
            many=True,
        ),
    ),
    _placed,
)

ENTITIES: dict[str, Entity] = {
    each.name: each
    for each in (
        THING,
        LOCATION,
        HISTORICAL_LOCATION,
        DATASTREAM,
        SENSOR,
        OBSERVED_PROPERTY,
        OBSERVATION,
        FEATURE_OF_INTEREST,
        MULTI_DATASTREAM,
    )
}
"""By their names in the singular."""

SETS: dict[str, Entity] = {each.many: each for each in ENTITIES.values()}
"""By the names of their sets, as the root lists them."""

NAMES = SETS | {
    link.name: ENTITIES[link.to] for each in ENTITIES.values() for link in each.links.values()
}
"""Every word that a step of an address may be."""
