"""What is nearest."""

from pydantic import Field

from api.schemas.common import Answer, Code, example


class NearFacility(Answer):
    """A facility, and how far it is."""

    id: int
    name: str
    class_: Code = Field(alias="class")
    distance: float = Field(description="metres over the ground, in a straight line")
    height: float | None = Field(description="metres above the start, where both are known")
    status: str | None
    building_id: int | None
    unit_id: int | None
    lon: float
    lat: float


class Nearest(Answer):
    """Facilities, the nearest first."""

    model_config = example(
        {
            "from": [113.8802, 22.9201, 34.8],
            "items": [
                {
                    "id": 9,
                    "name": "示范社区卫生服务站",
                    "class": {"code": "clinic", "zh": "社区卫生服务站", "en": "community clinic"},
                    "distance": 412.7,
                    "height": -22.5,
                    "status": "open",
                    "building_id": 12,
                    "unit_id": None,
                    "lon": 113.8842,
                    "lat": 22.9205,
                }
            ],
        }
    )

    from_: tuple[float, float, float | None] = Field(
        alias="from", description="longitude, latitude, height in the 1985 datum"
    )
    items: list[NearFacility]
