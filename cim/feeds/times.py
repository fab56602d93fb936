"""Moments as devices write them: ISO 8601, or seconds, milliseconds or microseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

HERE: Final = timezone(timedelta(hours=8))
"""China Standard Time, for times that do not say their zone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_COMPACT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T?(\d\d)(\d\d)(\d\d)(\.\d+)?(Z|[-+]\d\d:?\d\d)?")
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_NUMBER: Final = re.compile(r"\d{9,16}(\.\d+)?")

_LAST: Final = 253_402_300_799_000_000
"""The end of the year 9999: PostgreSQL and datetime go no further together."""


def moment(given: object) -> int | None:
    """Microseconds since 1970, UTC; None where it is no time.

    >>> moment("2026-01-01T08:00:00+08:00"), moment("2026-01-01 08:00"), moment(1767225600)
    (1767225600000000, 1767225600000000, 1767225600000000)
    >>> moment(1767225600123), moment("1767225600123"), moment("20260101T000000Z")
    (1767225600123000, 1767225600123000, 1767225600000000)
    >>> moment("soon"), moment(True), moment(float("nan")), moment("2026-02-30")
    (None, None, None, None)
    """
    if isinstance(given, bool):
        return None
    if isinstance(given, int | float):
        return _since(given)
    return _read(given) if isinstance(given, str) and len(given) <= 40 else None


def _since(number: float) -> int | None:
    """A number since 1970: up to 1e11 in seconds, up to 1e14 in milliseconds, else microseconds."""
    size = abs(number)
    factor = 1_000_000 if size < 1e11 else 1_000 if size < 1e14 else 1
    if not size * factor <= _LAST:  # nor where it is NaN
        return None
    return number * factor if isinstance(number, int) else round(number * factor)


def _read(text: str) -> int | None:
    text = text.strip()
    if text[4:5] == "-":  # the way nearly all of them are written
        return _iso(_FRACTION.sub(r"\1", text) if len(text) > 32 else text)
    if _NUMBER.fullmatch(text):
        return _since(float(text) if "." in text else int(text))
    if found := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = found.groups("")
        text = f"{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}{zone}"
    return _iso(_FRACTION.sub(r"\1", text))


def _iso(text: str) -> int | None:
    try:
        read = datetime.fromisoformat(text)
        read = read.replace(tzinfo=HERE) if read.tzinfo is None else read
        return (read - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None
