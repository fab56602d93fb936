"""Statements of what is pushed over HTTP: whose key it is, and which device is meant."""

from typing import Final

KEY: Final = """
    WITH found AS (
        SELECT id, username, device_id FROM platform.device_key
        WHERE digest = $1 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > now())),
    used AS (
        UPDATE platform.device_key k SET used_at = date_trunc('minute', now()) FROM found
        WHERE k.id = found.id AND k.used_at IS DISTINCT FROM date_trunc('minute', now()))
    SELECT username, device_id FROM found"""
"""Who holds a key, by its digest; that it was used is noted to the minute."""

DEVICE: Final = """
    SELECT ext_id, source_id FROM city.device WHERE id = $1 AND ended_at IS NULL"""
"""A device's key in its source."""
