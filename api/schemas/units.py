"""The unit card: everything one hop from a unit."""

from datetime import date, datetime

from pydantic import Field

from api.schemas.common import Answer, Area, Code, Grid, Reference, Sentence, Target, example

EXAMPLE = {
    "id": 31,
    "room_no": "803",
    "kind": {"code": "residential", "zh": "住宅", "en": "residential"},
    "occupancy": "unknown",
    "area_gross": 98.5,
    "area": 92.1,
    "geom_status": "generated",
    "rooms": 3,
    "layout": "3室2厅",
}
"""A unit as the description of the service shows one to anybody."""


class Unit(Answer):
    """The unit itself."""

    id: int
    room_no: str
    kind: Code
    occupancy: str = Field(description="自住, 出租, 空置 …; unknown to callers without a key")
    area_gross: float | None = Field(description="registered floor area, m²")
    area: float | None = Field(
        description="area of the drawn or generated outline, on all its storeys, m²"
    )
    geom_status: str
    rooms: int | None
    layout: str | None


class UnitSpace(Answer):
    """A room of a unit, where a model or a drawn plan knows it."""

    id: int
    name: str | None
    kind: str | None = Field(description="室, 厅, 厨, 卫 …, where its name tells")
    area: float | None = Field(description="m²")
    storey: str


class UnitBuilding(Answer):
    """The building of a unit."""

    id: int
    name: str | None
    use: Code | None
    height: float
    floors_above: int


class UnitStorey(Answer):
    """The storey of a unit; elevations in metres above the building's ground."""

    id: int
    no: int
    label: str
    elev_bottom: float | None
    elev_top: float | None


class UnitEntrance(Answer):
    """The entrance that leads to a unit."""

    id: int
    no: int
    name: str


class Address(Answer):
    """Where a unit is, as loaded, or composed of what it stands in."""

    text: str
    levels: dict[str, str] = Field(description="the filled steps of the address ladder")
    source: str = Field(description="loaded or composed")


class Resident(Answer):
    """A resident, masked."""

    name: str
    id_no: str | None
    phone: str | None
    role: str | None
    kind: str | None
    birth_year: int | None


class Residents(Answer):
    """How many live there, and who, where the caller may know."""

    count: int | None = Field(description="null for whoever is not shown them")
    shown: bool
    reason: Sentence | None = Field(description="why some or all of them are not shown")
    people: list[Resident]


class Holding(Answer):
    """A right in a unit that is in force."""

    id: int
    kind: str = Field(description="产权, 承租, 使用, 代管, 预售买受")
    share: str | None = Field(description="such as 1/2")
    since: date | None
    until: date | None
    party: str = Field(description="person or organisation")
    name: str | None = Field(description="of a person masked; null for a child")


class Tenure(Answer):
    """Who holds the unit, where the caller may know."""

    shown: bool
    reason: Sentence | None = Field(description="why it is not shown")
    items: list[Holding]


class UnitOrganisation(Answer):
    """An organisation in a unit."""

    id: int
    name: str
    kind: str | None
    tags: list[str]
    role: str | None


class UnitFacility(Answer):
    """A facility that serves a unit, and through what."""

    id: int
    name: str
    class_: Code = Field(alias="class")
    serves: Target


class DeviceStream(Answer):
    """A datastream with its latest reading."""

    id: int
    name: str
    label: Sentence = Field(description="what a screen calls it")
    property: str
    unit: str | None
    value: float | None = Field(description="latest number; null where withheld")
    text: str | None
    at: datetime | None


class UnitDevice(Answer):
    """A device of a unit or of what serves it."""

    id: int
    name: str | None
    class_: Code = Field(alias="class")
    bound_to: Target
    status: str
    withheld: bool = Field(
        False, description="its readings tell who is at home, and need a key: no values here"
    )
    datastreams: list[DeviceStream]


class Alarm(Answer):
    """An alarm that is open."""

    id: int
    kind: str = Field(description="告警, 故障, 高空抛物, 消防占道 …")
    about: Target
    severity: int | None = Field(description="1 notice to 4 danger")
    state: str | None
    since: datetime
    device_id: int | None
    affects: str | None = Field(
        description="how it affects the unit: own, lift, near, above …; null where it does not"
    )


class ObjectCode(Answer):
    """An official code of an object."""

    scheme: str
    title: str
    code: str
    status: str | None


