"""How much of everything there is somewhere."""

from typing import Literal

from pydantic import Field

from api.schemas.common import Answer, Sentence, example


class Counts(Answer):
    """Numbers of what was asked for; the others are not there."""

    buildings: int | None = None
    storeys: int | None = None
    units: int | None = None
    people: int | None = Field(
        None, description="to the nearest `people.step`; null for fewer than that, or withheld"
    )
    organisations: int | None = None
    facilities: int | None = None
    devices: int | None = None


class CountedPlace(Answer):
    """Where was counted."""

    type: Literal["area", "grid", "estate", "polygon"]
    id: int | None
    name: str | None


class CountedGroup(Answer):
    """One group."""

    key: str | None = Field(description="its code or id; null for what has none")
    zh: str | None
    en: str | None
    counts: Counts


class CountedPeople(Answer):
    """How the numbers of people are told."""

    shown: bool
    step: int = Field(description="numbers are multiples of it; fewer people than that are null")
    reason: Sentence | None = Field(description="why people are withheld, or not all are counted")


class Counted(Answer):
    """How much of everything there is in one place, in whole and by group."""

    model_config = example(
        {
            "place": {"type": "area", "id": 5, "name": "示范社区"},
            "counts": {"buildings": 412, "units": 5230, "people": 12800},
            "by": "use",
            "groups": [
                {
                    "key": "residential",
                    "zh": "住宅",
                    "en": "residential",
                    "counts": {"buildings": 350, "units": 5100, "people": 12745},
                },
                {
                    "key": "industrial",
                    "zh": "工业",
                    "en": "industrial",
                    "counts": {"buildings": 62, "units": 130, "people": None},
                },
            ],
            "people": {"shown": True, "step": 5, "reason": None},
        }
    )

    place: CountedPlace
    counts: Counts
    by: Literal["use", "class", "area", "grid", "estate"] | None
    groups: list[CountedGroup]
    people: CountedPeople | None = Field(description="null where people were not asked for")
