"""Devices as programs register and bind them."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from api.schemas.common import Answer, example
from cim.feeds.registering import MOST

_PLAIN = r"^[^\x00-\x1f\x7f]*$"
"""Text on one line."""

Word = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_PLAIN)
]
Share = Annotated[float, Field(allow_inf_nan=False)]


class NewDevice(BaseModel):
    """A device to be registered; what is not said of one that is known stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Word = Field(description="its key in the source, by which its messages name it")
    class_: Word = Field(alias="class", description="code or name of list device_class")
    name: Word | None = None
    bind: Word | None = Field(
        None,
        description="KIND:KEY, or KIND:#ID by our id; kinds are unit, entrance, storey, building, "
        "estate, facility, project",
    )
    gateway: Word | None = Field(None, description="key of the device that it speaks through")
    place: tuple[Share, Share] | None = Field(
        None, description="longitude and latitude in degrees (CGCS2000)"
    )
    model: Word | None = None
    serial_no: Word | None = None
    protocol: Word | None = None
    elevation: Share | None = Field(None, description="above ground, m")
    azimuth: Share | None = Field(None, description="degrees from north")
    pitch: Share | None = Field(None, description="degrees above the horizon")
    fov_h: Share | None = Field(None, description="horizontal field of view, degrees")
    fov_v: Share | None = Field(None, description="vertical field of view, degrees")
    range_m: Share | None = Field(None, description="reach, m")
    install_on: date | None = None
    status: Literal["active", "faulty", "removed"] | None = None

    def said(self) -> dict[str, Any]:
        """What was said, by the names it goes by here."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class NewDevices(BaseModel):
    """Devices of one source."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "source": "registered",
                "devices": [{"id": "meter-7", "class": "power_meter", "bind": "unit:#201"}],
            }
        },
    )

    source: Word = Field(description="the system that their keys are of")
    devices: list[NewDevice] = Field(min_length=1, max_length=MOST)


class CameIn(Answer):
    """A device that came in."""

    row: int = Field(description="from 1, in the order they were given")
    id: str
    device: int | None = Field(description="our id; null of a dry run")


class SetAside(Answer):
    """One that did not, and why."""

    row: int
    id: str
    field: str | None
    value: str | None
    en: str
    zh: str


class Registered(Answer):
    """What came of it."""

    model_config = example(
        {
            "source": "registered",
            "source_new": False,
            "new": 1,
            "changed": 0,
            "unchanged": 0,
            "streams": 6,
            "devices": [{"row": 1, "id": "meter-7", "device": 7}],
            "set_aside": [
                {
                    "row": 2,
                    "id": "meter-8",
                    "field": "bind",
                    "value": "unit:U-9",
                    "en": "no unit goes by this key or room number",
                    "zh": "找不到该编号或房号的房屋",
                }
            ],
            "dry_run": False,
        }
    )

    source: str
    source_new: bool = Field(description="no device or feed was of this source before")
    new: int
    changed: int
    unchanged: int
    streams: int = Field(description="datastreams that were made")
    devices: list[CameIn]
    set_aside: list[SetAside]
    dry_run: bool


class Binding(BaseModel):
    """What a device is to be bound to."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"to": "unit:#201"}}
    )

    to: Word | None = Field(description="KIND:KEY, or KIND:#ID by our id; null is nothing")
    since: AwareDatetime | None = Field(
        None, description="a moment that has been; now, where none is said"
    )


class OneBinding(Answer):
    """What a device was bound to, and when."""

    type: str | None
    id: int | None
    since: AwareDatetime
    until: AwareDatetime | None


class WasBound(Answer):
    """Whether anything changed, and all that the device was bound to."""

    model_config = example(
        {
            "device": 7,
            "changed": True,
            "bindings": [
                {"type": "unit", "id": 201, "since": "2026-11-20T08:00:00Z", "until": None}
            ],
            "dry_run": False,
        }
    )

    device: int
    changed: bool
    bindings: list[OneBinding]
    dry_run: bool
