"""A column looked at batch by batch: how filled, how different, from what to what, and how odd."""

import re
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.codes.identifiers import CITIZEN_ID
from cim.load.fields import strings
from cim.load.inspection.outcome import Column, Oddity
from cim.load.matching import names
from cim.load.matching.values import MOBILE

SHOWN, LISTED = 5, 5
"""Samples of a column, and rows named with something odd."""

MOST_DIFFERENT, MOST_KEYS = 20_000, 250_000
"""Different values that are told apart in a column, and in one that may be a key."""

LONGEST = 60
"""Characters of a value that are shown."""

_GARBLED = r"\x{FFFD}|锟斤拷|烫烫|屯屯屯|ï¿½|Ã[\x{80}-\x{BF}]|â€|Ð[\x{80}-\x{BF}]"
"""What text becomes that was read in another encoding than it was written in."""

_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_WITH_UNIT = (
    r"(?i)^[-+]?[\d,.，．０-９]{0,9}[\d０-９]\s*"
    r"(m|米|公尺|cm|厘米|层|楼|樓|f|户|㎡|m2|m²|平方米|平米|年|ft)$"
)
_DAY = re.compile(r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})")
_PERSONAL = re.compile(
    r"姓名|户主|业主|产权人|权利人|房东|租客|租户|承租人|联系人|法人|身份证|证件号"
    r"|手机|电话|phone|mobile|id_?card",
    re.I,
)

SENTENCES: dict[str, tuple[str, str]] = {
    "garbled": ("text that was read in the wrong encoding", "乱码（编码错误）"),
    "unit": ("numbers written with their unit", "数字带单位，按文字存放"),
    "mixed": ("text among numbers", "数字列中混有文字"),
    "future": ("a day in the future", "日期晚于今天"),
    "citizen": (
        "looks like numbers of identity documents: personal data do not belong here",
        "疑似身份证号：此类文件不应含个人信息",
    ),
    "mobile": (
        "looks like mobile phone numbers: personal data do not belong here",
        "疑似手机号：此类文件不应含个人信息",
    ),
    "empty": ("the column is empty", "该列为空"),
}
"""What is odd in a column, whatever field it is."""


