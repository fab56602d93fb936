"""What a caller asks of a collection's items: every parameter read and checked.

A parameter that is not known, is there twice, or says what cannot be is refused by name.
"""

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson
import shapely
from sqlalchemy import ColumnElement

from api.ogc.systems import CRS84, DEFAULT, System, box, system
from cim.errors import BadParameter
from cim.store.queries.collections.items import Ask, Box, Sight, Sort, bound, meets
from cim.store.queries.collections.shape import Collection, Kind, Property
from cim.store.queries.collections.times import parse_date, parse_instant, parse_interval

MOST = 10_000
"""Features of one answer; who asks for more is given these, and the way to the next."""

LONGEST = 100_000
"""Characters of one parameter."""

Count = Literal["none", "exact", "estimated"]
Format = Literal["json", "html", "csv", "fgb"]
FORMATS: tuple[str, ...] = get_args(Format)
PARAMETERS = (
    "f", "limit", "bbox", "bbox-crs", "datetime", "crs", "properties", "sortby", "count", "after",
    "filter", "filter-lang", "filter-crs", "resultType",
)  # fmt: skip
"""All but the properties of the collection, each of which may be asked for by its value."""


@dataclass(frozen=True)
class Items:
    """What was asked for, and how it is answered."""

    ask: Ask
    system: System
    count: Count
    only_count: bool
    """Whether no feature is wanted, only how many there are."""

    given: Mapping[str, str]
    """The parameters as they came, for the links of the answer."""


def wrong(parameter: str, en: str, zh: str) -> BadParameter:
    """What is said of a parameter that cannot be used."""
    return BadParameter(f"{parameter} {en}.", f"{parameter} {zh}。")


