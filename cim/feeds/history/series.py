"""A series for a chart: which level it is read from, and how it is thinned to some points.

Pure: columns in, columns out. Times are microseconds since 1970 UTC; a level is `raw`, `5min`,
`hour` or `day`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tsdownsample import LTTBDownsampler

from cim.store.queries.feeds.rollups import FINE
from cim.store.queries.feeds.series import NUMBERS, TIMES

SECOND: Final = 1_000_000
WIDTHS: Final = {"5min": 300 * SECOND, "hour": 3600 * SECOND, "day": 86_400 * SECOND}
"""How long the time of a sum is, in microseconds."""

RAW_MOST: Final = 4_000
"""Readings up to which a series is drawn from themselves."""

EACH: Final = 4
"""Points that a sum can give: its first, least, greatest and last."""

PATIENT, UNSURE = 3, 10
"""Intervals without a reading that are a gap: of a stream that has one, of one that shows one."""

_EPOCH: Final = 946_684_800 * SECOND
"""2000-01-01 UTC, from which the database counts."""

_DAY_START: Final = _EPOCH - 8 * 3600 * SECOND
"""A day of China Standard Time begins then."""

LTTB: Any = LTTBDownsampler()  # type: ignore[no-untyped-call]  # it comes without types

Times = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a series is asked for."""

    start: int
    end: int
    points: int
    how: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of a stream."""

    a_day: float | None
    """Readings a day, as far as anybody knows."""

    since: Mapping[str, int]
    """Since when there is something of each level; one that is not named has everything."""


def choose(asked: Asked, kept: Kept) -> str:
    """The level to read: readings where they are few, else the coarsest sums that are enough.

    >>> hour = 3600 * SECOND
    >>> each_minute = Kept(a_day=1440, since={})
    >>> [choose(Asked(0, hours * hour, 500, "lttb"), each_minute)
    ...  for hours in (24, 24 * 4, 24 * 30, 24 * 365)]
    ['raw', '5min', 'hour', 'day']
    >>> choose(Asked(0, 24 * hour, 500, "lttb"), Kept(a_day=1440, since={"raw": hour}))
    '5min'
    """
    span = asked.end - asked.start
    a_day = 1440.0 if kept.a_day is None else kept.a_day
    there = [level for level in ("raw", *WIDTHS) if kept.since.get(level, 0) <= asked.start]
    if "raw" in there and span / WIDTHS["day"] * a_day <= max(RAW_MOST, 2 * asked.points):
        return "raw"
    sums = [level for level in there if level != "raw" and (level != "5min" or a_day > 24 * FINE)]
    enough = [level for level in sums if span * EACH / WIDTHS[level] >= asked.points]
    return (enough[-1:] or sums[:1] or ["day"])[0]


def begins(level: str, moment: int) -> int:
    """When the time of a level begins that a moment lies in.

    >>> from datetime import timezone
    >>> morning = datetime(2026, 3, 9, 1, tzinfo=timezone.utc)
    >>> datetime.fromtimestamp(begins("day", micros(morning)) / SECOND, timezone.utc).isoformat()
    '2026-03-08T16:00:00+00:00'
    """
    if level == "raw":
        return moment
    return moment - (moment - _DAY_START) % WIDTHS[level]


def micros(moment: datetime) -> int:
    """A moment with its zone as microseconds since 1970 UTC."""
    whole = int(moment.timestamp() // 1)
    return whole * SECOND + moment.microsecond


def columns(row: Any, level: str) -> dict[str, Any]:
    """The columns of sums, one after the other in time, out of a row of the store."""
    raw_at, raw_v = _times(row["raw_at"]), _values(row["raw_v"])
    one, none = np.ones(len(raw_v)), np.zeros(len(raw_v))
    single = dict.fromkeys(TIMES, raw_at) | dict.fromkeys(NUMBERS, raw_v)
    single |= {"n": one, "area": none, "increase": none}
    if level == "raw":
        return single
    sums: dict[str, Any] = {name: _times(row[name]) for name in TIMES}
    sums |= {name: _values(row[name]) for name in NUMBERS}
    return {name: np.concatenate([sums[name], single[name]]) for name in sums}


def _times(packed: bytes | None) -> Times:
    return np.frombuffer(packed or b"", ">i8").astype(np.int64) + _EPOCH


def _values(packed: bytes | None) -> Values:
    return np.frombuffer(packed or b"", ">f8").astype(np.float64)


def line(rows: Mapping[str, Any]) -> tuple[Times, Values]:
    """The points of a line through first, least, greatest and last of each row.

    >>> rows = {"first_at": [0, 7], "min_at": [2, 7], "max_at": [1, 7], "last_at": [3, 7]}
    >>> rows |= {"first": [5.0, 1.0], "min": [1.0, 1.0], "max": [9.0, 1.0], "last": [4.0, 1.0]}
    >>> line({name: np.array(column) for name, column in rows.items()})
    (array([0, 1, 2, 3, 7]), array([5., 9., 1., 4., 1.]))
    """
    names = ("first", "min", "max", "last")
    at = np.stack([rows[f"{name}_at"] for name in names], axis=1)
    value = np.stack([rows[name] for name in names], axis=1)
    order = np.argsort(at, axis=1, kind="stable")
    at = np.take_along_axis(at, order, 1).ravel()
    value = np.take_along_axis(value, order, 1).ravel()
    kept = np.ones(len(at), bool)
    kept[1:] = at[1:] != at[:-1]
    return at[kept], value[kept]


def thinned(at: Times, value: Values, points: int, how: str) -> tuple[Times, Values]:
    """No more than `points` of a line, by its shape (`lttb`) or its extremes (`minmax`)."""
    if len(at) <= points:
        return at, value
    if points < 4:
        kept = np.array([0, len(at) - 1])
    elif how == "lttb":
        kept = LTTB.downsample(at, value, n_out=points)
    else:
        kept = extremes(at, value, (points - 2) // 2)
    return at[kept], value[kept]


def extremes(at: Times, value: Values, slices: int) -> NDArray[np.intp]:
    """The places of the least and greatest in each of so many slices of time, and of both ends.

    >>> extremes(np.array([0, 1, 2, 3, 5, 9]), np.array([5.0, 1, 7, 5, 6, 2]), 1)
    array([0, 1, 2, 5])
    """
    span = max(1, int(at[-1] - at[0]))
    slice_of = np.minimum(((at - at[0]) / span * slices).astype(np.int64), slices - 1)
    order = np.lexsort((value, slice_of))
    sorted_slices = slice_of[order]
    edges = np.flatnonzero(np.diff(sorted_slices, prepend=-1, append=slices))
    ends = np.array([0, len(at) - 1])
    return np.unique(np.concatenate([ends, order[edges[:-1]], order[edges[1:] - 1]]))


def width_of(asked: Asked, level: str) -> int:
    """The width of a bar, so that there are at most as many as are asked for."""
    unit = WIDTHS.get(level, SECOND)
    whole = -(-(asked.end - asked.start) // max(1, asked.points - 1))
    return max(1, -(-whole // unit)) * unit


def bars(rows: Mapping[str, Any], asked: Asked, width: int) -> dict[str, Any]:
    """A value a bar, at its beginning: `t`, `v`, and for means `low` and `high`.

    A counter's growth since the reading before belongs to the bar in which it was read.
    """
    if not len(rows["at"]):
        return {"t": rows["at"], "v": rows["sum"]}
    bins = (rows["at"] - _DAY_START) // width
    first = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    same = np.diff(bins, prepend=bins[0] - 1) == 0
    number = np.add.reduceat(rows["n"], first)
    if asked.how == "increase":
        growth = np.diff(rows["first"], prepend=rows["first"][0])
        growth[1:] = rows["first"][1:] - rows["last"][:-1]
        growth = np.where(growth < 0, rows["first"], growth)
        found = np.add.reduceat(rows["increase"] + growth, first)
    elif asked.how == "weighted":
        found = _weighted(rows, first, same)
    else:
        found = np.add.reduceat(rows["sum"], first) / number
    starts = bins[first] * width + _DAY_START
    shown = starts + width > asked.start
    answer = {"t": starts[shown], "v": found[shown]}
    if asked.how in ("mean", "weighted"):
        answer["low"] = np.minimum.reduceat(rows["min"], first)[shown]
        answer["high"] = np.maximum.reduceat(rows["max"], first)[shown]
    return answer


def _weighted(rows: Mapping[str, Any], first: Any, same: Any) -> Values:
    """Means in which each reading counts for as long as it held."""
    held = np.zeros(len(same))
    held[1:] = rows["last"][:-1] * (rows["first_at"][1:] - rows["last_at"][:-1]) / SECOND
    area = np.add.reduceat(rows["area"] + np.where(same, held, 0), first)
    ends = np.append(first[1:], len(same)) - 1
    seconds = (rows["last_at"][ends] - rows["first_at"][first]) / SECOND
    found: Values = rows["first"][first].copy()
    np.divide(area, seconds, out=found, where=seconds > 0)
    return found


def gaps(rows: Mapping[str, Any], asked: Asked, longest: float, open_ended: bool) -> Any:
    """Times in which nothing was read for `longest` microseconds: (n, 2), the longest first kept.

    `open_ended` is whether the stream is older than `start`, so that nothing at first is a gap.
    """
    ends, starts = rows["last_at"], rows["first_at"]
    if not len(ends):
        return np.array([[asked.start, asked.end]], np.int64)[: int(open_ended)]
    since = np.concatenate([[asked.start if open_ended else starts[0]], ends])
    until = np.concatenate([starts, [max(asked.end, ends[-1])]])
    wide = until - since > longest
    found = np.stack([since[wide], until[wide]], axis=1)
    if len(found) > asked.points:
        order = np.argsort(found[:, 0] - found[:, 1], kind="stable")[: asked.points]
        found = found[np.sort(order)]
    return found


def longest_of(interval_s: int | None, kind: str, level: str, a_day: float | None) -> float | None:
    """How long nothing may be read until that is a gap, in microseconds; None: nobody can tell."""
    if interval_s:
        return PATIENT * interval_s * float(SECOND)
    if kind == "state" or not a_day:
        return None
    return max(UNSURE * WIDTHS["day"] / a_day, float(WIDTHS.get(level, 0)))
