"""Statements about the change feed."""

from typing import Final

TELLING: Final = {
    "city.admin_area": "admin_area",
    "city.grid": "grid",
    "city.estate": "estate",
    "city.street": "street",
    "city.parcel": "parcel",
    "city.building": "building",
    "city.storey": "storey",
    "city.unit": "unit",
    "city.entrance": "entrance",
    "city.std_address": "address",
    "city.facility": "facility",
    "city.device": "device",
    "city.organisation": "organisation",
}
"""Tables of which the database tells by itself (`changes.sql`), with their types in the feed."""
