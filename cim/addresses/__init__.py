"""Addresses: from a text in anybody's habit to the fifteen-level ladder, and back to a text."""

from cim.addresses.columns import parse_many
from cim.addresses.gazetteer import Gazetteer
from cim.addresses.ladder import LADDER, canonical, deepest, full_text, join
from cim.addresses.normal import normalise
from cim.addresses.parser import Address, parse

__all__ = [
    "LADDER",
    "Address",
    "Gazetteer",
    "canonical",
    "deepest",
    "full_text",
    "join",
    "normalise",
    "parse",
    "parse_many",
]
