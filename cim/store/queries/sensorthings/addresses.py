"""Resource paths: `Things(1)/Datastreams(2)/Observations/$ref`."""

import re
from typing import Any

from cim.errors import NotFound
from cim.store.queries.sensorthings.asked import Address, Step

_STEP = re.compile(r"([A-Za-z]+)(?:\(\s*(?:(-?\d{1,30})|'((?:[^']|'')*)')\s*\))?")
_SPLIT = re.compile(r"/(?=(?:[^']*'[^']*')*[^']*$)")
MOST = 12
NOWHERE = NotFound("There is nothing at this address.", "此地址下没有内容。")


def address(path: str, links: dict[str, Any]) -> Address:
    """What a path leads to; `links` names every set and link. NotFound where it is malformed.

    >>> address("Things(1)/name/$value", {"Things": 1}).property
    ('name',)
    """
    words = _SPLIT.split(path.strip("/"))
    if not words or len(words) > MOST:
        raise NOWHERE
    raw = words[-1] == "$value"
    references = words[-1] == "$ref"
    if raw or references:
        words.pop()
    steps: list[Step] = []
    while words:
        match = _STEP.fullmatch(words[0])
        if match is None or match[1] not in links:
            break
        text = match[3].replace("''", "'") if match[3] is not None else None
        steps.append(Step(match[1], int(match[2]) if match[2] else text))
        words.pop(0)
    bad = not steps or (raw and not words) or (references and words)
    if bad or any(not word or "\0" in word for word in words):
        raise NOWHERE
    return Address(tuple(steps), tuple(words), raw, references)
