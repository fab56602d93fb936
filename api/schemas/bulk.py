"""Many units or buildings at once."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.buildings import BuildingLinks
from api.schemas.common import Answer, example
from api.schemas.units import EXAMPLE, UnitLinks

Key = Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]


class Wanted(BaseModel):
    """Which of them, and which of their parts."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"ids": [31, 32], "expand": ["address"]}}
    )

    ids: Annotated[list[Key], Field(max_length=10_000)]
    expand: Annotated[
        list[Annotated[str, Field(max_length=40)]],
        Field(max_length=30, description="parts of each; see the answer for one alone"),
    ] = []


class Units(Answer):
    """Units in the order in which they were asked for."""

    model_config = example(
        {
            "items": [
                {
                    "unit": EXAMPLE,
                    "grid": {"id": 4, "code": "441900001001001", "name": "第一网格"},
                }
            ],
            "unknown": [77],
        }
    )

    items: list[UnitLinks]
    unknown: list[int] = Field(description="ids that no unit has")


class Buildings(Answer):
    """Buildings in the order in which they were asked for."""

    model_config = example({"items": [], "unknown": [77]})

    items: list[BuildingLinks]
    unknown: list[int] = Field(description="ids that no building has")
