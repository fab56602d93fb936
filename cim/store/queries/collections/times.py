"""Instants and intervals as RFC 3339 writes them."""

import re
from datetime import UTC, date, datetime, timedelta

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
DAY = timedelta(days=1) - timedelta(microseconds=1)


def parse_date(text: str) -> date:
    """A day such as 2026-11-20; ValueError for any other text, and for the year 0."""
    if not DATE.fullmatch(text):
        raise ValueError("not a date")
    return date.fromisoformat(text)


def parse_instant(text: str) -> datetime:
    """A time with its zone, in UTC; ValueError for any other text, and for what no clock shows.

    >>> parse_instant("2026-11-20T08:00:00+08:00").isoformat()
    '2026-11-20T00:00:00+00:00'
    """
    if not INSTANT.fullmatch(text):
        raise ValueError("not a time")
    try:
        return datetime.fromisoformat(text.upper().replace(" ", "T")).astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the calendar") from None


def parse_interval(text: str) -> tuple[datetime | None, datetime | None]:
    """The first and the last moment of `2026-11-20`, a time, or two of them with `/` between.

    A day lasts to its end; `..`, or nothing, on one side is open. ValueError where the text is
    none of these, or ends before it begins.

    >>> begin, end = parse_interval("2026-11-20/..")
    >>> begin.isoformat(), end
    ('2026-11-20T00:00:00+00:00', None)
    """
    first, slash, last = text.partition("/")
    if not slash:
        return _edge(first, end=False), _edge(first, end=True)
    begin = None if first in ("", "..") else _edge(first, end=False)
    end = None if last in ("", "..") else _edge(last, end=True)
    if begin is not None and end is not None and begin > end:
        raise ValueError("ends before it begins")
    return begin, end


def _edge(text: str, *, end: bool) -> datetime:
    if len(text) == 11:
        text = text.removesuffix("T")  # as GDAL writes a day
    if not DATE.fullmatch(text):
        return parse_instant(text)
    day = parse_date(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + (DAY if end else timedelta())
