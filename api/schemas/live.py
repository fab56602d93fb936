"""What lets somebody listen."""

from pydantic import Field

from api.schemas.common import Answer, example


class Ticket(Answer):
    """Good once, for half a minute, and to listen only."""

    model_config = example({"ticket": "Z2VuZXJhdGVk", "seconds": 30})

    ticket: str = Field(description="goes into `ticket=` of /live or /live/socket")
    seconds: int = Field(description="how long it may be used")
