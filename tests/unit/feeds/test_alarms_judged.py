"""Alarm rules judged reading by reading: what must hold whatever devices send."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from cim.feeds.alarms.judge import _joined as joined
from cim.feeds.alarms.judging import (
    CALM,
    SECOND,
    Condition,
    Happening,
    Part,
    Rule,
    Sample,
    State,
    beyond,
    combined,
    ended,
    judge,
    lapse,
)
from cim.feeds.alarms.states import Watch

HOT = Rule(1, "threshold", Condition(above=10, margin=2))
LASTING = Rule(2, "threshold", Condition(above=10, margin=2, for_s=60), cooldown_s=300)
LOW = Rule(3, "threshold", Condition(below=0.1, margin=0.05))
FAST = Rule(4, "rate", Condition(above=5, per_s=60))
FAULT = Rule(5, "state", Condition(codes=("fault", "2")))
THROWN = Rule(6, "state", Condition(codes=("thrown",), each=True, last_s=600), cooldown_s=60)
BOTH = Rule(7, "together", Condition(within_s=60))

values = st.floats(-5, 20, allow_nan=False)
readings = st.lists(st.tuples(st.integers(0, 10_000), values), max_size=60)
rules = st.sampled_from([HOT, LASTING, LOW, FAST])


@dataclass
class Told:
    """A stream that keeps the latest as the store does, with what happened on it."""

    rule: Rule
    state: State = CALM
    at: int | None = None
    value: float | None = None
    happened: list[Happening] = field(default_factory=list)

    def say(self, seconds: float, value: float | None = None, text: str | None = None) -> None:
        at = round(seconds * SECOND)
        sample = Sample(at, value, text, self.at, self.value)
        self.state, happening = judge(self.rule, self.state, sample)
        if self.at is None or at > self.at:
            self.at, self.value = at, value
        self._note(happening)

    def wait(self, seconds: float) -> None:
        self.state, happening = lapse(self.rule, self.state, round(seconds * SECOND))
        self._note(happening)

    def _note(self, happening: Happening | None) -> None:
        if happening:
            self.happened.append(happening)

    @property
    def kinds(self) -> list[str]:
        return [one.kind for one in self.happened]


# ── what holds of every rule ─────────────────────────────────────────────────────────────────────


@given(rules, readings)
def test_alarms_of_a_rule_and_a_stream_begin_and_end_by_turns(
    rule: Rule, series: list[tuple[int, float]]
) -> None:
    told = Told(rule)
    for seconds, value in series:
        told.say(seconds, value)
    assert told.kinds == ["begin", "end"] * (len(told.kinds) // 2) + ["begin"] * (
        len(told.kinds) % 2
    )
    assert told.state.open is (told.kinds[-1:] == ["begin"])


@given(rules, readings)
def test_what_happens_happens_in_order_and_readings_from_the_past_change_nothing(
    rule: Rule, series: list[tuple[int, float]]
) -> None:
    told = Told(rule)
    for seconds, value in series:
        before, late = told.state, told.at is not None and seconds * SECOND <= told.at
        told.say(seconds, value)
        assert not late or told.state == before
    times = [one.at for one in told.happened]
    assert times == sorted(set(times))


@given(st.lists(st.floats(8.001, 10, allow_nan=False), min_size=1, max_size=40), st.booleans())
def test_within_the_band_nothing_begins_and_nothing_ends(
    series: list[float], alarmed: bool
) -> None:
    told = Told(HOT)
    told.say(0, 11 if alarmed else 5)
    before = len(told.happened)
    for second, value in enumerate(series, 1):
        told.say(second, value)
    assert len(told.happened) == before


@given(readings, st.lists(st.integers(0, 10_200), max_size=20))
def test_a_clock_beside_the_readings_keeps_the_order_too(
    series: list[tuple[int, float]], ticks: list[int]
) -> None:
    told, now = Told(LASTING), 0
    turns: list[tuple[int, Callable[[], None]]] = []
    for seconds, value in series:
        turns.append((seconds, lambda s=seconds, v=value: told.say(s, v)))  # type: ignore[misc]  # mypy cannot see defaults
    turns += [(tick, lambda t=tick: told.wait(t)) for tick in ticks]  # type: ignore[misc]  # the same
    for seconds, turn in sorted(turns, key=lambda each: each[0]):
        now = max(now, seconds)
        turn()
    assert told.kinds == (["begin", "end"] * len(told.kinds))[: len(told.kinds)]
    times = [one.at for one in told.happened]
    assert times == sorted(times)
    assert all(at <= now * SECOND for at in times)


@given(readings)
def test_no_alarm_begins_before_its_time_has_lasted_nor_within_the_cool_down(
    series: list[tuple[int, float]],
) -> None:
    told = Told(LASTING)
    for seconds, value in sorted(dict(series).items()):
        told.say(seconds, value)
    for end, begin in zip(told.happened[1::2], told.happened[2::2], strict=False):
        assert begin.at - end.at >= 300 * SECOND
    told_values = dict(series)
    for begin in told.happened[::2]:
        held = [
            v for s, v in told_values.items() if begin.at - 60 * SECOND <= s * SECOND < begin.at
        ]
        assert all(value > 10 for value in held)


# ── each type of rule, as an example ─────────────────────────────────────────────────────────────


def test_a_value_above_the_limit_is_an_alarm_until_it_is_back() -> None:
    told = Told(HOT)
    for second, value in enumerate([9, 10, 10.5, 9, 10.5, 8.5, 8, 7]):
        told.say(second, value)
    assert [(one.kind, one.value) for one in told.happened] == [("begin", 10.5), ("end", 8)]


def test_a_value_below_the_limit_is_one_too() -> None:
    told = Told(LOW)
    for second, value in enumerate([0.3, 0.09, 0.12, 0.16]):
        told.say(second, value)
    assert [(one.kind, one.value) for one in told.happened] == [("begin", 0.09), ("end", 0.16)]


def test_what_must_last_begins_by_the_clock_where_no_reading_comes() -> None:
    told = Told(LASTING)
    told.say(0, 12)
    told.wait(59)
    assert told.kinds == []
    told.wait(61)
    assert told.happened == [Happening("begin", 60 * SECOND)]


def test_what_must_last_and_does_not_is_none() -> None:
    told = Told(LASTING)
    told.say(0, 12)
    told.say(30, 9)
    told.say(50, 12)
    told.wait(70)
    assert told.kinds == []
    told.say(110, 12)
    assert told.kinds == ["begin"]


def test_a_reading_of_before_an_alarm_began_by_the_clock_does_not_end_it() -> None:
    told = Told(LASTING)
    told.say(0, 12)
    told.wait(61)
    told.say(59, 5)
    assert told.state.open
    told.say(62, 5)
    assert told.kinds == ["begin", "end"]


def test_a_rise_is_measured_over_the_time_between_two_readings() -> None:
    told = Told(FAST)
    told.say(0, 1)
    told.say(60, 5)
    told.say(120, 11)
    told.say(180, 12)
    assert [(one.kind, one.at) for one in told.happened] == [
        ("begin", 120 * SECOND),
        ("end", 180 * SECOND),
    ]


def test_readings_far_apart_say_nothing_of_a_rise() -> None:
    told = Told(FAST)
    told.say(0, 1)
    told.say(3600, 1000)
    assert told.kinds == []


def test_a_code_is_an_alarm_as_long_as_it_is_said() -> None:
    told = Told(FAULT)
    for second, text in enumerate(["ok", "fault", "fault", "ok"]):
        told.say(second, text=text)
    for second, value in enumerate([1.0, 2.0, 0.0], 10):
        told.say(second, value)
    assert told.kinds == ["begin", "end", "begin", "end"]


def test_what_is_a_happening_by_itself_is_joined_to_the_open_alarm() -> None:
    told = Told(THROWN)
    told.say(0, text="thrown")
    told.say(1, text="idle")
    told.say(20, text="thrown")
    told.wait(619)
    assert told.kinds == ["begin", "again"]
    told.wait(620)
    assert told.kinds == ["begin", "again", "end"]
    told.say(640, text="thrown")
    assert told.kinds[3:] == []
    told.say(700, text="thrown")
    assert told.kinds[3:] == ["begin"]


def test_what_was_ended_by_hand_begins_anew_while_it_holds_but_not_within_the_cool_down() -> None:
    told = Told(LASTING)
    told.say(0, 12)
    told.say(60, 12)
    told.state = ended(told.state, 100 * SECOND)
    told.say(120, 12)
    told.say(399, 12)
    assert told.kinds == ["begin"]
    told.say(400, 12)
    assert told.kinds == ["begin", "begin"]


def test_any_code_but_those_of_all_being_well_is_a_fault() -> None:
    told = Told(Rule(8, "state", Condition(normal=("0", "ok"))))
    for second, text in enumerate(["ok", "E07", "E12", "0"]):
        told.say(second, text=text)
    assert [(one.kind, one.text) for one in told.happened] == [("begin", "E07"), ("end", "0")]


def test_a_value_may_be_out_of_either_limit() -> None:
    told = Told(Rule(9, "threshold", Condition(above=1, below=-1, margin=0.5)))
    for second, value in enumerate([0, -1.2, -0.7, 1.2, 0.6, 0.4]):
        told.say(second, value)
    assert [(one.kind, one.value) for one in told.happened] == [("begin", -1.2), ("end", 0.4)]


def test_a_combination_is_what_its_parts_held_near_each_other() -> None:
    condition, state = BOTH.condition, CALM
    steps: list[tuple[list[tuple[bool, int | None]], int]] = [
        ([(True, 0), (False, None)], 0),
        ([(False, 0), (True, 100)], 100),
        ([(True, 130), (True, 130)], 130),
        ([(False, 130), (True, 140)], 140),
        ([(False, 130), (False, 140)], 150),
    ]
    kinds = []
    for parts, second in steps:
        known = [(h, None if last is None else last * SECOND) for h, last in parts]
        state, happening = judge(BOTH, state, combined(condition, known, second * SECOND))
        kinds.append(happening.kind if happening else None)
    assert kinds == [None, None, "begin", None, "end"]


def test_a_reading_without_a_number_says_nothing_to_a_rule_of_numbers() -> None:
    told = Told(HOT)
    told.say(0, 11)
    told.say(1, text="?")
    assert told.kinds == ["begin"]


# ── combinations, from readings ──────────────────────────────────────────────────────────────────

SHUT_IN = Rule(
    10, "together", Condition(parts=(Part(normal=("0",)), Part(codes=("1",))), for_s=0)
)  # fmt: skip


def members() -> list[Watch]:
    return [
        Watch(stream=n, rule=SHUT_IN, state=CALM, event=None, part=n, group=("facility", 1))
        for n in (1, 2)
    ]


def kinds_of(watches: list[Watch], *said: tuple[int, int, str]) -> list[str]:
    """What readings of one batch bring about: stream, seconds, code."""
    series: dict[int, list[Sample]] = {}
    for stream, seconds, code in said:
        series.setdefault(stream, []).append(Sample(seconds * SECOND, text=code))
    return [happening.kind for _, happening in joined(watches, series)]


def test_parts_of_one_moment_are_judged_together() -> None:
    watches = members()
    assert kinds_of(watches, (1, 0, "0"), (2, 0, "1")) == []
    # It breaks just as they leave: nobody was shut in between the two readings.
    assert kinds_of(watches, (1, 60, "E32"), (2, 60, "0")) == []
    assert kinds_of(watches, (2, 120, "1")) == ["begin"]
    assert kinds_of(watches, (2, 180, "0"), (1, 180, "0")) == ["end"]


def test_a_part_that_is_told_of_late_counts_from_then_on() -> None:
    watches = members()
    assert kinds_of(watches, (1, 0, "0"), (2, 0, "1"), (1, 60, "E32")) == ["begin"]
    assert kinds_of(watches, (2, 60, "0")) == ["end"]  # of the same moment, in another message
    assert kinds_of(watches, (2, 90, "1")) == ["begin"]
    assert kinds_of(watches, (1, 80, "0")) == ["end"]  # of before, through a slower gateway


# ── numbers as large as there are ────────────────────────────────────────────────────────────────

largest = st.floats(allow_nan=False, allow_infinity=False)


@given(largest, st.floats(0, allow_infinity=False), largest)
def test_a_value_never_holds_and_is_over_at_once(limit: float, margin: float, value: float) -> None:
    for condition in (Condition(above=limit, margin=margin), Condition(below=limit, margin=margin)):
        holds, back = beyond(value, condition)
        assert not (holds and back)


@given(st.lists(st.tuples(st.integers(0, 10**9), largest), max_size=20))
def test_a_rise_is_judged_whatever_the_numbers(series: list[tuple[int, float]]) -> None:
    told = Told(FAST)
    for seconds, value in series:
        told.say(seconds, value)
    assert told.kinds == (["begin", "end"] * len(told.kinds))[: len(told.kinds)]


def test_a_code_that_is_a_number_has_all_its_digits() -> None:
    told = Told(Rule(11, "state", Condition(codes=("10000012",))))
    for second, value in enumerate([10000011.0, 10000012.0, 10000013.0]):
        told.say(second, value)
    assert [(one.kind, one.value) for one in told.happened] == [
        ("begin", 10000012), ("end", 10000013),
    ]  # fmt: skip
    calm = Told(Rule(12, "state", Condition(normal=("0",))))
    calm.say(0, -0.0)
    assert calm.kinds == []


def test_a_value_that_flaps_begins_no_alarm_within_the_cool_down() -> None:
    told = Told(Rule(13, "threshold", Condition(above=10), cooldown_s=60))
    for second in range(200):
        told.say(second, 12 if second % 2 else 8)
    begun = [one.at // SECOND for one in told.happened if one.kind == "begin"]
    assert begun == [1, 63, 125, 187]
