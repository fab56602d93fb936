"""What is answered when a device is given its key."""

from pydantic import Field

from api.schemas.common import Answer, example


class DeviceKey(Answer):
    """A key, shown this once."""

    model_config = example(
        {"device": 7, "user": "meter-7", "key": "cim_0a1b2c3d_REPLACED-BY-43-RANDOM-CHARACTERS"}
    )

    device: int
    user: str
    """As what the device calls itself at the broker; it publishes below `cim/v1/` and this."""

    key: str


class Claim(Answer):
    """A code that came with a device."""

    model_config = example({"code": "7K3M-Q2WX-9TRE-4HJN"})

    code: str = Field(min_length=16, max_length=40)
