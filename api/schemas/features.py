"""Features as GeoJSON (RFC 7946), and the request for some by their ids."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Answer, example


class Collection(StrEnum):
    """What can be asked for as features."""

    areas = "areas"
    grids = "grids"
    estates = "estates"
    projects = "projects"
    streets = "streets"
    buildings = "buildings"
    storeys = "storeys"
    units = "units"
    entrances = "entrances"
    facilities = "facilities"
    devices = "devices"


class Feature(Answer):
    """One object with its geometry in degrees (CGCS2000)."""

    type: Literal["Feature"]
    id: int
    geometry: dict[str, Any] | None
    properties: dict[str, Any]


class FeatureCollection(Answer):
    """Features in the order of their ids."""

    model_config = example(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "id": 7,
                    "geometry": {"type": "Point", "coordinates": [113.8802, 22.9201]},
                    "properties": {"name": "3栋"},
                }
            ],
            "numberReturned": 1,
            "truncated": False,
        }
    )

    type: Literal["FeatureCollection"]
    features: list[Feature]
    numberReturned: int = Field(description="how many features these are")
    truncated: bool = Field(description="there were more than the limit")
    unknown: list[int] | None = Field(
        default=None, description="ids asked for that nothing has; there where ids were asked for"
    )


class Ids(BaseModel):
    """Ids of the features asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"ids": [7, 8]}})

    ids: Annotated[
        list[Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]], Field(max_length=10_000)
    ]
