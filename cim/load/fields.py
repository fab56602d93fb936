"""Fields: what a kind's columns are called, and how their values are read.

A type of value is one parser and one entry in PARSERS; it takes an Arrow column of whatever type
the file has and gives a numpy column and a mask of the values that make no sense.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim import codes

Parsed = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""Values (None or NaN or NaT where there is none) and which of them made no sense."""


@dataclass(frozen=True)
class Field:
    """One thing that can be known of a row, usually a column of its table.

    `names` are further names it goes by in files (any script, any case); `least` and `most` bound
    a number, beyond them the row is set aside; `codes` is the code list of a coded field and
    `words` further words for its codes; of a `strict` one a word that is no code sets the row
    aside, else it is kept among the further fields.
    """

    name: str
    type: str
    zh: str
    en: str
    names: tuple[str, ...] = ()
    required: bool = False
    least: float | None = None
    most: float | None = None
    codes: str | None = None
    words: dict[str, str] = field(default_factory=dict)
    staged: str | None = None
    strict: bool = False

    @property
    def column_type(self) -> str:
        """The PostgreSQL type it is staged as."""
        return self.staged or _STAGED[self.type]

    @property
    def tells_apart(self) -> bool:
        """Whether its values are keys: a digit less, and they are those of something else."""
        return self.type == "text" and (self.name.endswith("_ref") or self.name in _KEYS)


_KEYS = frozenset(("ext_id", "code", "parent_code", "std_code", "uscc", "serial_no", "building"))
"""Fields that hold keys, besides those by which a row says what it belongs to."""

_STAGED = {
    "text": "text",
    "number": "float8",
    "integer": "int8",
    "year": "int2",
    "date": "date",
    "boolean": "bool",
    "code": "text",
}

EXT_ID = Field(
    "ext_id",
    "text",
    "编号",
    "key in the source",
    (
        "id",
        "uid",
        "uuid",
        "guid",
        "bldg_id",
        "osm_id",
        "fid",
        "gid",
        "objectid",
        "编号",
        "编码",
        "唯一标识",
        "标识码",
    ),
)
"""The row's key in its source; every kind has it."""


def text(column: pa.Array, field: Field) -> Parsed:
    """Any column as trimmed text; whole numbers without a decimal point."""
    return strings(column).to_numpy(zero_copy_only=False), np.zeros(len(column), bool)


def strings(column: pa.Array) -> pa.StringArray:
    """Any column as trimmed Arrow strings, null where nothing is left."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        plain = pc.replace_substring_regex(pc.cast(column, pa.string()), r"\.0$", "")
        large = pc.match_substring(plain, "e")
        if pc.any(large).as_py():
            listed = [None if v is None else f"{v:.17g}" for v in column.to_pylist()]
            plain = pc.if_else(pc.fill_null(large, False), pa.array(listed, pa.string()), plain)
        column = pc.if_else(pc.equal(plain, "nan"), None, plain)
    elif not pa.types.is_string(column.type):
        try:
            column = pc.cast(column, pa.string())
        except pa.ArrowException:
            column = pa.array([None if v is None else str(v) for v in column.to_pylist()])
            column = pc.cast(column, pa.string())
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


_FULL_WIDTH = str.maketrans("０１２３４５６７８９．－，", "0123456789.-,")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_UNIT = re.compile(r"\s*(m|米|公尺|层|樓|楼|f|户|㎡|m2|m²|平方米|年)?$", re.IGNORECASE)


def number(column: pa.Array, field: Field) -> Parsed:
    """Numbers; text such as "12.5 m", "18层" or full-width digits is understood."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = np.asarray(
            pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64
        )
        return values, np.isinf(values)
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return np.full(len(column), np.nan), np.zeros(len(column), bool)
    words = strings(column)
    plain = pc.fill_null(pc.match_substring_regex(words, r"^[-+]?(\d+\.?\d*|\.\d+)$"), False)
    values = np.asarray(
        pc.cast(pc.if_else(plain, words, None), pa.float64()).to_numpy(zero_copy_only=False),
        np.float64,
    )
    odd = np.flatnonzero(pc.and_(pc.invert(plain), pc.is_valid(words)).to_numpy(False))
    bad = np.zeros(len(values), bool)
    for row in odd.tolist():
        word = _UNIT.sub("", words[row].as_py().translate(_FULL_WIDTH))
        word = _THOUSANDS.sub("", word)
        try:
            values[row] = float(word)
        except ValueError:
            bad[row] = True
    return np.where(np.isinf(values), np.nan, values), bad | np.isinf(values)


