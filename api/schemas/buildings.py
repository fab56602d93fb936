"""Buildings and their floor grids (楼盘表)."""

from pydantic import Field

from api.schemas.common import Answer, Area, Bounds, Code, Grid, Position, Reference, example
from api.schemas.units import Alarm, ObjectCode, UnitDevice, UnitFacility, UnitOrganisation


class BuildingCounts(Answer):
    """What a building holds."""

    storeys: int
    entrances: int
    units: int
    residents: int | None = Field(
        description="in fives; null for fewer, and for callers who may not know"
    )
    devices: int
    organisations: int


class Building(Answer):
    """A building with what stands around it."""

    model_config = example(
        {
            "id": 7,
            "name": "3栋",
            "address": "广东省东莞市松山湖示范社区示范小区3栋",
            "kind": "自然幢",
            "state": "existing",
            "use": {"code": "residential", "zh": "住宅", "en": "residential"},
            "height": 54.0,
            "height_method": "given",
            "floors_above": 18,
            "floors_below": 1,
            "floors_method": "given",
            "built_year": 2015,
            "footprint_area": 620.5,
            "ground_elev": 12.3,
            "height_shift": -5.2,
            "estate": {"id": 1, "name": "示范小区"},
            "areas": [{"id": 1, "code": "441900", "name": "东莞市", "level": 2}],
            "grid": {"id": 4, "code": "441900001001001", "name": "第一网格"},
            "counts": {
                "storeys": 19,
                "entrances": 2,
                "units": 144,
                "residents": 320,
                "devices": 300,
                "organisations": 2,
            },
            "bounds": [113.88, 22.92, 113.8805, 22.9203],
            "centre": [113.8802, 22.9201],
        }
    )

    id: int
    name: str | None
    address: str
    kind: str
    state: str
    use: Code | None
    height: float = Field(description="roof above ground, metres")
    height_method: str
    floors_above: int
    floors_below: int
    floors_method: str
    built_year: int | None
    footprint_area: float = Field(description="m²")
    ground_elev: float = Field(description="ground in the height datum (1985), metres")
    height_shift: float = Field(description="metres from the height datum up to the ellipsoid")
    estate: Reference | None
    areas: list[Area] = Field(description="from the widest to the narrowest")
    grid: Grid | None
    counts: BuildingCounts
    bounds: Bounds
    centre: Position


class FloorGridEntrance(Answer):
    """An entrance (单元) as a column group of the floor grid."""

    id: int
    no: int
    name: str
    lift_count: int | None


class BuildingStorey(Answer):
    """A storey of a building; elevations in metres above the building's ground."""

    id: int
    no: int
    label: str
    kind: str
    elev_bottom: float | None
    elev_top: float | None
    units: int


class BuildingLinks(Building):
    """A building with those of its parts that were asked for; the others are not there."""

    entrances: list[FloorGridEntrance] | None = None
    storeys: list[BuildingStorey] | None = None
    codes: list[ObjectCode] | None = None
    organisations: list[UnitOrganisation] | None = None
    facilities: list[UnitFacility] | None = None
    devices: list[UnitDevice] | None = None
    alarms: list[Alarm] | None = None


class FloorGridUnit(Answer):
    """A unit as a cell of the floor grid."""

    id: int
    room_no: str
    entrance: int | None = Field(description="number of the entrance that leads to it")
    kind: Code
    occupancy: str
    alarms: int | None = Field(
        description="open in the unit; null for callers who may not know who is at home"
    )
    geom_status: str
    organisations: int


class FloorGridStorey(Answer):
    """A storey as a row of the floor grid."""

    id: int
    no: int
    label: str
    kind: str
    elev_bottom: float | None
    elev_top: float | None
    status: str
    units: list[FloorGridUnit]


class FloorGrid(Answer):
    """The floor × unit grid (楼盘表): top storey first, units by entrance and room."""

    model_config = example(
        {
            "building": {"id": 7, "name": "3栋"},
            "entrances": [{"id": 11, "no": 1, "name": "1单元", "lift_count": 1}],
            "storeys": [
                {
                    "id": 21,
                    "no": 1,
                    "label": "1",
                    "kind": "标准",
                    "elev_bottom": 0.0,
                    "elev_top": 3.0,
                    "status": "generated",
                    "units": [
                        {
                            "id": 31,
                            "room_no": "101",
                            "entrance": 1,
                            "kind": {"code": "residential", "zh": "住宅", "en": "residential"},
                            "occupancy": "自住",
                            "alarms": 0,
                            "geom_status": "generated",
                            "organisations": 0,
                        }
                    ],
                }
            ],
        }
    )

    building: Reference
    entrances: list[FloorGridEntrance]
    storeys: list[FloorGridStorey]
