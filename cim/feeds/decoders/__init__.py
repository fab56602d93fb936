"""Formats of payloads, one file each: a pure function, bytes → readings, and its entry here."""

from collections.abc import Mapping
from typing import Final

from cim.feeds.decoders import own
from cim.feeds.reading import Decoder

DECODERS: Final[Mapping[str, Decoder]] = {
    "cim": own.DECODER,
}
"""Every format by the name a feed calls it."""
