"""Where a point is, and where an address is."""

from pydantic import Field

from api.schemas.common import Answer, Area, Grid, Reference, example


class LocatedUnit(Answer):
    """The unit a point lies in."""

    id: int
    room_no: str


class LocatedStorey(Answer):
    """The storey a point lies in."""

    id: int
    no: int
    label: str


class Location(Answer):
    """What lies at a point; storey and unit only where a height was given."""

    model_config = example(
        {
            "unit": {"id": 31, "room_no": "803"},
            "storey": {"id": 21, "no": 8, "label": "8"},
            "building": {"id": 7, "name": "3栋"},
            "grid": {"id": 4, "code": "441900001001001", "name": "第一网格"},
            "areas": [{"id": 1, "code": "441900", "name": "东莞市", "level": 2}],
        }
    )

    unit: LocatedUnit | None
    storey: LocatedStorey | None
    building: Reference | None
    grid: Grid | None
    areas: list[Area]


class AddressObject(Answer):
    """What an address is the address of."""

    type: str
    id: int


class AddressItem(Answer):
    """An address that answers a search."""

    id: int
    text: str
    level: int = Field(description="deepest step filled, 1 city to 15 room")
    score: int = Field(description="0 to 100, 100 for the same text")
    object: AddressObject | None
    building_id: int | None
    unit_id: int | None
    lon: float | None
    lat: float | None


class AddressItems(Answer):
    """Addresses, best first."""

    model_config = example(
        {
            "items": [
                {
                    "id": 81,
                    "text": "广东省东莞市示范社区示范小区3栋",
                    "level": 11,
                    "score": 100,
                    "object": {"type": "building", "id": 7},
                    "building_id": 7,
                    "unit_id": None,
                    "lon": 113.8802,
                    "lat": 22.9201,
                }
            ]
        }
    )

    items: list[AddressItem]
