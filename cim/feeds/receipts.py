"""Receipts: what a sender who asked for it is told once its message is in the store.

A broker acknowledges what it has taken, which it may forget when it is killed. Whoever must know
that a message is in the store publishes it with MQTT 5's Response Topic, `cim/receipts/` and its
own name, and Correlation Data; the receipt comes there with the same Correlation Data, and says
what was taken as an answer to a push does. It is sent at QoS 0: whoever misses it sends the
message again, which is stored once, and gets the receipt of that.
"""

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from cim.feeds.reading import Fault
from cim.feeds.reasons import sentence

ROOT: Final = "cim/receipts/"
"""Below which each sender has a topic of its name; no feed takes in what is published there."""

MOST_TOLD: Final = 10
"""Faults that a receipt names; how many there are is counted."""

LONGEST: Final = 200
"""Bytes of Correlation Data."""

_CORRELATION: Final = 0x09
_PUBLISH: Final = 0x30
_SHORT: Final = struct.Struct("!H").pack


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """A receipt that was asked for."""

    topic: str
    correlation: bytes


def wanted(sender: str | None, topic: str, correlation: bytes) -> Wanted | None:
    """The receipt of a message; None where it would go to somebody else, or to nobody.

    >>> wanted("meter-1", "cim/receipts/meter-1", b"7").topic
    'cim/receipts/meter-1'
    >>> wanted("meter-1", "cim/receipts/meter-2", b"7")
    >>> wanted(None, "cim/receipts/meter-1", b"7")
    """
    if not sender or topic != ROOT + sender or not 0 < len(correlation) <= LONGEST:
        return None
    return Wanted(topic, bytes(correlation))


def packet(asked: Wanted, readings: int, faults: Sequence[Fault]) -> bytes:
    """A receipt as a packet of MQTT 5: of so many readings stored, and what was at fault.

    >>> packet(Wanted("cim/receipts/a", b"7"), 1, [])[:19].hex()
    '303d000e63696d2f72656365697074732f6104'
    """
    told = [_told(fault) for fault in faults[:MOST_TOLD]]
    payload = msgspec.json.encode({"taken": readings, "faults": told, "faults_count": len(faults)})
    topic = asked.topic.encode()
    data = asked.correlation
    properties = bytes((_CORRELATION,)) + _SHORT(len(data)) + data
    body = b"".join((_SHORT(len(topic)), topic, _variable(len(properties)), properties, payload))
    return bytes((_PUBLISH,)) + _variable(len(body)) + body


def _told(fault: Fault) -> dict[str, str]:
    en, zh = sentence(fault.reason)
    return {"reason": fault.reason, "en": en, "zh": zh, "detail": fault.detail, "path": fault.path}


def _variable(number: int) -> bytes:
    """A length as MQTT writes it: seven bits a byte, the lowest first.

    >>> _variable(127), _variable(321)
    (b'\\x7f', b'\\xc1\\x02')
    """
    found = bytearray()
    while True:
        number, low = number >> 7, number & 127
        found.append(low | 128 if number else low)
        if not number:
            return bytes(found)
