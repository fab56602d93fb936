"""Columns that tell who somebody is, in files that are not about people.

A register of addresses or of buildings often has its owners beside them.  What no field takes is
kept as it came, for everybody who may see the thing: so these columns are left out, and named.
"""

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from cim.codes.identifiers import CITIZEN_ID
from cim.load.fields import strings
from cim.load.matching.values import MOBILE
from cim.load.source import Batch

_NAME = re.compile(
    r"姓名|户主|身份证|证件号|手机|产权人|所有权人|权利人|房东|租客|租户|承租人|居民"
    r"|(?<![a-z])(mobile[ _]?(no|num|number|phone)?|id[ _]?(card|no)[ _]?(no|num|number)?)$",
    re.IGNORECASE,
)
"""Names of such columns.  Others, as 联系电话, may be an office's: their values decide."""

_COUNT = re.compile(r"[数量率比]$|[数量率比][（(]")
"""Names of counts and shares of people, which tell of nobody: 居民户数."""

_VALUE = "(?:^|[^0-9A-Za-z])(?:{})(?:[^0-9A-Za-z]|$)|^(?:{})$".format(
    CITIZEN_ID.pattern.replace("?P<year>", ""), MOBILE.pattern
)
"""The number of a document, also within a remark; or a mobile phone, and nothing else."""


def withheld(columns: Iterable[str], sample: Batch) -> tuple[str, ...]:
    """Those of some columns that tell who somebody is: by their name, or by one value in twenty.

    >>> rows = {"产权人": ["x"], "居民户数": ["3"], "note": ["见99000019900101001X。"], "no": ["7"]}
    >>> withheld(rows, Batch(pa.RecordBatch.from_pydict(rows), None, 1))
    ('产权人', 'note')
    """
    return tuple(name for name in columns if _named(name) or _holds(sample.columns, name))


def _named(name: str) -> bool:
    return bool(_NAME.search(name.strip())) and not _COUNT.search(name.strip())


def _holds(columns: pa.RecordBatch, name: str) -> bool:
    """Whether one value in twenty of a column is a number of a document or of a mobile phone."""
    column = columns.column(name)
    if pa.types.is_floating(column.type) or pa.types.is_binary(column.type):
        return False
    words = strings(column)
    long = pc.fill_null(pc.greater_equal(pc.utf8_length(words), 11), False)
    if not pc.any(long).as_py():
        return False
    count = pc.sum(pc.match_substring_regex(words, _VALUE)).as_py() or 0
    return bool(count * 20 > len(words) - words.null_count)


def told(columns: tuple[str, ...]) -> list[tuple[str, str]]:
    """The remark that columns were left out; none where none was."""
    if not columns:
        return []
    return [
        (
            f"not kept, for it may tell who somebody is: {', '.join(columns)}; "
            "people are loaded as people",
            f"可能含个人信息的列未导入：{'、'.join(columns)}；人口数据请按 people 种类导入",
        )
    ]
