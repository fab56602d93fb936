"""Statements that find whose a reading is: feeds, devices, streams; columns in, $1 … ."""

from typing import Final

FEEDS: Final = """
    SELECT f.id, f.name, f.transport, f.decoder, f.source_id, f.topic, f.options::text AS options,
        f.provision, f.enabled, f.key_digest,
        (SELECT json_agg(json_build_object('class', m.class_code, 'device', m.device,
             'path', m.path, 'stream', m.stream, 'unit', m.unit_ucum, 'scale', m.scale,
             'offset', m."offset", 'texts', m.texts) ORDER BY m.id)
         FROM platform.feed_map m WHERE m.feed_id = f.id)::text AS map
    FROM platform.feed f ORDER BY f.id"""

DEVICES: Final = """
    SELECT k.n::int AS n, d.id, d.class_code
    FROM unnest($2::text[]) WITH ORDINALITY AS k(device, n)
    JOIN city.device d ON d.source_id = $1 AND d.ext_id = k.device AND d.ended_at IS NULL"""
"""Devices of a source by their keys; the place in the list, from 1."""

SENT: Final = """
    SELECT k.n::int AS n, s.device_id AS sender, coalesce(own.id, led.id) AS id,
        coalesce(own.class_code, led.class_code) AS class_code,
        EXISTS (SELECT FROM city.device o WHERE o.ext_id = k.device AND o.source_id = $1
                AND o.ended_at IS NULL) AS known
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS k(username, device, n)
    LEFT JOIN LATERAL (
        SELECT y.device_id FROM platform.device_key y
        WHERE y.username = k.username AND y.ended_at IS NULL
          AND (y.expires_at IS NULL OR y.expires_at > now())) s ON true
    LEFT JOIN city.device own ON own.id = s.device_id AND own.ended_at IS NULL
        AND k.device IN (own.ext_id, k.username)
    LEFT JOIN LATERAL (
        SELECT d.id, d.class_code FROM city.device d
        WHERE d.source_id = $1 AND d.ext_id = k.device AND d.gateway_id = s.device_id
          AND d.ended_at IS NULL) led ON own.id IS NULL"""
"""Devices that senders name: themselves, or one of the feed's source that speaks through them."""

STREAMS: Final = """
    SELECT k.n::int AS n, t.id, t.result_type, t.unit_ucum, t.low, t.high, t.ruled, c.days
    FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS k(device, name, n)
    JOIN city.datastream t ON t.device_id = k.device AND t.name = k.name
    JOIN city.retention_class c ON c.code = t.retention"""
"""Streams of devices by their names."""

TYPED: Final = """
    INSERT INTO city.datastream (device_id, name, observed_property, unit_ucum, result_type, kind,
        low, high, interval_s, retention)
    SELECT DISTINCT ON (k.device, k.name) k.device, k.name, y.observed_property, y.unit_ucum,
        y.result_type, y.kind, y.low, y.high, y.interval_s, y.retention
    FROM unnest($1::bigint[], $2::text[]) AS k(device, name)
    JOIN city.device d ON d.id = k.device
    JOIN city.stream_type y ON y.class_code = d.class_code AND y.name = k.name
    ON CONFLICT (device_id, name) DO NOTHING"""
"""Streams that a device of that class has, made when they speak first."""

UNTYPED: Final = """
    INSERT INTO city.datastream (device_id, name, observed_property, unit_ucum, result_type, kind)
    SELECT DISTINCT ON (k.device, k.name) k.device, k.name, k.name, k.unit, k.type,
        CASE WHEN k.type = 'number' THEN 'gauge' ELSE 'state' END
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS k(device, name, type, unit)
    ON CONFLICT (device_id, name) DO NOTHING"""
"""Streams that no type knows, of a feed that makes them."""

NEW_DEVICES: Final = """
    INSERT INTO city.device (class_code, source_id, ext_id)
    SELECT DISTINCT $2::text, $1::smallint, k.device FROM unnest($3::text[]) AS k(device)
    ON CONFLICT (source_id, ext_id) DO NOTHING"""
"""Devices that nobody registered, of a feed that makes them; bound to nothing."""

LISTEN: Final = "cim_streams"
"""Told on this channel when what was found may not hold any more."""

CITY: Final = """
    SELECT system_identifier || '-' || d.oid FROM pg_control_system(), pg_database d
    WHERE d.datname = current_database()"""
"""What tells this database from every other, whichever of its servers answers."""

HOLD: Final = "SELECT pg_try_advisory_lock($1, $2)"
"""Be the one that takes in a feed, while the connection lasts."""
