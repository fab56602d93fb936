"""What is answered to a push."""

from api.schemas.common import Answer, example


class Unused(Answer):
    """What of a push could not be taken, and why; it is kept among the dead letters."""

    reason: str
    """Code of the reason."""

    en: str
    zh: str
    detail: str
    path: str
    """Where in the payload."""


class Taken(Answer):
    """What became of a push, now that it is in the store."""

    model_config = example(
        {
            "taken": 2,
            "faults": [
                {
                    "reason": "not_a_number",
                    "en": "the stream takes numbers, and this is none",
                    "zh": "数据流为数值型，该值不是数值",
                    "detail": "meter-7, power: much",
                    "path": "",
                }
            ],
            "faults_count": 1,
        }
    )

    taken: int
    """Readings that are in the store, those that were there already among them."""

    faults: list[Unused]
    """The first hundred."""

    faults_count: int
