"""Statements about devices by their keys: found, bound, let in. For whoever holds a connection."""

from typing import Final

from sqlalchemy import TextClause, text

from cim.store.queries.ready import Ready

USERS: Final = """
    SELECT username, broker_hash FROM platform.device_key
    WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at > now()) ORDER BY username"""
"""Who is let in at the broker, and as what."""

SENDER: Final = """
    SELECT k.id, k.device_id, k.username FROM platform.device_key k
    JOIN city.device d ON d.id = k.device_id AND d.ended_at IS NULL
    WHERE k.digest = $1 AND k.ended_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > now())"""
"""Whose key that is."""

USED: Final = """
    UPDATE platform.device_key SET used_at = now()
    WHERE id = $1 AND (used_at IS NULL OR used_at < now() - interval '1 minute')"""
"""It was used; to the minute."""

FIND: Final = text("""
    SELECT d.id, d.ext_id, d.class_code, d.source_id, y.name AS source
    FROM city.device d LEFT JOIN city.source_system y ON y.id = d.source_id
    WHERE (d.ext_id = :key OR '#' || d.id = :key) AND d.ended_at IS NULL
      AND (CAST(:source AS text) IS NULL OR y.name = :source)
    ORDER BY d.id LIMIT 2""")
"""Devices of a key, or of our id as #id."""

END_KEYS: Final = text("""
    UPDATE platform.device_key SET ended_at = now()
    WHERE device_id = :device AND ended_at IS NULL""")

SECRECY: Final = Ready("SELECT secrecy FROM city.device WHERE id = :id", id="bigint")
"""How far a device is from public."""

GIVE_KEY: Final = text("""
    SELECT platform.give_device_key(:device, :prefix, :digest, :broker_hash,
        CAST(:expires_at AS timestamptz))""")
"""The name that it has at the broker; NULL where there is no such device."""

KEYS: Final = text("""
    SELECT d.id AS device_id, d.ext_id AS device, d.class_code, k.username, k.prefix, k.made_at,
        k.expires_at, k.ended_at, k.used_at
    FROM platform.device_key k JOIN city.device d ON d.id = k.device_id
    WHERE CAST(:device AS bigint) IS NULL OR k.device_id = :device
    ORDER BY k.ended_at IS NOT NULL, k.id DESC LIMIT 1000""")

ADD_CLAIM: Final = text("""
    INSERT INTO platform.device_claim (digest, device_id, expires_at)
    VALUES (:digest, :device, now() + make_interval(days => :days))""")

USE_CLAIM: Final = text("""
    SELECT device_id, username
    FROM platform.claim_device(:code, :prefix, :digest, :broker_hash)""")
"""A code is good once."""

OBJECTS: Final = {
    "unit": ("city.unit", "o.building_id"),
    "entrance": ("city.entrance", "o.building_id"),
    "storey": ("city.storey", "o.building_id"),
    "building": ("city.building", "o.id"),
    "estate": ("city.estate", "NULL::bigint"),
    "facility": ("city.facility", "o.building_id"),
    "project": ("city.project", "NULL::bigint"),
}
"""What a device may be bound to: the table, and where its building stands."""


CODED: Final = frozenset({"unit", "building", "estate", "facility", "project"})
"""Those with a key in their source; the others go by our id alone."""


def bindable(kind: str, *, coded: bool) -> TextClause:
    """Objects of a kind by our id, or by the key of their source: at most two."""
    table, building = OBJECTS[kind]
    by = "o.ext_id = :key" if coded else "o.id = CAST(:key AS bigint)"
    return text(f"""
        SELECT o.id, {building} AS building_id FROM {table} o
        WHERE {by} AND o.ended_at IS NULL ORDER BY o.id LIMIT 2""")


BIND: Final = text("""
    SELECT city.bind_device(:device, :kind, :object, :building, CAST(:since AS timestamptz))""")
"""What came of it: done, same, none, early, home."""

BINDINGS: Final = text("""
    SELECT bind_type, bind_id, valid_from, valid_to FROM city.device_binding
    WHERE device_id = :device ORDER BY valid_from""")

FURNISH: Final = text("""
    INSERT INTO city.datastream (device_id, name, observed_property, unit_ucum, result_type, kind,
        low, high, interval_s, retention)
    SELECT d.id, y.name, y.observed_property, y.unit_ucum, y.result_type, y.kind, y.low, y.high,
        y.interval_s, y.retention
    FROM city.device d
    JOIN city.stream_type y ON y.class_code = d.class_code
    WHERE d.ended_at IS NULL AND d.source_id = :source
      AND (CAST(:keys AS text[]) IS NULL OR d.ext_id = ANY (CAST(:keys AS text[])))
      AND NOT EXISTS (SELECT FROM city.datastream t WHERE t.device_id = d.id)
    ON CONFLICT (device_id, name) DO NOTHING""")
"""Streams of their class for devices of a source that have none."""

TYPES: Final = text("""
    SELECT y.class_code, y.name, y.name_zh, y.name_en, y.observed_property, y.unit_ucum,
        y.result_type, y.kind, y.low, y.high, y.interval_s, y.retention
    FROM city.stream_type y
    WHERE CAST(:class AS text) IS NULL OR y.class_code = :class
    ORDER BY y.class_code, y.name""")

CAME: Final = text("""
    SELECT d.ext_id AS key, d.id FROM city.device d JOIN city.source_system y ON y.id = d.source_id
    WHERE y.name = :source AND d.ext_id = ANY (:keys) AND d.ended_at IS NULL""")
"""Devices of a source by their keys."""

HIDDEN: Final = text("""
    SELECT d.ext_id AS key, d.id, y.name AS source FROM city.device d
    LEFT JOIN city.source_system y ON y.id = d.source_id
    WHERE d.secrecy > :cleared AND d.ended_at IS NULL
      AND (d.ext_id = ANY (:keys) OR d.id = ANY (:ids))""")
"""Of some devices, those that are too secret for somebody."""

SOURCES: Final = text("""
    SELECT y.name FROM city.source_system y
    WHERE EXISTS (SELECT FROM city.device d WHERE d.source_id = y.id)
       OR EXISTS (SELECT FROM platform.feed f WHERE f.source_id = y.id) ORDER BY y.name""")
"""Systems that devices or feeds are of."""

SOURCE: Final = text("SELECT id FROM city.source_system WHERE name = :name")

ADD_SOURCE: Final = text("""
    WITH made AS (INSERT INTO city.source_system (name) VALUES (:name)
        ON CONFLICT (name) DO NOTHING RETURNING id)
    SELECT id FROM made UNION ALL SELECT id FROM city.source_system WHERE name = :name LIMIT 1""")
