"""The tables: one file a subject, every column commented; `metadata` knows them all."""

from cim.model import (
    addresses,
    buildings,
    devices,
    facilities,
    intake,
    organisations,
    people,
    places,
    platform,
    quality,
    reference,
    security,
    spaces,
    terrain,
    vector,
)
from cim.model.base import CITY, PII, PLATFORM, SECURITY, SRID, metadata

__all__ = [
    "CITY",
    "PII",
    "PLATFORM",
    "SECURITY",
    "SRID",
    "addresses",
    "buildings",
    "devices",
    "facilities",
    "intake",
    "metadata",
    "organisations",
    "people",
    "places",
    "platform",
    "quality",
    "reference",
    "security",
    "spaces",
    "terrain",
    "vector",
]
