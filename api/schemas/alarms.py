"""Alarms, whom they affect, their history, and the rules they are raised by."""

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.schemas.common import Answer, Code, Sentence, example

State = Literal["open", "acknowledged", "closed"]
Type = Literal["threshold", "rate", "state", "silence", "together"]


ALARM: dict[str, Any] = {
    "id": 7,
    "kind": "故障",
    "severity": 3,
    "state": "open",
    "message": {
        "zh": "示范小区 3栋 1单元 1号电梯 电梯控制器：电梯故障，故障码 E07",
        "en": "示范小区 3栋 1单元 1号电梯 电梯控制器: lift fault, code E07",
    },
    "value": None,
    "text": "E07",
    "rule": {"id": 1, "code": "lift_fault", "zh": "电梯故障", "en": "Lift fault"},
    "device": {
        "id": 101,
        "name": "电梯控制器",
        "class": {"code": "lift", "zh": "电梯", "en": "lift"},
    },
    "datastream_id": 1011,
    "stream": {"name": "fault", "zh": "故障码", "en": "fault code"},
    "object": {"type": "facility", "id": 1},
    "place": {
        "text": "示范小区 3栋 1单元 1号电梯",
        "building_id": 1,
        "storey_id": None,
        "entrance_id": 1,
        "estate_id": 1,
        "lon": 113.8802,
        "lat": 22.9201,
        "height": 12.5,
    },
    "begun": "2026-11-20T08:00:00Z",
    "ended": None,
    "acknowledged": None,
    "false_alarm": False,
    "affected": {"units": 6, "buildings": [1]},
}
RULE: dict[str, Any] = {
    "id": 1,
    "code": "lift_fault",
    "name": "电梯故障",
    "name_en": "Lift fault",
    "type": "state",
    "scope": {"class": ["lift"], "observed_property": ["fault"]},
    "condition": {"normal": ["0", "ok"]},
    "severity": 3,
    "cooldown_s": 0,
    "enabled": True,
    "event_kind": "故障",
    "affects": "lift",
    "radius_m": None,
    "message_zh": "{place} {device}：电梯故障，故障码 {value}",
    "message_en": "{place} {device}: lift fault, code {value}",
    "updated_at": "2026-11-20T08:00:00Z",
}


class AlarmRule(Answer):
    """The rule that an alarm was raised by."""

    id: int
    code: str | None = Field(description="of one that comes with the program")
    zh: str
    en: str


class AlarmDevice(Answer):
    """The device whose readings it was raised by."""

    id: int
    name: str | None
    class_: Code = Field(alias="class")


class AlarmStream(Answer):
    """The stream whose readings it was raised by."""

    name: str
    zh: str = Field(description="as a screen shows it; its name where nothing says more")
    en: str


class Concerned(Answer):
    """What the device is bound to."""

    type: str
    id: int | None


class AlarmPlace(Answer):
    """Where it is; what is not known is null."""

    text: str | None
    building_id: int | None
    storey_id: int | None
    entrance_id: int | None
    estate_id: int | None
    lon: float | None
    lat: float | None
    height: float | None = Field(description="metres in the datum")


class Affected(Answer):
    """Whom it affects; of one that has ended, whom it affected."""

    units: int
    buildings: list[int] = Field(description="ids of the buildings it is in or affects")


class RaisedAlarm(Answer):
    """One alarm."""

    id: int
    kind: str = Field(description="告警, 故障, 困人, 离线, 高空抛物, 电动车入梯, 消防占道, 违建")
    severity: int | None = Field(description="1 notice to 4 danger")
    state: State
    message: Sentence | None
    value: float | None = Field(description="the number that it began with")
    text: str | None = Field(description="the code that it began with")
    rule: AlarmRule | None
    device: AlarmDevice | None
    datastream_id: int | None
    stream: AlarmStream | None
    object: Concerned | None
    place: AlarmPlace
    begun: datetime
    ended: datetime | None
    acknowledged: datetime | None
    false_alarm: bool = Field(description="somebody found that there was nothing")
    affected: Affected


class Alarms(Answer):
    """A page of alarms, newest first."""

    model_config = example({"alarms": [ALARM], "next": "a7"})

    alarms: list[RaisedAlarm]
    next: str | None = Field(description="go on with `after=` this; null where there are no more")


class AffectedUnit(Answer):
    """A unit that an alarm affects."""

    id: int
    room_no: str
    building_id: int
    storey_id: int
    storey_no: int
    how: str = Field(
        description="own, lift, entrance, near, above, storey, building, facade: a candidate"
    )
    distance_m: float | None
    affected_still: bool


class Entry(Answer):
    """One entry of an alarm's history, which nobody can change."""

    id: int
    kind: Literal["begin", "again", "acknowledge", "note", "end", "false", "reopen"]
    at: datetime
    noted: datetime = Field(description="when the entry was written")
    actor: str | None = Field(description="who, told to those who may work on alarms")
    note: str | None
    value: float | None
    text: str | None
    digest: str = Field(description="SHA-256 that chains it to the entry before")


