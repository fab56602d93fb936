"""One reading on its way in, and what a decoder takes and gives.

A payload is decoded by a pure function, bytes and what came with them in, readings out. What it
cannot use it names as a fault; what is good beside it goes on.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
"""Options of a feed that has none."""


GOOD: Final = frozenset((0, 2, 3))
"""Qualities (list reading_quality) that count: good, estimated, entered by hand."""

OUT_OF_RANGE: Final = 4
"""Quality of a reading outside of what can be true of its stream."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one stream of one device measured at one time."""

    device: str
    """Key of the device in its source."""

    stream: str
    """Name of the stream, or the path in the payload, which the feed's map gives a name."""

    at: int | None = None
    """Microseconds since 1970, UTC; None is when the message arrived."""

    value: float | None = None
    """The number; a truth is 1 or 0."""

    text: str | None = None
    """The text or code, where it is no number."""

    unit: str | None = None
    """Unit in UCUM, where the message says it."""

    quality: int = 0
    """0 good; others by the list reading_quality."""

    correct: bool = False
    """Says itself that it corrects an earlier reading of the same time."""


class Fault(msgspec.Struct, frozen=True, gc=False):
    """What of a payload cannot be used, and why."""

    reason: str
    """Code of the reason: a key of `cim.feeds.reasons.REASONS`."""

    detail: str = ""
    """What is at fault, as far as it may be told; never a person's data."""

    path: str = ""
    """Where in the payload."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What is to be said back to who sent it, over the same transport."""

    topic: str
    payload: bytes


class Frame(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a device that only a script of its maker reads, which runs outside our process."""

    device: str
    script: str
    """Source of the script, JavaScript with `decodeUplink`."""

    data: bytes
    port: int = 1
    at: int | None = None
    """As `Reading.at`."""


class Decoded(msgspec.Struct, gc=False):
    """What a payload held."""

    readings: list[Reading] = []
    faults: list[Fault] = []
    replies: list[Reply] = []
    frames: list[Frame] = []
    """What `cim.feeds.codecs` has to read yet."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """What came with a payload."""

    topic: str = ""
    """Where it was published; of a push over HTTP, its path below the feed."""

    content_type: str = ""
    """Media type, without parameters, in lower case; empty where nothing was said."""

    received_at: int = 0
    """Microseconds since 1970, UTC."""

    options: Mapping[str, Any] = NOTHING
    """Options of the feed."""

    headers: Mapping[str, str] = NOTHING
    """Headers of a push over HTTP, names in lower case; user properties of MQTT 5."""


Decode = Callable[[bytes, Message], Decoded]
"""A decoder: pure, never raising for what a payload holds."""

Step = Callable[[bytes, Message, Any], tuple[Decoded, Any]]
"""A decoder that needs what came before: the state (None at first) in, the next one out."""


@dataclass(frozen=True)
class Decoder:
    """A format of payloads."""

    decode: Decode
    """For a payload by itself; one that needs what came before decodes as if nothing had."""

    media_types: tuple[str, ...]
    """As which it comes over HTTP."""

    en: str
    zh: str

    step: Step | None = None
    """Decodes with state, where what came before counts."""

    key: Callable[[Message], Hashable] | None = None
    """Whose state it is: messages of one key are decoded in order, each with what the last left."""
