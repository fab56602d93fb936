"""Example payloads of every format and what they hold: `unit/feeds/payloads/`, and Sparkplug."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cim.feeds.decoders.sparkplug_schema import payload_class
from cim.feeds.reading import Message

NOW = 1_767_225_600_000_000
"""When every example arrives: 2026-01-01T00:00:00Z, microseconds."""


@dataclass(frozen=True)
class Example:
    decoder: str
    name: str
    payload: bytes
    message: Message
    readings: list[list[Any]] = field(default_factory=list)
    faults: list[list[str]] = field(default_factory=list)


def examples() -> Iterator[Example]:
    """Every example of `payloads/`, by decoder."""
    for file in sorted((Path(__file__).parent / "unit/feeds/payloads").glob("*.json")):
        for one in json.loads(file.read_text(encoding="utf-8")):
            text = one.get("text") or json.dumps(one["payload"], ensure_ascii=False)
            message = Message(one.get("topic", ""), "", NOW, one.get("options", {}))
            yield Example(
                file.stem,
                one["name"],
                text.encode(),
                message,
                one.get("readings", []),
                one.get("faults", []),
            )


def sparkplug(seq: int | None, *metrics: dict[str, Any], at: int = NOW // 1000) -> bytes:
    """A payload of Sparkplug B; a metric's keys are the fields of its message."""
    made = payload_class()(timestamp=at)
    if seq is not None:
        made.seq = seq
    for metric in metrics:
        quality = metric.pop("quality", None)
        one = made.metrics.add(**metric)
        if quality is not None:
            one.properties.keys.append("Quality")
            one.properties.values.add(int_value=quality)
    return bytes(made.SerializeToString())
