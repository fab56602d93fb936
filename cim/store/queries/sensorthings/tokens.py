"""The words of `$filter` and `$orderby`: cut by one pattern, each with its kind and value."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from typing import Any

import shapely

from cim.store.queries.sensorthings.asked import Kind, Value, refused, said

LONGEST = 20_000
"""Characters of a filter."""

MOST_POINTS = 10_000
"""Corners of a geometry in a filter."""

_DAY = r"\d{4}-\d\d-\d\d"
_TIME = rf"{_DAY}[Tt]\d\d:\d\d(?::\d\d(?:\.\d{{1,9}})?)?(?:[Zz]|[+\- ]\d\d:?\d\d)?"
_SPAN = r"P(?:\d+(?:\.\d+)?[YMWD])*(?:T(?:\d+(?:\.\d+)?[HMS])+)?"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<geometry>(?:geography|geometry)'(?:[^']|'')*')
  | (?P<duration>duration'[^']*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<interval>(?:{_TIME}/(?:{_TIME}|{_SPAN})|{_SPAN}/{_TIME}))
  | (?P<time>{_TIME})
  | (?P<date>{_DAY})
  | (?P<clock>\d\d:\d\d:\d\d(?:\.\d{{1,9}})?)
  | (?P<number>[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|INF\b|NaN\b))
  | (?P<name>[@$]?[^\W\d][\w.\-]*)
  | (?P<mark>[(),/\[\]])
    )""",
    re.X,
)
_PARTS = re.compile(r"(\d+(?:\.\d+)?)([YMWDHS])")
_SECONDS = {"Y": 365 * 86_400, "M": 30 * 86_400, "W": 7 * 86_400, "D": 86_400, "H": 3600, "S": 1}


@dataclass(frozen=True, slots=True)
class Token:
    """A word: a literal with its value, a name, or a mark; `at` counts characters from 1."""

    kind: str
    text: str
    at: int
    value: Value | None = None


def tokens(text: str, option: str) -> list[Token]:
    """The words of an option; BadParameter where a sign belongs to none.

    >>> [token.text for token in tokens("Thing/name eq 'it''s'", "$filter")]
    ['Thing', '/', 'name', 'eq', "'it''s'"]
    """
    if len(text) > LONGEST:
        raise refused(option, f"it is longer than {LONGEST:,} characters", "内容过长")
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise refused(
                option,
                f"{said(text[at : at + 12])} at character {at + 1} is not understood",
                f"第 {at + 1} 个字符处的 {said(text[at : at + 12])} 无法识别",
            )
        kind = match.lastgroup or ""
        read = _READ.get(kind)
        value = Value(_KINDS.get(kind, kind), read(match[kind], option)) if read else None  # type: ignore[arg-type]  # the groups of the pattern that are read are kinds
        found.append(Token(kind, match[kind], match.start(kind) + 1, value))
        at = match.end()
    return found


def quoted(text: str, _: str = "") -> str:
    """A text out of its quotes."""
    inner = text[text.index("'") + 1 : -1].replace("''", "'")
    if "\0" in inner or any("\ud800" <= mark <= "\udfff" for mark in inner):
        raise refused("$filter", "a text holds a character that no text has", "文本含有无效字符")
    return inner


def moment(text: str, option: str = "$filter") -> datetime:
    """A time, in UTC; one without a zone is taken for UTC.

    >>> moment("2026-11-20T08:00:00+08:00").isoformat(), moment("2026-11-20T08:00").isoformat()
    ('2026-11-20T00:00:00+00:00', '2026-11-20T08:00:00+00:00')
    """
    try:
        plain = text.upper()
        found = datetime.fromisoformat(plain[:11] + plain[11:].replace(" ", "+"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(option, f"{said(text)} is not a time", f"{said(text)} 不是时间") from None


def span(text: str, option: str = "$filter") -> timedelta:
    """A duration as ISO 8601 writes it; a month counts 30 days, a year 365.

    >>> span("P1DT2H"), span("-PT30M")
    (datetime.timedelta(days=1, seconds=7200), datetime.timedelta(days=-1, seconds=84600))
    """
    sign, plain = (-1, text[1:]) if text.startswith("-") else (1, text)
    if not re.fullmatch(_SPAN, plain) or plain in ("P", "PT"):
        raise refused(option, f"{said(text)} is not a duration", f"{said(text)} 不是时长")
    days, _, clock = plain[1:].partition("T")
    total = sum(float(n) * _SECONDS[u] for n, u in _PARTS.findall(days))
    total += sum(float(n) * {"M": 60}.get(u, _SECONDS[u]) for n, u in _PARTS.findall(clock))
    if total > 1e10:
        raise refused(option, "a duration is too long", "时长过长")
    return timedelta(seconds=sign * total)


def interval(text: str, option: str = "$filter") -> tuple[datetime, datetime]:
    """Two times, or a time and a duration, with `/` between; BadParameter where it ends first."""
    first, _, last = text.partition("/")
    if first.startswith("P"):
        end = moment(last, option)
        begin = _moved(end, -span(first, option), option)
    else:
        begin = moment(first, option)
        end = _moved(begin, span(last, option), option) if last[:1] == "P" else moment(last, option)
    if end < begin:
        raise refused(option, "an interval ends before it begins", "时间区间止早于起")
    return begin, end


def _moved(when: datetime, by: timedelta, option: str) -> datetime:
    try:
        return when + by
    except OverflowError:
        raise refused(option, "a time is beyond the calendar", "时间超出范围") from None


def shape(text: str, option: str = "$filter") -> bytes:
    """The geometry of a WKT literal as WKB, in degrees; BadParameter where it is none."""
    found = wkt(quoted(text), option)
    return bytes(shapely.to_wkb(found, output_dimension=2))


def wkt(text: str, option: str) -> shapely.Geometry:
    """A geometry written as WKT, perhaps behind `SRID=4326;`; BadParameter where it is none."""
    plain = text.partition(";")[2] if text[:5].upper() == "SRID=" else text
    try:
        found = shapely.from_wkt(plain)
    except shapely.GEOSException:
        found = None
    if found is None or found.is_empty or not all(map(isfinite, found.bounds)):
        raise refused(option, f"{said(text)} is no geometry", f"{said(text)} 不是有效的几何")
    return checked(found, option)


def checked(found: shapely.Geometry, option: str) -> shapely.Geometry:
    """The geometry; BadParameter where it has too many corners or crosses itself."""
    if shapely.get_num_coordinates(found) > MOST_POINTS:
        raise refused(option, f"a geometry has more than {MOST_POINTS:,} points", "几何节点过多")
    if max(map(abs, found.bounds)) > 1e6:
        raise refused(option, "a geometry lies outside the globe", "几何超出地球范围")
    if not found.is_valid:
        raise refused(option, "a geometry crosses itself", "几何自相交")
    return found


def _number(text: str, option: str) -> float:
    found = float(text)
    if not isfinite(found):
        raise refused(option, f"{said(text)} is not a number", f"{said(text)} 不是数值")
    return found


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise refused(option, f"{said(text)} is not a date", f"{said(text)} 不是日期") from None


def _clock(text: str, option: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise refused(option, f"{said(text)} is no time of day", f"{said(text)} 无效") from None


_READ: dict[str, Callable[[str, str], Any]] = {
    "geometry": shape,
    "duration": lambda text, option: span(quoted(text), option),
    "string": quoted,
    "interval": interval,
    "time": moment,
    "date": _day,
    "clock": _clock,
    "number": _number,
}
_KINDS: dict[str, Kind] = {}
