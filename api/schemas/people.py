"""Residents asked for by unit, address or document; and what persons ask for."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.common import Answer, example

LARGEST_ID = 2**53 - 1
"""What every client can hold as a number."""

Text = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]


class Asked(BaseModel):
    """Base of what is asked: whole and exact, nothing besides."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Lookup(Asked):
    """Whose data are asked for: one of these, and no more."""

    unit: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = Field(
        None, description="id of a unit"
    )
    address: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = Field(
        None, description="id of the address of a unit"
    )
    id_no: Text | None = Field(None, description="whole number of a person's document")
    plain: bool = Field(False, description="names and numbers unmasked, where the purpose needs it")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.unit, self.address, self.id_no)) != 1:
            raise PydanticCustomError("one_of", "one of", {"names": "unit, address, id_no"})
        return self


class FoundPerson(Answer):
    """Somebody in a home; who has several homes is there several times."""

    person: int = Field(description="the record's own number")
    unit: int | None
    name: str | None
    id_no: str | None
    phone: str | None
    role: str | None
    kind: str | None
    birth_year: int | None


class Found(Answer):
    """Who was found; children under 14 are not."""

    people: list[FoundPerson]

    model_config = example(
        {
            "people": [
                {
                    "person": 7,
                    "unit": 201,
                    "name": "甲*",
                    "id_no": "0000**********000X",
                    "phone": "000****0000",
                    "role": "户主",
                    "kind": "户籍",
                    "birth_year": 1980,
                }
            ]
        }
    )


class PersonRequest(Asked):
    """What a person asks an office for."""

    id_no: Text = Field(description="whole number of the person's document")
    reference: Text = Field(description="the office's number of the request; goes to the audit log")


class Erased(Answer):
    """What of a person is gone."""

    persons: int = Field(description="records of the person")
    homes: int = Field(description="where the person lived")
    aside: int = Field(description="rows set aside in which the number stood")
    kept: int = Field(description="records kept for the law alone, shown to nobody")

    model_config = example({"persons": 1, "homes": 2, "aside": 0, "kept": 0})
