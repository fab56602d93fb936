"""Addresses as a service: what is sent, and what is answered."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Answer, example
from api.schemas.imports import _JOB, GROUP, Group, Job, Word
from api.schemas.places import AddressObject

MOST_PARSED, MOST_SOUGHT = 1_000, 100
"""Addresses of one request: to be taken apart, to be looked for."""

Written = Annotated[str, Field(max_length=300, examples=["虎门镇浦江路2号丰泰花园3栋803"])]


class Sent(BaseModel):
    """Base of what is sent: exactly these fields, no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AddressTexts(Sent):
    """Addresses as somebody wrote them."""

    addresses: list[Written] = Field(min_length=1, max_length=MOST_PARSED)


class AddressQuestion(Sent):
    """Addresses to be looked for."""

    addresses: list[Written] = Field(min_length=1, max_length=MOST_SOUGHT)
    limit: int = Field(5, ge=1, le=20, description="most candidates of each")


class AddressPiece(Answer):
    """Some characters of the text, and the level they belong to; null for none."""

    level: str | None
    text: str


class ParsedAddress(Answer):
    """An address taken apart."""

    text: str = Field(description="as it was sent")
    norm_text: str = Field(description="one spelling, the levels in order")
    full_text: str = Field(description="as on a letter")
    level: int = Field(description="deepest step filled, 1 city to 15 room; 0 for none")
    levels: dict[str, str] = Field(description="level → canonical words")
    pieces: list[AddressPiece] = Field(description="every character, in order")
    remainder: str = Field(description="what belongs to no level")


_PARSED = {
    "text": "广东省东莞市虎门镇浦江路2号丰泰花园三幢８０３室(近市场)",
    "norm_text": "东莞市虎门镇浦江路2号丰泰花园3栋803",
    "full_text": "广东省东莞市虎门镇浦江路2号丰泰花园3栋803室",
    "level": 15,
    "levels": {"city": "东莞市", "town": "虎门镇", "building_name": "3栋", "room_no": "803"},
    "pieces": [{"level": "town", "text": "虎门镇"}, {"level": None, "text": "(近市场)"}],
    "remainder": "近市场",
}


class ParsedAddresses(Answer):
    """One for each address that was sent, in order."""

    model_config = example({"items": [_PARSED]})

    items: list[ParsedAddress]


class NormalAddress(Answer):
    """An address in its one spelling."""

    text: str = Field(description="as it was sent")
    norm_text: str = Field(description="one spelling, the levels in order")
    full_text: str = Field(description="as on a letter")
    remainder: str = Field(description="what belongs to no level")


class NormalAddresses(Answer):
    """One for each address that was sent, in order."""

    model_config = example(
        {
            "items": [
                {name: _PARSED[name] for name in ("text", "norm_text", "full_text", "remainder")}
            ]
        }
    )

    items: list[NormalAddress]


class AddressCandidate(Answer):
    """An address or place that may be meant."""

    id: int | None = Field(description="the address; null where it is a place without one")
    text: str
    level: int = Field(description="deepest step that was asked for and agrees")
    score: int = Field(description="0 to 100")
    object: AddressObject | None
    building_id: int | None
    unit_id: int | None
    lon: float | None
    lat: float | None
    differs: list[str] = Field(description="levels at which it says something else")
    remainder: str = Field(description="what of the text it leaves unanswered")


class SoughtAddress(Answer):
    """What is said of one address; a match only where one candidate is good and ahead."""

    text: str = Field(description="as it was sent")
    norm_text: str
    level: int = Field(description="deepest step of what was asked; 0 for none")
    status: Literal["matched", "partial", "ambiguous", "unsure", "none"] = Field(
        description="matched: this is it; partial: only a wider place is known; ambiguous: several "
        "fit equally well; unsure: some resemble it; none: nothing does"
    )
    match: AddressCandidate | None
    alternatives: list[AddressCandidate]
    remainder: str = Field(description="what of the text is left unanswered")


_CANDIDATE = {
    "id": 81,
    "text": "广东省东莞市示范镇示范小区3栋",
    "level": 11,
    "score": 94,
    "object": {"type": "building", "id": 7},
    "building_id": 7,
    "unit_id": None,
    "lon": 113.8802,
    "lat": 22.9201,
    "differs": [],
    "remainder": "1203",
}


class SoughtAddresses(Answer):
    """One for each address that was sent, in order."""

    model_config = example(
        {
            "items": [
                {
                    "text": "示范小区3幢1203室",
                    "norm_text": "示范小区3栋1203",
                    "level": 15,
                    "status": "partial",
                    "match": _CANDIDATE,
                    "alternatives": [],
                    "remainder": "1203",
                }
            ]
        }
    )

    items: list[SoughtAddress]


class AddressHere(Answer):
    """An address at or near a point."""

    id: int = Field(description="the address; its building's for a unit or storey without one")
    text: str
    level: int = Field(description="deepest step filled, 9 door to 15 room")
    distance: float = Field(description="metres; 0 within the building")
    object: AddressObject | None
    building_id: int | None
    unit_id: int | None
    lon: float | None
    lat: float | None


class AddressesHere(Answer):
    """Nearest first; where a height was given, the unit or storey that the point is in first."""

    model_config = example(
        {
            "items": [
                {
                    "id": 81,
                    "text": "广东省东莞市示范镇示范小区3栋803室",
                    "level": 15,
                    "distance": 0.0,
                    "object": {"type": "unit", "id": 31},
                    "building_id": 7,
                    "unit_id": 31,
                    "lon": 113.8802,
                    "lat": 22.9201,
                }
            ]
        }
    )

    items: list[AddressHere]


class Suggestion(Answer):
    """What may be meant by what was typed so far."""

    id: int | None = Field(description="the address; null for a name")
    text: str
    level: int = Field(description="deepest step, 2 county to 15 room")
    score: int = Field(description="0 to 100")
    object: AddressObject | None
    building_id: int | None
    unit_id: int | None
    lon: float | None
    lat: float | None
    marks: list[tuple[int, int]] = Field(
        description="parts of `text` that were typed: begin and end, in characters"
    )


class Suggestions(Answer):
    """Best first."""

    model_config = example(
        {
            "items": [
                {
                    "id": None,
                    "text": "示范镇示范小区",
                    "level": 10,
                    "score": 95,
                    "object": {"type": "estate", "id": 1},
                    "building_id": None,
                    "unit_id": None,
                    "lon": 113.8802,
                    "lat": 22.9201,
                    "marks": [[3, 7]],
                }
            ]
        }
    )

    items: list[Suggestion]


class AddressMatchRequest(Sent):
    """Which file's addresses are looked for."""

    group: Group = Field(pattern=GROUP)
    file: Word | None = Field(None, description="without: the one that can be read")
    columns: list[Word] = Field(
        default_factory=list,
        max_length=20,
        description="what the address is made up of, in order; without: the column named so",
    )
    layer: Word | None = None
    encoding: Word | None = Field(None, max_length=50)
    alternatives: int = Field(3, ge=0, le=20, description="most other candidates told of a row")


class AddressMatchJob(Answer):
    """A job that looks for the addresses of a file, and what came of it."""

    model_config = example(
        {
            "job": _JOB
            | {
                "file": "名单.xlsx",
                "kind": "address_match",
                "request": {"columns": ["地址"], "alternatives": 3},
            },
            "result": None,
        }
    )

    job: Job
    result: str | None = Field(description="where the result is, once there is one")
