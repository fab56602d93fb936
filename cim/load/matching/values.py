"""Whether a column's values are those of a field: values decide where a name only suggests."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cim import codes
from cim.codes import areas
from cim.codes.identifiers import CITIZEN_ID, CREDIT_CODE
from cim.load.fields import PARSERS, Field, strings
from cim.load.storeys import number_of

ENOUGH = 5
"""Values below which a column says little by its values alone."""

DIFFERENT = 300
"""Different words of a column that are looked at."""

MOBILE = re.compile(r"(?:\+?86[- ]?)?1[0-9]{10}")
"""A mobile phone number."""

_ADDRESS = re.compile(
    r"(路|街|道|巷|村|镇|区|苑|园|栋|幢|号).*[0-9０-９一二三四五六七八九十].*|.*(号|栋|幢|室)$"
)
_WORDS = re.compile(r"[^\W\d_]")


def _storey(text: str) -> bool:
    return number_of(text) is not None


_SHAPES: dict[str, Callable[[str], Any]] = {
    "区划代码": lambda text: areas.trim(text) is not None,
    "上级代码": lambda text: areas.trim(text) is not None,
    "证件号码": lambda text: CITIZEN_ID.fullmatch(text.upper()) or len(text) >= 7,
    "统一社会信用代码": lambda text: CREDIT_CODE.fullmatch(text.upper().replace(" ", "")),
    "联系电话": lambda text: sum(mark.isdigit() for mark in text) >= 7,
    "楼层": _storey,
    "地址全文": lambda text: len(text) >= 4 and _WORDS.search(text),
    "地址": lambda text: len(text) >= 4 and _WORDS.search(text),
    "观测时间": lambda text: sum(mark.isdigit() for mark in text) >= 8,
}
"""Fields of text whose values have a shape of their own, by their Chinese names."""


def sample_of(column: pa.Array) -> list[str]:
    """Its different values as text, the first DIFFERENT of them."""
    return [str(v) for v in strings(column).unique().drop_null()[:DIFFERENT].to_pylist()]


def fit(column: pa.Array, field: Field) -> float | None:
    """The share of a column's values that the field can take; None where there are no values.

    >>> floors = Field("floors_above", "integer", "层数", "storeys", most=200)
    >>> fit(pa.array(["6", "18层", "abc", None]), floors), fit(pa.array([None, ""]), floors)
    (0.6666666666666666, None)
    """
    given = pc.is_valid(strings(column)).to_numpy(zero_copy_only=False)
    total = int(given.sum())
    if not total:
        return None
    if field.zh in _SHAPES and field.type == "text":
        found = sample_of(column)
        return sum(bool(_SHAPES[field.zh](text)) for text in found) / len(found)
    values, bad = PARSERS[field.type](column, field)
    good = given & ~bad
    if field.least is not None or field.most is not None:
        with np.errstate(invalid="ignore"):
            number = np.asarray(values, np.float64)
            low = -np.inf if field.least is None else field.least
            high = np.inf if field.most is None else field.most
            good &= ~((number < low) | (number > high))
    return float(good.sum()) / total


def speaks_for(column: pa.Array, field: Field) -> bool:
    """Whether the values by themselves make the field likely: numbers in its usual range, words
    of its code list; text speaks for nothing."""
    share = fit(column, field)
    if share is None or share < 0.9 or field.type == "text":
        return share is not None and share >= 0.9 and field.zh in _SHAPES
    return field.type != "boolean" or len(sample_of(column)) == 2


def tells_apart(column: pa.Array) -> bool:
    """Whether a column can be a key: filled, different in every row, and short words or numbers."""
    if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        return False
    found = strings(column)
    if len(found) < ENOUGH or found.null_count or len(found.unique()) < len(found):
        return False
    some = found[:DIFFERENT].to_pylist()
    return all(re.fullmatch(r"[\w\-./]{1,64}", text) for text in some) and any(
        mark.isdigit() for mark in some[0]
    )


def is_address(column: pa.Array) -> bool:
    """Whether most values read like addresses: a road, a village or a house, and a number."""
    found = sample_of(column)
    if len(found) < ENOUGH:
        return False
    return sum(bool(_ADDRESS.search(text)) and len(text) >= 5 for text in found) >= 0.6 * len(found)


def is_coded(column: pa.Array, field: Field) -> bool:
    """Whether a column holds two or more words, and only such as a code list knows."""
    if field.type != "code" or not (pa.types.is_string(column.type) or _is_large(column.type)):
        return False
    words = {text.lower() for text in sample_of(column) if not text.isdigit()}
    known = {word.lower() for word in field.words}
    if field.codes:
        for code, item in codes.names(field.codes).items():
            known |= {code.lower(), item["zh"].lower(), item["en"].lower()}
    return len(words - {"yes", "no", "other"}) >= 2 and words <= known


def _is_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind))


def numbers(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A column as numbers, NaN where it has none; text with units is understood."""
    values, bad = PARSERS["number"](column, Field("any", "number", "", ""))
    return np.where(bad, np.nan, np.asarray(values, np.float64))


def storeys_and_heights(columns: dict[str, pa.Array]) -> tuple[str, str] | None:
    """The one pair of columns that are storeys and heights: whole numbers to 60, and about three
    times as much beside them."""
    found = {name: numbers(column) for name, column in columns.items() if _may_be_number(column)}
    storeys = {name: column for name, column in found.items() if _may_be_storeys(column)}
    pairs = [
        (low, high)
        for low, floors in storeys.items()
        for high, heights in found.items()
        if low != high and _are_storeys(floors, heights)
    ]
    return pairs[0] if len(pairs) == 1 else None


def _may_be_number(column: pa.Array) -> bool:
    kind = column.type
    return not (pa.types.is_boolean(kind) or pa.types.is_temporal(kind) or pa.types.is_null(kind))


def _may_be_storeys(column: np.ndarray[Any, Any]) -> bool:
    """Whether all numbers are whole, up to 60, and not all the same."""
    known = column[np.isfinite(column)]
    return bool(
        len(known) >= ENOUGH
        and known.max() <= 60
        and known.min() >= 0
        and (known == np.round(known)).all()
        and known.min() < known.max()
    )


def _are_storeys(floors: np.ndarray[Any, Any], heights: np.ndarray[Any, Any]) -> bool:
    with np.errstate(invalid="ignore", divide="ignore"):
        both = (floors > 0) & (heights > 0)
        if both.sum() < ENOUGH:
            return False
        each = heights[both] / floors[both]
        usual = ((each >= 2) & (each <= 6)).mean() >= 0.9
        return bool(usual and 2.5 <= np.median(each) <= 5)
