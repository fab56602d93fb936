"""Official codes, and what each is the code of."""

from datetime import date

from pydantic import Field

from api.schemas.common import Answer, example


class CodedObject(Answer):
    """What has the code."""

    type: str = Field(description="building, unit, address, parcel, grid, area, organisation …")
    id: int
    status: str | None = Field(description="current, former, provisional")
    valid_from: date | None
    valid_to: date | None
    label: str | None = Field(description="what people call it")
    building_id: int | None = Field(description="the building it is, or is in")
    unit_id: int | None = Field(description="the unit it is, or whose address it is")


class Coded(Answer):
    """What has a code under a coding rule."""

    model_config = example(
        {
            "scheme": "gbt37346",
            "code": "441900001001GB00001F00010001",
            "objects": [
                {
                    "type": "unit",
                    "id": 31,
                    "status": "current",
                    "valid_from": None,
                    "valid_to": None,
                    "label": "803",
                    "building_id": 7,
                    "unit_id": 31,
                }
            ],
        }
    )

    scheme: str
    code: str
    objects: list[CodedObject] = Field(description="what is in force first")


class CodeScheme(Answer):
    """A coding rule."""

    scheme: str
    title: str
    issuer: str | None
    pattern: str | None = Field(description="what its codes look like, as a regular expression")
    applies_to: str | None


class CodeSchemes(Answer):
    """The coding rules that codes are known of."""

    model_config = example(
        {
            "schemes": [
                {
                    "scheme": "gbt37346",
                    "title": "GB/T 37346-2019 不动产单元设定与代码编制规则",
                    "issuer": "自然资源部",
                    "pattern": "[0-9]{12}[A-Z]{2}[0-9]{5}[FLQW][0-9]{8}",
                    "applies_to": "unit",
                }
            ]
        }
    )

    schemes: list[CodeScheme]
