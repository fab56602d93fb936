"""How devices do: an inspection from afar, and how reliable they have been."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas.common import Answer, example

By = Literal["all", "class", "vendor", "area"]

_KEY = {"code": "smoke", "zh": "烟感", "en": "smoke detector"}
_DEVICE: dict[str, Any] = {
    "id": 4,
    "name": "3层烟感",
    "class": "smoke",
    "vendor": 2,
    "bound_to": {"type": "storey", "id": 3},
    "building_id": 1,
    "heard": "2026-11-20T03:00:00Z",
}


class Bound(Answer):
    """What a device is bound to."""

    type: str
    id: int


class FleetDevice(Answer):
    """One device that does not do well."""

    id: int
    name: str | None
    class_: str = Field(alias="class", description="code of list device_class")
    vendor: int | None = Field(description="id of the organisation")
    bound_to: Bound | None
    building_id: int | None
    heard: datetime | None = Field(description="when it spoke last")


class Inspected(FleetDevice):
    """One device that did not pass."""

    state: Literal["alarm", "outside", "silent", "never"] = Field(
        description="an alarm is open; latest value out of range; nothing in time; nothing ever"
    )


class FleetGroup(Answer):
    """Devices counted together."""

    by: By
    key: dict[str, Any] | None = Field(
        description="code and names of the class, or id and name of the vendor or the area"
    )
    devices: int


class InspectedGroup(FleetGroup):
    """What an inspection found of them."""

    passed: int
    silent: int
    never: int
    outside: int
    alarm: int


class FleetInspection(Answer):
    """An inspection from afar (设施设备远程巡检), now."""

    model_config = example(
        {
            "at": "2026-11-20T04:00:00Z",
            "hours": 24,
            "groups": [
                {"by": "class", "key": _KEY, "devices": 2, "passed": 1}
                | {"silent": 1, "never": 0, "outside": 0, "alarm": 0}
            ],
            "worst": [{**_DEVICE, "state": "silent"}],
            "next": "w50",
        }
    )

    at: datetime
    hours: int
    groups: list[InspectedGroup] = Field(description="with the first page")
    worst: list[Inspected]
    next: str | None = Field(description="go on with `after=` this; null where there are no more")


class _Figures(Answer):
    online_rate: float | None = Field(
        description="share of the hours with a reading; of devices that speak less than hourly, "
        "share of the readings expected; 0 to 1"
    )
    completeness: float | None = Field(
        description="readings that came of those expected, where an interval is known; 0 to 1"
    )
    offline_hours: float | None
    delay_s: float | None = Field(
        description="from the measurement of the latest reading to its arrival; median of a group"
    )
    alarms: int
    false_alarms: int = Field(description="of these, found to be nothing")
    faults: int = Field(description="alarms of the kind 故障 that were none of these")
    repair_hours: float | None = Field(description="mean time from a fault to its end")


class HealthGroup(FleetGroup, _Figures):
    """How reliable devices of a group have been."""

    online_now: int
    delay_p95_s: float | None
    batteries: int = Field(description="devices whose battery is known")
    batteries_low: int = Field(description="of these, below 20 %")


class HealthDevice(FleetDevice, _Figures):
    """How reliable one device has been."""

    online_now: bool
    battery: float | None = Field(description="per cent")


_FIGURES = {
    "online_rate": 0.93, "completeness": 0.91, "offline_hours": 23.5, "delay_s": 0.4, "alarms": 2,
    "false_alarms": 1, "faults": 1, "repair_hours": 5.25,
}  # fmt: skip


class FleetHealth(Answer):
    """How reliable devices have been in some whole days."""

    model_config = example(
        {
            "since": "2026-11-12T16:00:00Z",
            "until": "2026-11-19T16:00:00Z",
            "groups": [
                {"by": "class", "key": _KEY, "devices": 2, "online_now": 1, "delay_p95_s": 1.2}
                | {"batteries": 2, "batteries_low": 1}
                | _FIGURES
            ],
            "worst": [_DEVICE | {"online_now": False, "battery": 12.0} | _FIGURES],
            "next": "w50",
        }
    )

    since: datetime
    until: datetime
    groups: list[HealthGroup] = Field(description="with the first page")
    worst: list[HealthDevice]
    next: str | None = Field(description="go on with `after=` this; null where there are no more")
