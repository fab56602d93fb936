"""What who listens to the database is told of readings: notices of lines."""

import json
from collections.abc import Sequence
from typing import Final

LINE: Final = 7_800
"""Bytes of one notice; PostgreSQL takes less than 8,000."""

Latest = tuple[int, int, float | None, str | None, int, int]
"""Stream, µs since 1970, number, text, quality, arrival in µs."""


def news(last: Sequence[Latest], newer: Sequence[int]) -> list[str]:
    """A line a stream: id, milliseconds, value as JSON, and its quality where it is not good."""
    if len(newer) < len(last):
        told = set(newer)
        last = [row for row in last if row[0] in told]
    lines = []
    for stream, at, value, text, quality, _ in last:
        said = repr(value) if text is None else json.dumps(text[:1000])
        lines.append(
            f"{stream},{at // 1000},{said},{quality}"
            if quality
            else f"{stream},{at // 1000},{said}"
        )
    return lines


def chunks(lines: Sequence[str]) -> list[str]:
    """Lines joined into notices that PostgreSQL takes.

    >>> [len(one) for one in chunks(["1,2,3"] * 2_000)]
    [7799, 4199]
    """
    found: list[str] = []
    held: list[str] = []
    size = 0
    for line in lines:
        length = len(line) + 1
        if size + length > LINE and held:
            found.append("\n".join(held))
            held, size = [], 0
        held.append(line)
        size += length
    if held:
        found.append("\n".join(held))
    return found
