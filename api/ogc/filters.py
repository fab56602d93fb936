"""The parameters `filter`, `filter-lang` and `filter-crs`: parsed by cql2, compiled by us.

Of cql2 only its parser is used. A text is looked over before it is parsed: it must be of a length
and depth that any parser bears.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import cql2
import orjson
from sqlalchemy import ColumnElement

from api.ogc.reading import wrong
from api.ogc.systems import CRS84, box, system
from cim.errors import BadParameter
from cim.store.queries.collections.cql.compiling import conditions
from cim.store.queries.collections.cql.shapes import Places
from cim.store.queries.collections.shape import Collection

LONGEST = 65_000
"""Characters of a filter."""

DEEPEST = 40
"""Brackets in brackets."""

LANGUAGES = ("cql2-text", "cql2-json")
QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")


def compiled(here: Collection, given: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """The conditions of a filter, none where there is none; BadParameter says what is wrong."""
    language = given.get("filter-lang")
    if language not in (None, *LANGUAGES):
        raise wrong(
            "filter-lang", "must be cql2-text or cql2-json", "必须为 cql2-text 或 cql2-json"
        )
    source = system("filter-crs", given.get("filter-crs", CRS84))
    if "filter" not in given:
        return []
    words = given["filter"]
    if len(words) > LONGEST:
        raise wrong("filter", f"is longer than {LONGEST:,} characters", f"超过 {LONGEST:,} 个字符")
    as_json = language == "cql2-json" or (not language and words.lstrip()[:1] == "{")
    node = _json(words) if as_json else _text(words)
    return conditions(here, node, Places(source.place, partial(_box, source)))


def _box(source: Any, numbers: list[float]) -> Any:
    return box("filter", numbers, source)


def _json(words: str) -> Any:
    try:
        return orjson.loads(words)
    except (ValueError, UnicodeEncodeError):
        raise wrong("filter", "is not valid JSON", "不是有效的 JSON") from None


def _text(words: str) -> Any:
    if depth(words) > DEEPEST:
        raise wrong("filter", f"is nested deeper than {DEEPEST} levels", "嵌套层次过深")
    try:
        return cql2.parse_text(words).to_json()
    except UnicodeEncodeError:
        raise wrong("filter", "holds a character that no text has", "含有无效字符") from None
    except Exception as error:  # its errors of coordinates have no name of their own
        raise _unread(str(error)) from None


def _unread(told: str) -> BadParameter:
    """Where a text broke off; not what stands there, for it may be anything."""
    found = re.search(r"(\d+):(\d+)", told)
    column = found[2] if found else "1"
    return wrong(
        "filter",
        f"is not CQL2: it cannot be read from character {column} on",
        f"不是有效的 CQL2：第 {column} 个字符起无法解析",
    )


def depth(words: str) -> int:
    """How deep a parser would have to go: brackets that are open, and signs and NOTs in a row.

    >>> depth("a = 1 and (b = 2 or not (c = '((('))"), depth("not " * 50 + "a = 1")
    (3, 50)
    """
    deepest = opened = run = 0
    behind = 0
    bare = QUOTED.sub(lambda found: "q" * len(found[0]), words)
    for found in re.finditer(r"\bnot\b|[-+()]", bare, re.IGNORECASE):
        joined = not bare[behind : found.start()].strip()
        behind = found.end()
        if found[0] == ")":
            opened, run = opened - 1, 0
            continue
        run = run + 1 if joined else 1
        if found[0] == "(":
            opened += 1
        deepest = max(deepest, opened + run - (found[0] == "("))
    return deepest
