"""Whether a reading begins or ends an alarm: a pure function of a rule, a state and a reading.

One state is kept for each rule and stream.  Times are microseconds since 1970, UTC.  A condition
that must last is looked at again when its time is due: by the next reading, or by `lapse`, which a
clock calls where none comes.  How each type of rule is judged is documented in
docs/reference/alarms.md.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

SECOND: Final = 1_000_000
"""Microseconds."""

Type = Literal["threshold", "rate", "state", "silence", "together"]


class Part(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One part of a combination: which streams, and when it holds."""

    device_class: tuple[str, ...] | None = msgspec.field(default=None, name="class")
    observed_property: tuple[str, ...] | None = None
    above: float | None = None
    below: float | None = None
    codes: tuple[str, ...] | None = None
    normal: tuple[str, ...] | None = None


class Condition(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """When a rule holds; what a type does not use is None."""

    above: float | None = None
    """Holds above this number (threshold), or rise per `per_s` (rate)."""

    below: float | None = None
    """Holds below this number."""

    margin: float = 0.0
    """An open alarm ends only where the number is that far back from the limit."""

    per_s: float = 60.0
    """The seconds that a rate is of."""

    within_s: float | None = None
    """Of a rate, the most seconds between two readings; of a combination, between its parts."""

    codes: tuple[str, ...] | None = None
    """Texts, or numbers as text, at which a state rule holds."""

    normal: tuple[str, ...] | None = None
    """Instead of `codes`: those at which it does not hold; it holds at any other."""

    each: bool = False
    """Every such reading is a happening of its own, which no other reading ends."""

    last_s: float | None = None
    """An alarm of `each` ends by itself that long after the last of them; None: by hand."""

    for_s: float = 0.0
    """Seconds that it must hold before the alarm begins."""

    intervals: float = 3.0
    """Expected intervals without a reading (silence)."""

    least_s: float = 600.0
    """Seconds of silence at least, however short the interval is."""

    parts: tuple[Part, ...] | None = None
    """Of a combination: what must hold of streams of the same object."""


class Rule(msgspec.Struct, frozen=True, gc=False):
    """One rule as it is for one stream."""

    id: int
    type: Type
    condition: Condition
    cooldown_s: float = 0.0
    """Seconds after the end of an alarm in which the next does not begin."""


class State(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a rule and a stream."""

    open: bool = False
    """An alarm is open."""

    holding: bool = False
    """The condition held at the latest reading."""

    since: int | None = None
    """Since when the condition has held, while it does and no alarm is open."""

    at: int | None = None
    """The reading that changed the state last: what is not later is not judged."""

    ended: int | None = None
    """When the latest alarm ended."""

    due: int | None = None
    """When the clock looks again; None: never."""


CALM: Final = State()
"""Nothing has happened yet."""


class Sample(msgspec.Struct, frozen=True, gc=False):
    """A reading, with the one before it."""

    at: int
    value: float | None = None
    text: str | None = None
    previous_at: int | None = None
    previous_value: float | None = None


class Happening(msgspec.Struct, frozen=True, gc=False):
    """What a reading, or the clock, brought about."""

    kind: Literal["begin", "again", "end"]
    at: int
    value: float | None = None
    text: str | None = None


Judged = tuple[State, Happening | None]


def judge(rule: Rule, state: State, sample: Sample) -> Judged:
    """The state after a reading, and what began or ended by it.

    A reading that is not later than the one before it, or than what was judged last, changes
    nothing.

    >>> hot = Rule(1, "threshold", Condition(above=10, margin=2))
    >>> state, happened = judge(hot, CALM, Sample(at=1, value=11))
    >>> happened.kind, state.open
    ('begin', True)
    >>> judge(hot, state, Sample(at=2, value=9))[1]
    >>> judge(hot, state, Sample(at=2, value=8))[1].kind
    'end'
    """
    known = max(state.at or sample.at - 1, sample.previous_at or sample.at - 1)
    if sample.at <= known:
        return state, None
    holds, over = HOLDS[rule.type](rule.condition, sample)
    if holds is None:
        return state, None
    if rule.condition.each:
        return _each(rule, state, sample) if holds else (state, None)
    return _open(state, sample, holds, over) if state.open else _calm(rule, state, sample, holds)


def lapse(rule: Rule, state: State, now: int) -> Judged:
    """The same where no reading came: what was to last has lasted, or is over.

    >>> long = Rule(1, "threshold", Condition(above=10, for_s=60))
    >>> state, happened = judge(long, CALM, Sample(at=0, value=11))
    >>> happened, state.due == 60 * SECOND
    (None, True)
    >>> lapse(long, state, state.due)[1].kind
    'begin'
    """
    if state.due is None or now < state.due:
        return state, None
    if state.open:
        return replace(state, open=False, ended=state.due, due=None), Happening("end", state.due)
    if state.since is None:
        return replace(state, due=None), None
    # What is told of the time before comes too late: an alarm cannot end before it begins.
    begun = replace(state, open=True, since=None, due=None, at=state.due)
    return begun, Happening("begin", state.due)


def ended(state: State, at: int) -> State:
    """The state after somebody ended the alarm by hand: what holds still begins a new one.

    At the next reading, that is, and not within the cool-down.
    """
    return replace(state, open=False, since=None, due=None, ended=at)


def _calm(rule: Rule, state: State, sample: Sample, holds: bool) -> Judged:
    """No alarm is open."""
    if not holds:
        if state.since is None and not state.holding:
            return state, None
        return replace(state, holding=False, since=None, due=None, at=sample.at), None
    since = sample.at if state.since is None else state.since
    due = since + round(rule.condition.for_s * SECOND)
    if state.ended is not None:
        due = max(due, state.ended + round(rule.cooldown_s * SECOND))
    if sample.at >= due:
        begun = replace(state, open=True, holding=True, since=None, due=None, at=sample.at)
        return begun, Happening("begin", sample.at, sample.value, sample.text)
    if state.since == since and state.due == due:
        return state, None
    return replace(state, holding=True, since=since, due=due, at=sample.at), None


def _open(state: State, sample: Sample, holds: bool, over: bool) -> Judged:
    """An alarm is open: it ends where the condition is over, which is more than not to hold."""
    if not over:
        return state, None
    calm = replace(state, open=False, holding=False, due=None, at=sample.at, ended=sample.at)
    return calm, Happening("end", sample.at, sample.value, sample.text)


def _each(rule: Rule, state: State, sample: Sample) -> Judged:
    """A reading that is a happening of its own."""
    last = rule.condition.last_s
    due = None if last is None else sample.at + round(last * SECOND)
    if state.open:
        kept = replace(state, at=sample.at, due=due)
        return kept, Happening("again", sample.at, sample.value, sample.text)
    rest = round(rule.cooldown_s * SECOND)
    if rest and state.ended is not None and sample.at < state.ended + rest:
        return state, None
    begun = replace(state, open=True, at=sample.at, due=due)
    return begun, Happening("begin", sample.at, sample.value, sample.text)


Held = tuple[bool | None, bool]
"""Whether the condition holds (None: this reading does not say), and whether it is over."""


def beyond(value: float, condition: Condition) -> tuple[bool, bool]:
    """Whether a number is beyond a limit, and whether it is back from both.

    >>> beyond(9, Condition(above=10, margin=2)), beyond(8, Condition(above=10, margin=2))
    ((False, False), (False, True))
    """
    high, low, margin = condition.above, condition.below, condition.margin
    holds = (high is not None and value > high) or (low is not None and value < low)
    back = (high is None or value <= high - margin) and (low is None or value >= low + margin)
    return holds, back


def _threshold(condition: Condition, sample: Sample) -> Held:
    return (None, False) if sample.value is None else beyond(sample.value, condition)


def _rate(condition: Condition, sample: Sample) -> Held:
    if sample.value is None or sample.previous_value is None or sample.previous_at is None:
        return None, False
    seconds = (sample.at - sample.previous_at) / SECOND
    most = 10 * condition.per_s if condition.within_s is None else condition.within_s
    if not 0 < seconds <= most:
        return None, False
    rate = (sample.value - sample.previous_value) / seconds * condition.per_s
    return beyond(rate, condition)


def _state(condition: Condition, sample: Sample) -> Held:
    said = sample.text
    if said is None and sample.value is not None:
        said = code(sample.value)
    if said is None:
        return None, False
    holds = named(said, condition)
    return holds, not holds


def code(value: float) -> str:
    """A number as the code that it is: all of its digits, and no sign of nought.

    >>> code(1.0), code(2.5), code(-0.0), code(10000012.0)
    ('1', '2.5', '0', '10000012')
    """
    return str(int(value)) if value.is_integer() else repr(value)


def named(said: str, condition: Condition | Part) -> bool:
    """Whether a code is one at which this holds."""
    if condition.normal is not None:
        return said not in condition.normal
    return said in (condition.codes or ())


def part(one: Part, sample: Sample) -> bool | None:
    """Whether one part of a combination holds; None where the reading does not say."""
    condition = Condition(above=one.above, below=one.below, codes=one.codes, normal=one.normal)
    by_code = one.codes is not None or one.normal is not None
    return (_state if by_code else _threshold)(condition, sample)[0]


def _together(condition: Condition, sample: Sample) -> Held:
    """Here the sample is of the combination itself: `combined` makes it."""
    holds = bool(sample.value)
    return holds, sample.text == "over"


def _silence(condition: Condition, sample: Sample) -> Held:
    """Any reading ends a silence; only the clock begins one."""
    return False, True


HOLDS: Final[dict[Type, Callable[[Condition, Sample], Held]]] = {
    "threshold": _threshold,
    "rate": _rate,
    "state": _state,
    "silence": _silence,
    "together": _together,
}
"""How each type of rule looks at a reading."""


def combined(condition: Condition, parts: Iterable[tuple[bool, int | None]], at: int) -> Sample:
    """What the parts of a combination come to, as a reading of the combination at a time.

    Each part is whether it holds now, and when it held last.  The combination holds while all parts
    do; with `within_s`, where one does and each of the others held within so many seconds of it:
    then it is over only once none holds.

    >>> near = Condition(within_s=60)
    >>> combined(near, [(True, 5), (False, 20 * SECOND)], 20 * SECOND).value
    1.0
    >>> combined(near, [(True, 5), (False, None)], 9).value
    0.0
    >>> [combined(Condition(), [(True, 5), (b, 5)], 5).value for b in (True, False)]
    [1.0, 0.0]
    """
    known = list(parts)
    now = [holding for holding, _ in known]
    if condition.within_s is None:
        holds = bool(now) and all(now)
        return Sample(at=at, value=float(holds), text=None if holds else "over")
    # What holds still has held until now.
    times = [at if holding else last for holding, last in known]
    held = [moment for moment in times if moment is not None]
    near = bool(held) and max(held) - min(held) <= condition.within_s * SECOND
    holds = any(now) and len(held) == len(known) and near
    return Sample(at=at, value=float(holds), text=None if any(now) else "over")