def once(pairs: Sequence[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    """Parameters by name; BadParameter for one that is not known, twice there, or far too long."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise BadParameter(
                f"There is no parameter {shorten(name)}; those known are {', '.join(known)}.",
                f"未知参数 {shorten(name)}；可用参数：{'、'.join(known)}。",
            )
        if name in found:
            raise wrong(name, "is there twice", "重复出现")
        if len(value) > LONGEST:
            raise wrong(name, f"is longer than {LONGEST:,} characters", f"超过 {LONGEST:,} 个字符")
        if "\0" in value:
            raise wrong(name, "holds a character that no text has", "含有无效字符")
        found[name] = value
    return found


def shorten(text: str) -> str:
    """A caller's word as it may be said back: short, and of printable characters.

    >>> shorten("a\\x00b" + "c" * 100)
    "'a?bccccccccccccccccccccccccccccccccccccc…'"
    """
    kept = "".join(mark if mark.isprintable() else "?" for mark in text[:40])
    return f"'{kept}…'" if len(text) > 40 else f"'{kept}'"


def items(
    collection: Collection,
    pairs: Sequence[tuple[str, str]],
    sight: Sight,
    compile_filter: Callable[[Collection, Mapping[str, str]], list[ColumnElement[bool]]],
) -> Items:
    """What is asked of a collection by the pairs of a query string."""
    given = once(pairs, (*PARAMETERS, *collection.properties))
    target = system("crs", given["crs"]) if "crs" in given else DEFAULT
    box, within = _within(collection, given)
    where = [*within, *_during(collection, given), *_equal(collection, given)]
    sort = _sort(collection, given.get("sortby"))
    ask = Ask(
        collection=collection,
        limit=_limit(given.get("limit", "100")),
        where=(*where, *compile_filter(collection, given)),
        box=box,
        sort=sort,
        after=None if "after" not in given else _after(given["after"], sort),
        shows=_shows(collection, given.get("properties")),
        srid=target.srid,
        swapped=target.swapped,
        sight=sight,
    )
    counted = _count(given.get("count", "none"))
    if given.get("resultType", "results") not in ("results", "hits"):
        raise wrong("resultType", "must be results or hits", "必须为 results 或 hits")
    only = given.get("resultType") == "hits"
    return Items(ask, target, "exact" if only else counted, only, given)


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:9] or 0):
        raise wrong("limit", "must be a whole number of at least 1", "必须为不小于 1 的整数")
    return min(int(text[:9]), MOST)


def _count(text: str) -> Count:
    if text not in get_args(Count):
        raise wrong("count", "must be none, exact or estimated", "必须为 none、exact 或 estimated")
    found: Count = text  # type: ignore[assignment]  # it is one of them
    return found


def _numbers(parameter: str, text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",", 6)]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 6) or not all(map(math.isfinite, numbers)):
        raise wrong(parameter, "must be four or six numbers", "必须为四个或六个数字")
    return numbers


def _within(
    collection: Collection, given: Mapping[str, str]
) -> tuple[Box | None, list[ColumnElement[bool]]]:
    """The box, as such if it is one in degrees; its heights are read and left aside, for features
    lie on the ground."""
    source = system("bbox-crs", given.get("bbox-crs", CRS84))
    if "bbox" not in given:
        return None, []
    area = box("bbox", _numbers("bbox", given["bbox"]), source)
    if source.srid in (4490, 4326) and area.geom_type == "Polygon":
        return area.bounds, []
    return None, [meets(collection, shapely.to_wkb(area))]


def share(asked: Items, extent: Box | None) -> float:
    """What part of an extent the box takes up; all of it where there is no box."""
    if "bbox" not in asked.given or extent is None:
        return 1.0
    if asked.ask.box is not None:
        (w, s, e, n), (left, low, right, high) = asked.ask.box, extent
        wide, tall = min(e, right) - max(w, left), min(n, high) - max(s, low)
        whole = (right - left) * (high - low)
        return max(wide, 0.0) * max(tall, 0.0) / whole if whole else 1.0
    source = system("bbox-crs", asked.given.get("bbox-crs", CRS84))
    area = box("bbox", _numbers("bbox", asked.given["bbox"]), source)
    around = shapely.box(*extent)
    return float(area.intersection(around).area / around.area) if around.area else 1.0


def _during(collection: Collection, given: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """What was last changed then; a collection that does not say when has all of it at any time."""
    if "datetime" not in given:
        return []
    try:
        begin, end = parse_interval(given["datetime"])
    except ValueError:
        raise wrong(
            "datetime",
            "must be a time such as 2026-11-20T08:00:00Z, a day, or two of them with / between",
            "必须为时间（如 2026-11-20T08:00:00Z）、日期，或以 / 分隔的起止时间",
        ) from None
    if collection.changed is None:
        return []
    stamp = collection.properties[collection.changed].expression
    first = [] if begin is None else [stamp >= bound(begin, "date-time")]
    return first if end is None else [*first, stamp <= bound(end, "date-time")]


def _equal(collection: Collection, given: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """Properties that are parameters of their own: those that are equal."""
    return [
        each.expression == bound(value(name, given[name], each.kind), each.kind)
        for name, each in collection.properties.items()
        if name in given and name not in PARAMETERS
    ]


def _sort(collection: Collection, text: str | None) -> tuple[Sort, ...]:
    if text is None:
        return ()
    found: list[Sort] = []
    for word in text.split(",", len(collection.sortable)):
        name = word.lstrip("+- ") if word[:1] in ("+", "-", " ") else word
        if name not in collection.sortable or name in [sort.by.name for sort in found]:
            raise wrong(
                "sortby",
                f"cannot be {shorten(name)}; properties to sort by are "
                f"{', '.join(collection.sortable)}, each once",
                f"不能为 {shorten(name)}；可排序字段：{'、'.join(collection.sortable)}，各一次",
            )
        found.append(Sort(collection.properties[name], word.startswith("-")))
    return tuple(found)


def _shows(collection: Collection, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(filter(None, text.split(",", 100))))
    for name in names:
        if name not in collection.properties:
            raise wrong(
                "properties",
                f"cannot be {shorten(name)}; those of the collection are "
                f"{', '.join(collection.properties)}",
                f"不能为 {shorten(name)}；可用字段：{'、'.join(collection.properties)}",
            )
    return names


def _after(text: str, sort: Sequence[Sort]) -> tuple[Any, ...]:
    """Where the page before ended, out of its link."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        kinds: list[Property | None] = [*(each.by for each in sort), None]
        return tuple(_kept(value_, each) for value_, each in zip(values, kinds, strict=True))
    except (ValueError, TypeError, binascii.Error):
        raise wrong(
            "after", "must be taken from the link to the next page", "必须取自下一页链接"
        ) from None


def _kept(value_: Any, by: Property | None) -> Any:
    if by is None:
        return value("after", str(value_), "integer")
    if value_ is None:
        if by.required:
            raise ValueError("every feature has it")
        return None
    if by.kind in ("integer", "number") and isinstance(value_, int | float):
        return value("after", repr(value_), by.kind)
    if by.kind == "boolean" and isinstance(value_, bool):
        return value_
    if not isinstance(value_, str) or "\0" in value_:
        raise ValueError("not a value of that kind")
    return value("after", value_, by.kind)


def place(text: str) -> str:
    """The mark of the next page: where this one ends, fit for a link.

    >>> place("[7]")
    'Wzdd'
    """
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def value(parameter: str, text: str, kind: Kind) -> Any:
    """A value of a kind out of a parameter's text; BadParameter where it is none."""
    try:
        return _VALUES[kind](text)
    except (ValueError, OverflowError):
        raise wrong(parameter, f"must be of the type {kind}", f"的类型必须为 {kind}") from None


def _integer(text: str) -> int:
    found = int(text) if len(text) < 25 else 2**63
    if not -(2**63) <= found < 2**63:
        raise ValueError("too large")
    return found


def _number(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError("not finite")
    return found


_VALUES: dict[Kind, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _number,
    "string": str,
    "boolean": lambda text: bool(("false", "true").index(text)),
    "date": parse_date,
    "date-time": parse_instant,
    "strings": lambda text: text.split(","),
}
