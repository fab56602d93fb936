"""Which column of a file is which field: said, written beside the data, or guessed and reported.

A mapping file is JSON: {"floors_above": "层数", "height": "高度"}, or the same under "fields" with
"kind", "crs", "source", "layer" and "encoding" beside it.  `buildings.shp.map.json` beside
`buildings.shp` is found by itself.  A field mapped to null is left out.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cim.errors import BadMapping
from cim.load import matching, private
from cim.load.fields import Field
from cim.load.mending import Mends
from cim.load.source import Batch

BESIDE = ".map.json"
"""What the name of a mapping file beside the data ends in."""

_DATA = re.compile(r"[0-9]{6}")
"""What names of columns do not hold, but numbers of documents and phones do."""

_OPTIONS = ("crs", "source", "layer", "encoding")


@dataclass(frozen=True)
class Settled:
    """A settled mapping: field → column, which of them were guessed, and columns left over.

    `withheld` are those of neither, which tell who somebody is and are kept nowhere.
    """

    columns: dict[str, str]
    guessed: tuple[str, ...]
    rest: tuple[str, ...]
    notes: tuple[tuple[str, str], ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What the user said of a file: field → column (None: leave it out), options, its kind.

    `mends` is there for a file of mended rows that the quarantine gave.
    """

    fields: dict[str, str | None] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    kind: str | None = None
    mends: Mends | None = None


def said(pairs: Iterable[str]) -> dict[str, str | None]:
    """What `--map field=column` said, however often.

    >>> said(["height=高度", "name="])
    {'height': '高度', 'name': None}
    """
    found: dict[str, str | None] = {}
    for pair in pairs:
        name, sign, column = pair.partition("=")
        if not sign or not name.strip():
            raise BadMapping(
                f"--map takes field=column, not {pair!r}",
                f"--map 的写法是 字段=列名，而不是 {pair!r}",
            )
        found[name.strip()] = column.strip() or None
    return found


def written(data: Path, given: Path | None = None) -> Wish:
    """The mapping file given, or the one beside the data; an empty wish where there is none."""
    path = given or beside(data)
    if path is None:
        return Wish()
    try:
        content: Any = json.loads(path.read_text("utf-8-sig"))
        fields = content.get("fields", content)
        options = {n: str(content[n]) for n in _OPTIONS if fields is not content and content.get(n)}
        if fields is content:
            options = {n: str(content.pop(n)) for n in _OPTIONS if n in content and n != "source"}
        more = content if fields is not content else {}
        return Wish(
            {str(k): None if v is None else str(v) for k, v in fields.items()},
            options,
            str(more["kind"]) if more.get("kind") else None,
            Mends.read(more["mends"]) if more.get("mends") else None,
        )
    except (OSError, ValueError, AttributeError) as error:
        raise BadMapping(
            f"{path.name} is no mapping file: {error}", f"{path.name} 不是有效的映射文件：{error}"
        ) from error


def kind_of(data: Path, given: Path | None = None) -> str | None:
    """The kind that the mapping file of the data says, where there is one that does."""
    return written(data, given).kind


def beside(data: Path) -> Path | None:
    """The mapping file beside the data; that of a mended CSV file serves it as a workbook too."""
    path = data.with_name(data.name + BESIDE)
    if path.exists():
        return path
    csv = data.with_name(data.stem + ".csv" + BESIDE)
    return csv if data.suffix.lower() == ".xlsx" and csv.exists() else None


def settle(
    fields: Iterable[Field],
    columns: list[str],
    wish: Mapping[str, str | None],
    sample: Batch,
    *,
    personal: bool = False,
) -> Settled:
    """What each field is read from: as wished, else the column that is surely meant.

    A column whose values are not the field's is left to `attrs`, and so is a key that does not
    tell rows apart; columns that tell who somebody is are not, where the kind is not `personal`.
    Raises BadMapping for a field or column that does not exist and for a required field without
    one.
    """
    fields = list(fields)
    check(fields, columns, wish)
    guesses = matching.propose(fields, sample, columns, wish, deep=False, personal=personal)
    sure = [each for each in guesses if each.column is not None and each.sure >= matching.SURE]
    chosen = {each.field.name: str(each.column) for each in sure}
    guessed = tuple(each.field.name for each in sure if each.field.name not in wish)
    notes = tuple((each.en, each.zh) for each in guesses if each.column is None and each.en
                  and each.field.name not in wish)  # fmt: skip
    _complete(fields, columns, chosen)
    taken = set(chosen.values())
    rest = [column for column in columns if column not in taken]
    hidden = () if personal else private.withheld(rest, sample)
    open_ = tuple(column for column in rest if column not in hidden)
    return Settled(chosen, guessed, open_, (*notes, *private.told(hidden)), hidden)


def check(fields: list[Field], columns: list[str], wish: Mapping[str, str | None]) -> None:
    """Refuse a wish for a field or a column that does not exist, naming those that do."""
    names = {item.name for item in fields}
    unknown = sorted(set(wish) - names)
    if unknown:
        near = difflib.get_close_matches(unknown[0].lower(), names, 2)
        en, zh = (
            (f"perhaps {', '.join(near)}; ", f"是否指 {'、'.join(near)}；") if near else ("", "")
        )
        raise BadMapping(
            f"no field is called {', '.join(unknown)}; {en}fields: {', '.join(sorted(names))}",
            f"没有名为 {'、'.join(unknown)} 的字段；{zh}字段有：{'、'.join(sorted(names))}",
        )
    absent = sorted({c for c in wish.values() if c is not None and c not in columns})
    if absent:
        raise BadMapping(
            f"the file has no column {', '.join(absent)}; columns: {', '.join(columns)}",
            f"文件中没有列 {'、'.join(absent)}；现有列：{'、'.join(columns)}",
        )


def _complete(fields: list[Field], columns: list[str], chosen: Mapping[str, str]) -> None:
    missing = [item for item in fields if item.required and item.name not in chosen]
    if missing and any(_DATA.search(column) for column in columns):
        raise BadMapping(  # and the data may be somebody's, so they are not repeated
            "the first line seems to be data; it must name the columns",
            "首行似乎是数据；首行应为列名",
        )
    if missing:
        names = ", ".join(item.name for item in missing)
        zh = "、".join(f"{item.zh}（{item.name}）" for item in missing)
        raise BadMapping(
            f"no column for {names}; say --map {missing[0].name}=COLUMN; "
            f"columns: {', '.join(columns)}",
            f"找不到字段 {zh} 对应的列；请用 --map {missing[0].name}=列名；"
            f"现有列：{'、'.join(columns)}",
        )
