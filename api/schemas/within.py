"""What lies within a polygon, kind by kind."""

from pydantic import Field

from api.schemas.common import Answer, example
from api.schemas.features import Feature


class Kind(Answer):
    """What of one kind lies there."""

    features: list[Feature] = Field(description="in the order of their ids")
    next: int | None = Field(description="`after` of the next page; null on the last")


class Within(Answer):
    """What lies within the polygon."""

    model_config = example(
        {
            "kinds": {
                "buildings": {
                    "features": [
                        {
                            "type": "Feature",
                            "id": 7,
                            "geometry": None,
                            "properties": {"name": "3栋", "floors_above": 18},
                        }
                    ],
                    "next": None,
                }
            },
            "mended": False,
        }
    )

    kinds: dict[str, Kind]
    mended: bool = Field(description="whether the polygon crossed itself and was made whole")
