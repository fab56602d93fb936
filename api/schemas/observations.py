"""Readings of datastreams."""

from datetime import datetime

from pydantic import Field

from api.schemas.common import Answer, Code, Sentence, example


class StreamDevice(Answer):
    """The device a datastream belongs to."""

    id: int
    name: str | None
    class_: Code = Field(alias="class")


class Stream(Answer):
    """One measured quantity of one device."""

    id: int
    name: str
    label: Sentence = Field(description="what a screen calls it")
    property: str
    unit: str | None
    device: StreamDevice | None = Field(
        description="null of a stream that a client made of another thing"
    )


class Observations(Answer):
    """Readings of one datastream, oldest first."""

    model_config = example(
        {
            "datastream": {
                "id": 61,
                "name": "volume",
                "label": {"zh": "累计用水", "en": "water so far"},
                "property": "用水量",
                "unit": "m3",
                "device": {
                    "id": 51,
                    "name": "803水表",
                    "class": {"code": "water_meter", "zh": "水表", "en": "water meter"},
                },
            },
            "points": [["2026-11-20T08:00:00Z", 123.4]],
            "truncated": False,
        }
    )

    datastream: Stream
    points: list[tuple[datetime, float | str | None]] = Field(
        description="time and number, or text where the reading is one"
    )
    truncated: bool = Field(description="there were more in the period; these are the latest")
