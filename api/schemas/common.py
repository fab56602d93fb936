"""Shapes that recur: coded values, references, areas, problems."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

Position = tuple[float, float]
"""Longitude and latitude in degrees."""


class Answer(BaseModel):
    """Base of every answer: exactly these fields, no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example(value: dict[str, Any]) -> ConfigDict:
    """Settings of an answer that shows one in the documentation."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": value})


class Code(Answer):
    """A value of a code list with its two names; both are the code where the list lacks it."""

    code: str
    zh: str
    en: str


class Sentence(Answer):
    """One sentence in two languages."""

    en: str
    zh: str


class Reference(Answer):
    """An object by id and name."""

    id: int
    name: str | None


class Area(Answer):
    """An administrative area; level 1 province to 5 community."""

    id: int
    code: str
    name: str
    level: int


class Grid(Answer):
    """A management grid."""

    id: int
    code: str
    name: str | None


class Target(Answer):
    """What something is bound to or serves, with the name people know it by."""

    type: str
    label: str | None


class Problem(BaseModel):
    """What went wrong, after RFC 9457, as a sentence in English and one in Chinese."""

    model_config = example(
        {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "No unit has the id 12.",
            "detail_zh": "没有编号为 12 的单元。",
            "instance": "/units/12/card",
        }
    )

    type: str = Field(description="kind of problem; about:blank means its status says it all")
    title: str
    status: int
    detail: str
    detail_zh: str
    instance: str = Field(description="path of the request, without its query")
