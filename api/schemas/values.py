"""Values to colour by, as columns, with what explains the colours."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.bulk import Key
from api.schemas.common import Answer, example


class Class(Answer):
    """One colour of a legend: a code with its names, or a range of numbers."""

    count: int = Field(description="how many of the values are of it")
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    from_: float | None = Field(default=None, alias="from", description="this and above")
    to: float | None = Field(default=None, description="below this; the last holds it too")


class Legend(Answer):
    """What the values are of."""

    kind: Literal["codes", "classes"]
    unit: str | None = Field(description="of measure, UCUM")
    least: float | None
    most: float | None
    classes: list[Class]


class Values(Answer):
    """One property of many objects: `values` at the places of `ids`."""

    model_config = example(
        {
            "collection": "buildings",
            "property": "floors_above",
            "ids": [7, 8, 12],
            "values": [18.0, 3.0, None],
            "withheld": 0,
            "unknown": [],
            "truncated": False,
            "legend": {
                "kind": "classes",
                "unit": None,
                "least": 3.0,
                "most": 18.0,
                "classes": [
                    {"count": 1, "from": 3.0, "to": 10.5},
                    {"count": 1, "from": 10.5, "to": 18.0},
                ],
            },
        }
    )

    collection: Literal["buildings", "units"]
    property: str
    ids: list[int] = Field(description="in order")
    values: list[float | str | None]
    withheld: int = Field(description="values that are not for this caller; null above")
    unknown: list[int] = Field(description="ids asked for that nothing has")
    truncated: bool = Field(description="there were more than 100,000: ask for a smaller place")
    legend: Legend


class Question(BaseModel):
    """What to colour, and by what: some ids, a box, or a tile."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"property": "built_year", "ids": [7, 8, 12]}},
    )

    property: Annotated[str, Field(max_length=40)]
    ids: Annotated[list[Key], Field(max_length=10_000)] | None = None
    bbox: Annotated[str, Field(max_length=200)] | None = None
    tile: Annotated[str, Field(max_length=200)] | None = None
    observed: Annotated[str, Field(max_length=100)] | None = None
    classes: Annotated[int, Field(ge=2, le=12)] = 5
    method: Literal["quantile", "equal"] = "quantile"
