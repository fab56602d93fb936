"""The query options of a request, and those in brackets behind an expanded link."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from cim.store.queries.sensorthings.asked import Options, merged, refused, said
from cim.store.queries.sensorthings.parsing import expression, ordering

DEEPEST, MOST = 6, 40
"""Levels of expanded links, and how many there may be in all."""

SKIPPED = 10_000
"""Entities that may be skipped of an expanded set: they are passed in every one of a page."""

_ITEM = re.compile(r"([\w@./]+)\s*(?:\((.*)\))?", re.S)
KNOWN = (
    "$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count", "$skiptoken",
    "$resultFormat", "rollup",
)  # fmt: skip


def options(given: Iterable[tuple[str, str]]) -> Options:
    """The options of a request, each once; BadParameter for one that is not known.

    >>> read = options([("$top", "5"), ("$expand", "Datastreams($select=name;$top=1),Locations")])
    >>> read.top, list(read.expand), read.expand["Datastreams"].select
    (5, ['Datastreams', 'Locations'], ('name',))
    """
    return _read(list(given), 0, [0])


def pieces(text: str, mark: str) -> list[str]:
    """A text cut at a mark, but not within brackets or quotes.

    >>> pieces("a($x=1;$y='(;'),b", ",")
    ["a($x=1;$y='(;')", 'b']
    """
    found, depth, begin, quoted = [], 0, 0, False
    for at, sign in enumerate(text):
        if sign == "'":
            quoted = not quoted
        elif not quoted and sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == mark and not quoted and depth == 0:
            found.append(text[begin:at])
            begin = at + 1
    found.append(text[begin:])
    return [each.strip() for each in found]


def _read(given: list[tuple[str, str]], depth: int, total: list[int]) -> Options:
    values: dict[str, Any] = {}
    seen: set[str] = set()
    for name, text in given:
        if name not in KNOWN:
            raise refused(
                said(name),
                f"there is no such option; those known are {', '.join(KNOWN)}",
                f"没有该查询选项；可用：{'、'.join(KNOWN)}",
            )
        if name in seen:
            raise refused(name, "it is given twice", "重复给出")
        seen.add(name)
        values |= _one(name, text.strip(), depth, total)
    return Options(**values, given=tuple(given))


def _one(name: str, text: str, depth: int, total: list[int]) -> dict[str, Any]:
    if name == "$expand":
        return {"expand": _expand(text, depth, total)}
    if name == "$skiptoken" and depth == 0:
        return {"after": (text,)}
    if name == "$skip" and depth and number(name, text) > SKIPPED:
        raise refused(
            name,
            f"within $expand it is at most {SKIPPED:,}; follow the nextLink",
            f"$expand 内最多 {SKIPPED:,}，请使用 nextLink",
        )
    if name in _READ:
        return {name[1:] if name not in _CALLED else _CALLED[name]: _READ[name](text)}
    raise refused(name, f"{said(text)} is not taken here", f"此处不支持 {said(text)}")


def _select(text: str) -> tuple[str, ...]:
    names = tuple(pieces(text, ","))
    if not all(re.fullmatch(r"[@\w./]+", each) for each in names):
        raise refused("$select", "it is a list of names", "须为名称列表")
    return names


def _count(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise refused("$count", "must be true or false", "必须为 true 或 false")
    return text.lower() == "true"


def _format(text: str) -> bool:
    if text.lower() not in ("dataarray", "default", "json"):
        raise refused("$resultFormat", "must be dataArray", "必须为 dataArray")
    return text.lower() == "dataarray"


def number(name: str, text: str) -> int:
    """A whole number that is not negative; a huge one is taken for the largest there is."""
    if not re.fullmatch(r"\+?\d{1,30}", text):
        raise refused(name, "must be a whole number of at least 0", "必须为非负整数")
    return min(int(text), 2**31 - 1)


def _expand(text: str, depth: int, total: list[int]) -> dict[str, Options]:
    if depth >= DEEPEST:
        raise refused("$expand", f"it is nested deeper than {DEEPEST} levels", "嵌套层次过深")
    found: dict[str, Options] = {}
    for item in pieces(text, ","):
        match = _ITEM.fullmatch(item)
        total[0] += 1
        if match is None or total[0] > MOST:
            raise refused("$expand", f"{said(item)} is not understood", f"无法识别 {said(item)}")
        steps = match[1].split("/")
        if len(steps) + depth > DEEPEST:
            raise refused("$expand", f"it is nested deeper than {DEEPEST} levels", "嵌套层次过深")
        inner = _inner(match[2] or "", depth + len(steps), total)
        for step in reversed(steps[1:]):
            inner = Options(expand={step: inner})
        name = steps[0]
        found[name] = merged(found[name], inner) if name in found else inner
    return found


def _inner(text: str, depth: int, total: list[int]) -> Options:
    given = []
    for item in filter(None, pieces(text, ";")):
        name, equals, value = item.partition("=")
        if not equals:
            raise refused("$expand", f"{said(item)} is no option", f"{said(item)} 不是查询选项")
        given.append((name.strip(), value))
    return _read(given, depth, total)


def _rollup(text: str) -> str:
    if text not in ("hour", "day"):
        raise refused("rollup", "must be hour or day", "必须为 hour 或 day")
    return text


_CALLED = {"rollup": "rollup", "$orderby": "order", "$resultFormat": "array"}
_READ: dict[str, Callable[[str], Any]] = {
    "$filter": expression,
    "$orderby": ordering,
    "$select": _select,
    "$top": partial(number, "$top"),
    "$skip": partial(number, "$skip"),
    "$count": _count,
    "$resultFormat": _format,
    "rollup": _rollup,
}
