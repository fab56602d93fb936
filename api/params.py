"""What callers write, parsed once: handlers receive values, not strings."""

import math
from functools import lru_cache
from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator

from cim.errors import InvalidQuery

LARGEST_ID = 2**53 - 1
"""The largest whole number that every client can read: JSON's numbers are doubles to many."""

Id = Annotated[int, Path(ge=1, le=LARGEST_ID, description="its id", examples=[7])]


def plain(value: float | None) -> float | None:
    """A number that arithmetic bears: what is next to nothing is nothing, or it would underflow.

    >>> plain(5e-324), plain(-22.92)
    (0.0, -22.92)
    """
    return 0.0 if value is not None and abs(value) < 1e-12 else value


Longitude = Annotated[
    float,
    Query(ge=-180, le=180, allow_inf_nan=False, description="degrees east", examples=[113.88]),
    AfterValidator(plain),
]
Latitude = Annotated[
    float,
    Query(ge=-90, le=90, allow_inf_nan=False, description="degrees north", examples=[22.92]),
    AfterValidator(plain),
]
Height = Annotated[
    float | None,
    Query(
        ge=-12_000,
        le=12_000,
        allow_inf_nan=False,
        description="metres in the datum; without it only the building is found",
        examples=[20.5],
    ),
    AfterValidator(plain),
]
Expand = Annotated[
    str,
    Query(
        max_length=300,
        description="parts of the answer, with commas between",
        examples=["address,building,devices"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="most features answered")]

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


Box = Annotated[
    str,
    Query(
        max_length=200,
        description="west,south,east,north in degrees; not across the antimeridian",
        examples=["113.87,22.91,113.89,22.93"],
    ),
]


def parse_bounds(bbox: str) -> Bounds:
    """Bounds from `w,s,e,n`; InvalidQuery says what is wrong with any other.

    >>> parse_bounds("113.8, 22.9, 113.9, 23")
    (113.8, 22.9, 113.9, 23.0)
    """
    try:
        west, south, east, north = map(float, bbox.split(","))
    except ValueError:
        raise InvalidQuery(
            "bbox must be four numbers: west,south,east,north.",
            "bbox 必须为四个数字：西,南,东,北。",
        ) from None
    if not all(map(math.isfinite, (west, south, east, north))):
        raise InvalidQuery("bbox must be finite numbers.", "bbox 必须为有限数值。")
    if not (-180 <= west <= 180 and -180 <= east <= 180 and abs(south) <= 90 and abs(north) <= 90):
        raise InvalidQuery(
            "bbox must lie within -180,-90,180,90 degrees.", "bbox 必须在 -180,-90,180,90 度之内。"
        )
    if south > north:
        raise InvalidQuery("bbox has its south above its north.", "bbox 的南界高于北界。")
    if west > east:
        raise InvalidQuery(
            "bbox has its west beyond its east; boxes across the antimeridian are not supported.",
            "bbox 的西界大于东界；不支持跨越 180° 经线的范围。",
        )
    return west, south, east, north


def clean_text(text: str) -> str:
    """A text fit for a search: no control characters, single spaces; InvalidQuery when empty.

    >>> clean_text(" 松山湖\\x00  3栋 ")
    '松山湖 3栋'
    """
    kept = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    if not kept:
        raise InvalidQuery("q must hold at least one character.", "q 至少需要一个字符。")
    return kept


@lru_cache(maxsize=1000)
def expanded(text: str, known: tuple[str, ...], name: str = "expand") -> frozenset[str]:
    """The parts that are asked for; InvalidQuery where one is not known.

    >>> sorted(expanded("grid, address", ("address", "grid", "areas")))
    ['address', 'grid']
    >>> expanded("", ("grid",))
    frozenset()
    """
    found = frozenset(filter(None, (word.strip() for word in text.split(","))))
    if not found <= set(known):
        raise InvalidQuery(
            f"{name} may hold {', '.join(known)}, with commas between.",
            f"{name} 可含 {'、'.join(known)}，以英文逗号分隔。",
        )
    return found