class UnitCard(Answer):
    """Everything about one unit."""

    model_config = example(
        {
            "unit": EXAMPLE | {"occupancy": "自住"},
            "building": {
                "id": 7,
                "name": "3栋",
                "use": {"code": "residential", "zh": "住宅", "en": "residential"},
                "height": 54.0,
                "floors_above": 18,
            },
            "storey": {
                "id": 21,
                "no": 8,
                "label": "8",
                "elev_bottom": 21.0,
                "elev_top": 24.0,
            },
            "entrance": {"id": 11, "no": 1, "name": "1单元"},
            "estate": {"id": 1, "name": "示范小区"},
            "areas": [{"id": 1, "code": "441900", "name": "东莞市", "level": 2}],
            "grid": {"id": 4, "code": "441900001001001", "name": "第一网格"},
            "centre": [113.8802, 22.9201, 29.6],
            "address": {
                "text": "广东省东莞市示范社区示范小区3栋1单元8层803室",
                "levels": {"city": "东莞市", "building_name": "3栋", "room_no": "803"},
                "source": "composed",
            },
            "spaces": [
                {"id": 71, "name": "主卧", "kind": "室", "area": 14.6, "storey": "8"},
                {"id": 72, "name": "厨房", "kind": "厨", "area": 6.2, "storey": "8"},
            ],
            "residents": {
                "count": None,
                "shown": False,
                "reason": {
                    "en": "Residents are shown only to callers with the role `residents`.",
                    "zh": "居民信息仅向具有“residents”角色的用户显示。",
                },
                "people": [],
            },
            "tenure": {
                "shown": False,
                "reason": {
                    "en": "Residents are shown only to callers with the role `residents`.",
                    "zh": "居民信息仅向具有“residents”角色的用户显示。",
                },
                "items": [],
            },
            "organisations": [
                {
                    "id": 5,
                    "name": "示范便利店",
                    "kind": "个体",
                    "tags": ["小商铺"],
                    "role": "经营地",
                }
            ],
            "facilities": [
                {
                    "id": 9,
                    "name": "1单元电梯",
                    "class": {"code": "lift", "zh": "电梯", "en": "lift"},
                    "serves": {"type": "entrance", "label": "1单元"},
                }
            ],
            "devices": [
                {
                    "id": 51,
                    "name": "803水表",
                    "class": {"code": "water_meter", "zh": "水表", "en": "water meter"},
                    "bound_to": {"type": "unit", "label": "803"},
                    "status": "active",
                    "datastreams": [
                        {
                            "id": 61,
                            "name": "volume",
                            "label": {"zh": "累计用水", "en": "water so far"},
                            "property": "用水量",
                            "unit": "m3",
                            "value": 123.4,
                            "text": None,
                            "at": "2026-11-20T08:00:00Z",
                        }
                    ],
                }
            ],
            "alarms": [
                {
                    "id": 91,
                    "kind": "故障",
                    "about": {"type": "facility", "label": "1单元电梯"},
                    "severity": 3,
                    "state": "open",
                    "since": "2026-11-20T07:41:00Z",
                    "device_id": 52,
                    "affects": "lift",
                }
            ],
        }
    )

    unit: Unit
    building: UnitBuilding
    storey: UnitStorey
    entrance: UnitEntrance | None
    estate: Reference | None
    areas: list[Area] = Field(description="from the widest to the narrowest")
    grid: Grid | None
    centre: tuple[float, float, float] = Field(
        description="longitude, latitude, ellipsoidal height of its middle"
    )
    address: Address
    spaces: list[UnitSpace] = Field(description="its rooms, where they are known")
    residents: Residents
    tenure: Tenure
    organisations: list[UnitOrganisation]
    facilities: list[UnitFacility]
    devices: list[UnitDevice]
    alarms: list[Alarm] = Field(description="open now, of the unit and of what serves it")


class UnitLinks(Answer):
    """A unit with those of its parts that were asked for; the others are not there."""

    model_config = example({"unit": EXAMPLE})

    unit: Unit
    building: UnitBuilding | None = None
    storey: UnitStorey | None = None
    entrance: UnitEntrance | None = None
    estate: Reference | None = None
    areas: list[Area] | None = None
    grid: Grid | None = None
    centre: tuple[float, float, float] | None = None
    address: Address | None = None
    codes: list[ObjectCode] | None = None
    spaces: list[UnitSpace] | None = None
    organisations: list[UnitOrganisation] | None = None
    facilities: list[UnitFacility] | None = None
    devices: list[UnitDevice] | None = None
    alarms: list[Alarm] | None = None
    residents: Residents | None = None
    tenure: Tenure | None = None
