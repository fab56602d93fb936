"""The last check of the city, what it found, and pairs of buildings of two sources."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Answer, example

Decision = Literal["proposed", "same", "different"]

_CHECK = {
    "name": "no_estate",
    "en": "buildings in no estate",
    "zh": "未关联小区的建筑",
    "object_type": "building",
    "count": 2,
    "examples": [7, 9],
}
_FINDING = {
    "no": 1,
    "object_type": "building",
    "object_id": 7,
    "building_id": 7,
    "label": "3栋",
    "lon": 113.88,
    "lat": 22.92,
}
_REASONS = {"code": True, "address": False, "name": False}
_MATCH = {
    "id": 17,
    "score": 93,
    "overlap": 0.81,
    "reasons": _REASONS,
    "decision": "proposed",
    "a_id": 7,
    "a_name": "3栋",
    "a_key": "B7",
    "b_id": 904,
    "b_name": None,
    "b_key": "4419-0007",
    "a_height": 18.0,
    "b_height": 17.6,
    "a_floors": 6,
    "b_floors": 6,
    "lon": 113.88,
    "lat": 22.92,
}
_RESULT = {
    "whole": True,
    "invariants": [],
    "findings": [_CHECK],
    "stale_months": 24,
    "collections": [
        {
            "name": "buildings",
            "objects": 100,
            "placed": 100,
            "rate": 1.0,
            "days_since_change": 3,
            "stale": 0,
        }
    ],
}


class Checked(Answer):
    """One check: how many are at fault, and ids of a few."""

    name: str
    en: str
    zh: str
    object_type: str
    count: int
    examples: list[int]


class CollectionState(Answer):
    """A collection: `rate` is the part that is on the map (上图率), `stale` what nobody touched."""

    name: str
    objects: int
    placed: int
    rate: float | None
    days_since_change: int | None
    stale: int


class CheckResult(Answer):
    """What `cim check` found when it last ran."""

    whole: bool = Field(description="whether every invariant holds")
    invariants: list[Checked]
    findings: list[Checked]
    stale_months: int
    collections: list[CollectionState]


class Quality(Answer):
    """The last result, or neither where `cim check` never ran."""

    model_config = example({"at": "2026-11-01T02:03:04Z", "result": _RESULT})

    at: datetime | None
    result: CheckResult | None


class Finding(Answer):
    """One object at fault, with its place in degrees where it has one."""

    no: int
    object_type: str
    object_id: int
    building_id: int | None
    label: str | None
    lon: float | None
    lat: float | None


class Findings(Answer):
    """Findings of one check in order; `next` is `after` of the next page, None on the last."""

    model_config = example({"items": [_FINDING], "next": None})

    items: list[Finding]
    next: int | None


class Reasons(Answer):
    """What speaks for a pair besides the overlap of the outlines."""

    code: bool
    address: bool
    name: bool


class Match(Answer):
    """Two buildings of different sources that may be one."""

    model_config = example(_MATCH)

    id: int
    score: int
    overlap: float | None
    reasons: Reasons
    decision: Decision
    a_id: int
    a_name: str | None
    a_key: str | None
    b_id: int
    b_name: str | None
    b_key: str | None
    a_height: float
    b_height: float
    a_floors: int
    b_floors: int
    lon: float
    lat: float


class Matches(Answer):
    """Pairs, the surest first."""

    model_config = example({"items": [_MATCH]})

    items: list[Match]


class Decided(BaseModel):
    """What was decided of a pair; `proposed` takes it back."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision
