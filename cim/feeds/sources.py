"""Feeds as they stand in the database: where messages come from, and what is where in them."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from cim.feeds.decoders import DECODERS
from cim.feeds.decoders.own import ROOT

SENDER_LEVEL: Final = 2
"""Level of our own topics, from 0, that says who sent: `cim/v1/{sender}/…`."""


class Place(msgspec.Struct, frozen=True, rename={"class_code": "class"}):
    """What one place in a payload is."""

    path: str
    class_code: str | None = None
    device: str | None = None
    stream: str | None = None
    """None leaves it out."""

    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    texts: dict[str, Any] | None = None

    def rank(self, class_code: str, device: str) -> int:
        """How narrowly it is meant for a device; 0 is not at all."""
        if self.device not in (None, device) or self.class_code not in (None, class_code):
            return 0
        return 1 + 2 * (self.device is not None) + (self.class_code is not None)


class Feed(msgspec.Struct, frozen=True):
    """One feed."""

    id: int
    name: str
    transport: str
    decoder: str
    source_id: int
    topic: str | None = None
    options: dict[str, Any] = {}
    provision: str = "none"
    enabled: bool = True
    key_digest: bytes | None = None
    places: tuple[Place, ...] = ()

    def sender(self, topic: str) -> str | None:
        """Who sent, where topics say it; None where the feed as a whole is trusted.

        >>> Feed(1, "own", "mqtt", "cim", 1).sender("cim/v1/gateway-1/meter-7")
        'gateway-1'
        >>> Feed(2, "lora", "mqtt", "chirpstack", 1).sender("application/1/device/2/event/up")
        """
        level = self.options.get("sender_level")
        if level is None:
            if not topic.startswith(ROOT):
                return None
            level = SENDER_LEVEL
        if level < 0:
            return None
        parts = topic.split("/", level + 1)
        return parts[level] if len(parts) > level else ""

    @property
    def shared(self) -> bool:
        """Whether several ingesters may share its messages: not where each needs the one before,
        nor in MQTT 3.1.1, which gives each of them all."""
        able = DECODERS[self.decoder].step is None and self.options.get("mqtt") != 3
        return able and bool(self.options.get("shared", True))

    def place(self, class_code: str, device: str, path: str) -> Place | None:
        """What a path means for a device, by the narrowest entry of the map; None without one."""
        best, rank = None, 0
        for one in self.places:
            if one.path == path and (found := one.rank(class_code, device)) > rank:
                best, rank = one, found
        return best

    def opened_by(self, digest: bytes) -> bool:
        """Whether a key of this SHA-256 is the feed's own."""
        return self.key_digest is not None and hmac.compare_digest(self.key_digest, digest)


def read(rows: Sequence[Mapping[str, Any]]) -> dict[str, Feed]:
    """Feeds by name, from the rows of `queries.feeds.resolving.FEEDS`."""
    found = {}
    for row in rows:
        places = msgspec.json.decode(row["map"], type=tuple[Place, ...]) if row["map"] else ()
        found[row["name"]] = Feed(
            row["id"],
            row["name"],
            row["transport"],
            row["decoder"],
            row["source_id"],
            row["topic"],
            msgspec.json.decode(row["options"]),
            row["provision"],
            row["enabled"],
            row["key_digest"],
            places,
        )
    return found