def integer(column: pa.Array, field: Field) -> Parsed:
    """Whole numbers, as floats so that NaN can be none."""
    values, bad = number(column, field)
    whole = np.round(np.asarray(values, np.float64))
    part = np.isfinite(whole) & (np.abs(whole - np.asarray(values, np.float64)) > 1e-6)
    return np.where(bad | part, np.nan, whole), bad | part


def year(column: pa.Array, field: Field) -> Parsed:
    """Years: a number, or the first four digits of a date; 0 is none."""
    words = strings(column)
    found = pc.extract_regex(words, r"^(?P<year>\d{4})(?:\D.*|\d{2,4}.*)?$")
    digits = pc.struct_field(found, "year")
    values = np.asarray(pc.cast(digits, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    given = pc.is_valid(words).to_numpy(False)
    zero = pc.fill_null(pc.is_in(words, pa.array(["0", "0000"])), False).to_numpy(False)
    bad = given & ~zero & (np.isnan(values) | (values < 1000) | (values > 2200))
    return np.where(bad | zero, np.nan, values), bad


def date(column: pa.Array, field: Field) -> Parsed:
    """Days: 2024-05-01, 2024/5/1, 20240501, 2024年5月1日, or a time, of which the day is taken."""
    words = strings(column)
    pattern = r"^(?P<y>\d{4})[-/.年]?(?P<m>\d{1,2})[-/.月]?(?P<d>\d{1,2})(?:[日T ].*)?$"
    values = np.full(len(column), np.datetime64("NaT"), "M8[D]")
    found = pc.extract_regex(words, pattern).to_pylist()
    given = pc.is_valid(words).to_numpy(False)
    for row, parts in enumerate(found):
        if parts and parts["y"]:
            try:
                values[row] = np.datetime64(f"{parts['y']}-{parts['m']:0>2}-{parts['d']:0>2}", "D")
            except ValueError:
                continue
    return values, given & np.isnat(values)


_YES = frozenset(("true", "t", "yes", "y", "1", "是", "有", "1.0"))
_NO = frozenset(("false", "f", "no", "n", "0", "否", "无", "0.0"))


def boolean(column: pa.Array, field: Field) -> Parsed:
    """Yes and no, 是 and 否, 有 and 无, 1 and 0."""
    return _meant(column, dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False))


def code(column: pa.Array, field: Field) -> Parsed:
    """Codes of a list, given as the code or as its name in either language."""
    known = {word.lower(): value for word, value in field.words.items()}
    if field.codes:
        for value, item in codes.names(field.codes).items():
            known |= {value.lower(): value, item["zh"].lower(): value, item["en"].lower(): value}
    return _meant(column, known)


def _meant(column: pa.Array, known: Mapping[str, Any]) -> Parsed:
    """What words stand for, in any case; every different word is looked up once."""
    coded = strings(column).dictionary_encode()
    words = [word.lower() for word in coded.dictionary.to_pylist()]
    places = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
    values = np.array([*map(known.get, words), None], dtype=object)
    bad = np.array([word not in known for word in words] + [False], bool)
    return values[places], bad[places]


PARSERS: dict[str, Callable[[pa.Array, Field], Parsed]] = {
    "text": text,
    "number": number,
    "integer": integer,
    "year": year,
    "date": date,
    "boolean": boolean,
    "code": code,
}
"""Type of a field → parser."""
