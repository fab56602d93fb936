"""Which column is probably which field: by its name, and by its values, which decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from cim.load.fields import Field, strings
from cim.load.matching import names, values
from cim.load.source import Batch

SURE = 80
"""From here on a guess is used without being asked."""

LEAST_FIT, LEAST_LIKELY = 0.1, 0.5
"""Share of values that a field must be able to take, or its name was a coincidence: where it is
surely its name, and where it only may be."""


MANY = 200
"""Columns beyond which values alone propose nothing: by chance some would fit."""


@dataclass(frozen=True)
class Guess:
    """A field, the column it is probably read from (None: none was found), and why."""

    field: Field
    column: str | None
    sure: int
    en: str
    zh: str


@dataclass(frozen=True)
class _Candidate:
    """A field read from a column, with how well that goes."""

    sure: int
    field: Field
    column: str
    en: str
    zh: str


def propose(
    fields: Iterable[Field],
    sample: Batch,
    columns: list[str],
    wish: Mapping[str, str | None],
    *,
    deep: bool = True,
    personal: bool = False,
) -> list[Guess]:
    """A guess for every field, judged by some rows; no column twice, no field twice.

    What was wished stands.  Without `deep` only what may be used unasked is looked for.  Of
    `personal` data a field's name is enough: what no field takes would be kept in clear.
    """
    fields = list(fields)
    taken = {column for column in wish.values() if column is not None}
    free = {name: sample.columns.column(name) for name in columns if name not in taken}
    open_fields = [item for item in fields if item.name not in wish]
    refused: dict[str, tuple[str, str]] = {}
    found = [*_by_name(open_fields, free, refused, deep=deep, personal=personal)]
    chosen = _choose(found)
    if deep and len(free) <= MANY:
        left = {n: c for n, c in free.items() if n not in {each.column for each in chosen.values()}}
        lacking = [item for item in open_fields if item.name not in chosen]
        chosen |= _choose(_by_value(lacking, left))
    return [_guess(item, wish, chosen, refused) for item in fields]


def _guess(
    field: Field,
    wish: Mapping[str, str | None],
    chosen: Mapping[str, _Candidate],
    refused: Mapping[str, tuple[str, str]],
) -> Guess:
    if field.name in wish:
        return Guess(field, wish[field.name], 100, "as you said", "按您的指定")
    if field.name in chosen:
        each = chosen[field.name]
        return Guess(field, each.column, each.sure, each.en, each.zh)
    return Guess(field, None, 0, *refused.get(field.name, ("", "")))


def _by_name(
    fields: list[Field],
    columns: Mapping[str, pa.Array],
    refused: dict[str, tuple[str, str]],
    *,
    deep: bool,
    personal: bool,
) -> Iterable[_Candidate]:
    """Columns whose names suggest a field and whose values do not contradict."""
    for field in fields:
        for name, column in columns.items():
            match = names.match(name, field, deep=deep)
            if match is None:
                continue
            share = values.fit(column, field)
            against = _against(field, name, column, share, sure=match.sure >= SURE)
            if personal and match.sure >= SURE and field.name != "ext_id":
                against, share = None, None if share is None else 1.0
            if against and not field.required:
                refused.setdefault(field.name, against)
            elif share is None:
                yield _Candidate(match.sure - 10, field, name, match.en, match.zh)
            else:
                yield _Candidate(_weigh(match.sure, share, column, field), field, name,
                                 match.en, match.zh)  # fmt: skip


def _weigh(sure: int, share: float, column: pa.Array, field: Field) -> int:
    """How sure a name is with its values beside it."""
    if sure < SURE and values.speaks_for(column, field):
        return min(sure + 8, SURE - 1)
    return sure if share > 0.9 else max(sure - round((1 - share) * 10), 1)


def _against(
    field: Field, name: str, column: pa.Array, share: float | None, *, sure: bool
) -> tuple[str, str] | None:
    """Why the values of a column cannot be the field's; None where they can."""
    if field.name == "ext_id":
        return no_key(column, name)
    if sure and (field.type == "text" or len(column) - column.null_count < values.ENOUGH):
        return None  # too little to say against a name; the rows that are wrong are set aside
    if share is not None and share < (LEAST_FIT if sure else LEAST_LIKELY):
        return (
            f"column {name!r} is not taken as {field.name}: its values are not {field.en}",
            f"列 {name!r} 的值不像“{field.zh}”，未用作该字段",
        )
    return None


def no_key(column: pa.Array, name: str) -> tuple[str, str] | None:
    """Why a column cannot be the key, judged by some rows; None where it can."""
    found = strings(column)
    if len(found) - found.null_count > 1 and len(found.unique()) * 2 < len(found):
        return (
            f"column {name!r} is not taken as the key: its values do not tell the rows apart",
            f"列 {name!r} 的值不能区分各行，未用作编号",
        )
    return None


def _by_value(fields: list[Field], columns: Mapping[str, pa.Array]) -> list[_Candidate]:
    """What the values alone suggest, for fields that no name was found for."""
    known = {item.name: item for item in fields}
    found: list[_Candidate] = []
    if {"floors_above", "height"} & set(known):
        pair = values.storeys_and_heights(dict(columns))
        for name, column in zip(("floors_above", "height"), pair or (), strict=False):
            if name in known:
                found.append(_Candidate(
                    60, known[name], column, "whole numbers beside about three times as much",
                    "整数列与约三倍于它的数值列相邻",
                ))  # fmt: skip
    for name, column in columns.items():
        for text in ("full_text", "address"):
            if text in known and values.is_address(column):
                found.append(
                    _Candidate(62, known[text], name, "reads like addresses", "内容像地址")
                )
        coded = [item for item in fields if values.is_coded(column, item)]
        if len(coded) == 1:
            found.append(_Candidate(
                60, coded[0], name, "all its words are in the code list", "取值都在代码表中",
            ))  # fmt: skip
    if "ext_id" in known:
        found += _keys(known["ext_id"], columns)
    return found


def _keys(field: Field, columns: Mapping[str, pa.Array]) -> list[_Candidate]:
    """The first column that is filled and different in every row, one called a key before."""
    found = [name for name, column in columns.items() if values.tells_apart(column)]
    named = [name for name in found if _sounds_like_key(name)]
    return [
        _Candidate(sure, field, name, "filled, and different in every row", "每行都有且互不相同")
        for sure, name in ([(65, name) for name in named[:1]] or [(45, name) for name in found[:1]])
    ]


def _sounds_like_key(name: str) -> bool:
    key = names.plain(names.bare(name)[0])
    return key.endswith(("id", "编号", "编码", "代码", "code", "no", "key", "序号", "号"))


def _choose(found: Iterable[_Candidate]) -> dict[str, _Candidate]:
    """The best of them, no column and no field twice; equal ones in the order of fields."""
    chosen: dict[str, _Candidate] = {}
    taken: set[str] = set()
    for each in sorted(found, key=lambda one: -one.sure):
        if each.field.name not in chosen and each.column not in taken:
            chosen[each.field.name] = each
            taken.add(each.column)
    return chosen
