"""A series of one datastream, for a chart."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.common import Answer, example
from api.schemas.observations import Stream

How = Literal["minmax", "lttb", "mean", "weighted", "increase"]


class Limit(Answer):
    """What an alarm rule watches a stream for, in the stream's unit."""

    zh: str
    en: str
    severity: int | None = Field(description="1 notice to 4 danger")
    above: float | None = Field(description="an alarm begins above it")
    below: float | None = Field(description="an alarm begins below it")


class Charted(Stream):
    """One measured quantity of one device, and how it behaves."""

    limits: list[Limit] = Field(description="what alarm rules watch it for, the worst first")
    kind: str = Field(description="gauge, counter or state")
    interval_s: int | None = Field(description="expected seconds between readings")


class Series(Answer):
    """Points of one datastream, oldest first, in two columns of equal length."""

    model_config = example(
        {
            "datastream": {
                "id": 61,
                "name": "volume",
                "label": {"zh": "累计用水", "en": "water so far"},
                "limits": [],
                "property": "用水量",
                "unit": "m3",
                "kind": "counter",
                "interval_s": 3600,
                "device": {
                    "id": 51,
                    "name": "803水表",
                    "class": {"code": "water_meter", "zh": "水表", "en": "water meter"},
                },
            },
            "start": "2026-11-20T00:00:00Z",
            "end": "2026-11-21T00:00:00Z",
            "how": "minmax",
            "level": "raw",
            "width_s": None,
            "t": [1795161600000, 1795165200000],
            "v": [123.4, 123.6],
            "low": None,
            "high": None,
            "gaps": [[1795165200000, 1795248000000]],
            "truncated": False,
        }
    )

    datastream: Charted
    start: datetime
    end: datetime
    how: How
    level: Literal["raw", "5min", "hour", "day"] = Field(
        description="what was read: readings, or their sums"
    )
    width_s: int | None = Field(description="seconds a bar is wide; null for lines")
    t: list[int] = Field(description="milliseconds since 1970 UTC")
    v: list[float | str | None] = Field(
        description="number, or text where the readings are; null where a bar has no number"
    )
    low: list[float | None] | None = Field(description="least of each bar; means alone have it")
    high: list[float | None] | None = Field(description="greatest of each bar")
    gaps: list[tuple[int, int]] = Field(
        description="times without a reading, longer than the stream is expected to be silent"
    )
    truncated: bool = Field(description="there were more texts; these are the latest")
