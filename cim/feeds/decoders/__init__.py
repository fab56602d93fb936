"""Formats of payloads, one file each: a pure function from bytes to readings, and its entry."""

from collections.abc import Mapping
from typing import Final

from cim.feeds.decoders import (
    chirpstack,
    ctwing,
    iotda,
    ngsi_ld,
    onenet,
    own,
    senml,
    sensorthings,
    sparkplug,
    thingsboard,
    ttn,
)
from cim.feeds.reading import Decoder

DECODERS: Final[Mapping[str, Decoder]] = {
    "cim": own.DECODER,
    "chirpstack": chirpstack.DECODER,
    "ctwing": ctwing.DECODER,
    "iotda": iotda.DECODER,
    "ngsi-ld": ngsi_ld.DECODER,
    "onenet": onenet.DECODER,
    "senml": senml.DECODER,
    "sensorthings": sensorthings.DECODER,
    "sparkplug": sparkplug.DECODER,
    "thingsboard": thingsboard.DECODER,
    "ttn": ttn.DECODER,
}
"""Every format by the name a feed calls it."""