class Tally:
    """One column, added up.  Memory is bounded: MOST_DIFFERENT values are told apart, MOST_KEYS as
    long as no value came twice."""

    def __init__(self, name: str) -> None:
        """Begin with no rows."""
        self.name, self.rows, self.filled = name, 0, 0
        self.types: Counter[str] = Counter()
        self.seen: set[int] = set()
        self.more = False
        self.repeated: list[int] = []
        self.repeats = 0
        self.uncounted = False
        self.samples: list[str] = []
        self.least: Any = None
        self.most: Any = None
        self.numeric = 0
        self.odd: Counter[str] = Counter()
        self.where: dict[str, list[int]] = {}
        self.personal = bool(_PERSONAL.search(name))

    def add(self, column: pa.Array, row_no: NDArray[np.int64]) -> None:
        """Look at the values of a batch, whose rows have these numbers in the file."""
        words = strings(column)
        self.rows += len(words)
        self.filled += len(words) - words.null_count
        self.types[_type(column.type)] += 1
        self._differ(words, row_no)
        self._span(column, words)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            self._read(words, row_no)
        self._dates(column, words, row_no)
        self._persons(words, row_no)

    def note(self, what: str, mask: Any, row_no: NDArray[np.int64]) -> None:
        """Count what is odd where a mask says so, and remember the first rows."""
        places = pc.indices_nonzero(pc.fill_null(mask, False))
        if len(places):
            self.odd[what] += len(places)
            rows = self.where.setdefault(what, [])
            rows += row_no[places[: LISTED - len(rows)].to_numpy()].tolist()

    def _differ(self, words: pa.Array, row_no: NDArray[np.int64]) -> None:
        different = words.unique().drop_null()
        if len(self.samples) < SHOWN:
            new = [text for text in different[:SHOWN].to_pylist() if text not in self.samples]
            self.samples += new[: SHOWN - len(self.samples)]
        filled = len(words) - words.null_count
        if self.more:
            return
        hashed = {hash(text) for text in different.to_pylist()}
        if len(hashed) < filled or not self.seen.isdisjoint(hashed):
            self._repeat(words, row_no)
        self.seen |= hashed
        limit = MOST_DIFFERENT if self.repeats > self.rows // 100 else MOST_KEYS
        self.more = len(self.seen) > limit

    def _repeat(self, words: pa.Array, row_no: NDArray[np.int64]) -> None:
        """Count values that came before, while they are few."""
        if self.repeats > max(self.rows // 10, 1000):
            self.uncounted = True
            return
        here: set[int] = set()
        for place, text in enumerate(words.to_pylist()):
            if text is None:
                continue
            mark = hash(text)
            if mark in here or mark in self.seen:
                self.repeats += 1
                if len(self.repeated) < LISTED:
                    self.repeated.append(int(row_no[place]))
            here.add(mark)

    def _span(self, column: pa.Array, words: pa.Array) -> None:
        """The least and the most: of numbers as numbers, of days as days, else by length."""
        number = _numbers(column, words)
        if number is None:
            return
        self.numeric += len(number) - number.null_count
        found = pc.min_max(number)
        low, high = found["min"].as_py(), found["max"].as_py()
        if low is not None:
            self.least = low if self.least is None else min(self.least, low)
            self.most = high if self.most is None else max(self.most, high)

    def _read(self, words: pa.Array, row_no: NDArray[np.int64]) -> None:
        """What is odd about text: garbled, numbers with units, words among numbers."""
        self.note("garbled", pc.match_substring_regex(words, _GARBLED), row_no)
        unit = pc.match_substring_regex(words, _WITH_UNIT)
        self.note("unit", unit, row_no)
        self.note("mixed", pc.invert(pc.match_substring_regex(words, r"[\d０-９]")), row_no)

    def _dates(self, column: pa.Array, words: pa.Array, row_no: NDArray[np.int64]) -> None:
        today = datetime.now(UTC).date()
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            self.note("future", pc.greater(pc.cast(column, pa.date32()), today), row_no)
            return
        later = [_after(text, today) for text in self.samples]
        if any(later) or any(_DAY.match(text) for text in self.samples):
            mask = pa.array([bool(v) and _after(v, today) for v in words.to_pylist()])
            self.note("future", mask, row_no)

    def _persons(self, words: pa.Array, row_no: NDArray[np.int64]) -> None:
        long = pc.greater_equal(pc.utf8_length(words), 11)
        if not pc.any(pc.fill_null(long, False)).as_py():
            return
        for what, pattern in (("citizen", CITIZEN_ID), ("mobile", MOBILE)):
            mask = pc.match_substring_regex(words, f"^(?:{_plain(pattern.pattern)})$")
            self.note(what, mask, row_no)
        if self.odd["citizen"] or self.odd["mobile"]:
            self.personal = True

    @property
    def is_number(self) -> bool:
        """Whether nine in ten of its values are numbers."""
        return self.numeric * 10 >= self.filled * 9 and self.numeric > 0

    def done(self, *, hidden: bool, personal_kind: bool) -> Column:
        """The column as it is shown; `hidden` values are not."""
        odd = [self._say(what) for what in self._worth_saying(personal_kind=personal_kind)]
        hidden = hidden or self.personal
        number = self.is_number or "date" in self.types or "time" in self.types
        return Column(
            self.name,
            max(self.types, key=lambda t: self.types[t]) if self.types else "empty",
            self.filled,
            len(self.seen),
            None if hidden or not number else _shown(self.least),
            None if hidden or not number else _shown(self.most),
            () if hidden else tuple(text[:LONGEST] for text in self.samples),
            tuple(odd),
            self.more,
        )

    def _worth_saying(self, *, personal_kind: bool) -> list[str]:
        found = [what for what in ("garbled", "unit", "future") if self.odd[what]]
        if 0 < self.odd["mixed"] <= self.filled * 0.2 and self.numeric * 2 > self.filled:
            found.append("mixed")
        if not personal_kind:
            found += [w for w in ("citizen", "mobile") if self.odd[w] * 20 > self.filled]
        return found if self.filled else ["empty"]

    def _say(self, what: str) -> Oddity:
        count = self.rows if what == "empty" else self.odd[what]
        return Oddity(*SENTENCES[what], count, tuple(self.where.get(what, ())[:LISTED]))


def _plain(pattern: str) -> str:
    """A pattern without the names of its groups, which Arrow does not take."""
    return re.sub(r"\?P<\w+>", "", pattern)


def _after(text: str, today: date) -> bool:
    found = _DAY.match(text)
    if found is None:
        return False
    return tuple(map(int, found.groups())) > (today.year, today.month, today.day)


def _numbers(column: pa.Array, words: pa.Array) -> pa.Array | None:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return column
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        real = pc.cast(column, pa.float64(), safe=False)
        return pc.if_else(pc.is_finite(real), real, None)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        plain = pc.fill_null(pc.match_substring_regex(words, _NUMBER), False)
        return pc.cast(pc.if_else(plain, words, None), pa.float64())
    return None


_KINDS = (
    ("integer", pa.types.is_integer),
    ("number", pa.types.is_floating),
    ("number", pa.types.is_decimal),
    ("text", pa.types.is_string),
    ("text", pa.types.is_large_string),
    ("boolean", pa.types.is_boolean),
    ("date", pa.types.is_date),
    ("time", pa.types.is_timestamp),
    ("empty", pa.types.is_null),
)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return next((word for word, test in _KINDS if test(kind)), str(kind))


def _shown(value: Any) -> str | float | None:
    return value if value is None or isinstance(value, int | float) else str(value)


def sounds_personal(name: str) -> bool:
    """Whether a column by its name holds what tells who somebody is.

    >>> sounds_personal("户主姓名"), sounds_personal("产权人"), sounds_personal("建筑名称")
    (True, True, False)
    """
    return bool(_PERSONAL.search(names.plain(name)))
