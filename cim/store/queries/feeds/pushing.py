"""Statements of what is pushed over HTTP: which device is meant."""

from typing import Final

DEVICE: Final = """
    SELECT ext_id, source_id FROM city.device WHERE id = $1 AND ended_at IS NULL"""
"""A device's key in its source."""