class WholeAlarm(RaisedAlarm):
    """One alarm with the units it affects and its history."""

    model_config = example(
        ALARM
        | {
            "units": [
                {
                    "id": 31,
                    "room_no": "301",
                    "building_id": 1,
                    "storey_id": 3,
                    "storey_no": 3,
                    "how": "lift",
                    "distance_m": None,
                    "affected_still": True,
                }
            ],
            "history": [
                {
                    "id": 19,
                    "kind": "begin",
                    "at": "2026-11-20T08:00:00Z",
                    "noted": "2026-11-20T08:00:00.2Z",
                    "actor": None,
                    "note": None,
                    "value": None,
                    "text": "E07",
                    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                }
            ],
        }
    )

    units: list[AffectedUnit] = Field(description="at most 2,000; `affected` has their number")
    history: list[Entry]


class Note(BaseModel):
    """What somebody says of an alarm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    note: str | None = Field(
        None,
        max_length=2000,
        description="at most 500 characters; no names, no numbers of persons",
        examples=["维保人员已到场"],
    )


class RuleIn(BaseModel):
    """A rule as it is written; docs/reference/alarms.md says what each type judges."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "name": "水箱水位过低",
                "name_en": "Water tank low",
                "type": "threshold",
                "scope": {"class": ["level"], "estate": [1]},
                "condition": {"below": 0.5, "margin": 0.1, "for_s": 120},
                "severity": 2,
                "message_zh": "{place} {device}：水位 {value} {unit}",
            }
        },
    )

    name: str = Field(min_length=1, max_length=200)
    name_en: str | None = Field(None, max_length=200)
    type: Type
    scope: dict[str, Any] = Field(description="class, observed_property, stream, estate …")
    condition: dict[str, Any] = Field({}, description="above, below, margin, for_s, codes …")
    severity: int = Field(2, ge=1, le=4, description="1 notice to 4 danger")
    cooldown_s: int = Field(0, ge=0, le=31_536_000)
    enabled: bool = True
    event_kind: str = Field("告警", max_length=20)
    affects: str = Field("bound", max_length=20, description="how affected units are found")
    radius_m: float | None = Field(None, gt=0, le=2000)
    message_zh: str | None = Field(None, max_length=500)
    message_en: str | None = Field(None, max_length=500)


class Override(BaseModel):
    """What of a rule is another for one stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    condition: dict[str, Any] = Field({}, examples=[{"above": 20}])
    enabled: bool = True


class StreamOverride(Answer):
    """The same, with the stream."""

    datastream_id: int
    stream: str
    device_id: int | None
    device: str | None
    condition: dict[str, Any] | None
    enabled: bool


class Rule(Answer):
    """A rule."""

    id: int
    code: str | None = Field(description="of one that comes with the program")
    name: str
    name_en: str | None
    type: Type
    scope: dict[str, Any]
    condition: dict[str, Any]
    severity: int | None
    cooldown_s: int | None
    enabled: bool
    event_kind: str
    affects: str
    radius_m: float | None
    message_zh: str | None
    message_en: str | None
    updated_at: datetime


class WholeRule(Rule):
    """A rule with the streams for which it is another."""

    model_config = example(
        RULE
        | {
            "overrides": [
                {
                    "datastream_id": 1011,
                    "stream": "fault",
                    "device_id": 101,
                    "device": "电梯控制器",
                    "condition": {"normal": ["00"]},
                    "enabled": True,
                }
            ]
        }
    )

    overrides: list[StreamOverride]


class RuleList(Answer):
    """The rules there are, the most severe first."""

    model_config = example({"rules": [RULE]})

    rules: list[Rule]


class TrialIn(BaseModel):
    """A rule that need not be kept, and a time whose readings it is tried on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: RuleIn
    since: AwareDatetime | None = Field(None, description="a week before `until` unless said")
    until: AwareDatetime | None = Field(None, description="now unless said")


class Fired(Answer):
    """An alarm that there would have been."""

    datastream_id: int
    begun: datetime
    ended: datetime | None
    value: float | None
    text: str | None


class Tried(Answer):
    """How often a rule would have fired."""

    model_config = example(
        {
            "since": "2026-11-13T00:00:00Z",
            "until": "2026-11-20T00:00:00Z",
            "readings": 2016,
            "truncated": False,
            "streams": 1,
            "alarms": 3,
            "open": 0,
            "first": [
                {
                    "datastream_id": 61,
                    "begun": "2026-11-14T02:00:00Z",
                    "ended": "2026-11-14T02:30:00Z",
                    "value": 0.4,
                    "text": None,
                }
            ],
        }
    )

    since: datetime
    until: datetime
    readings: int = Field(description="readings that were looked at")
    truncated: bool = Field(description="there were more, which were not")
    streams: int
    alarms: int
    open: int = Field(description="of these, those that had not ended")
    first: list[Fired] = Field(description="at most 100 of them")
