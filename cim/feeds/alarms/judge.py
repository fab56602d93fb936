"""Readings judged by the rules that watch their streams, in the transaction that takes them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

import msgspec

from cim.feeds.alarms.judging import Happening, Sample, combined, part
from cim.feeds.alarms.judging import judge as judged
from cim.feeds.alarms.states import Watch, keep, moment, watch_of
from cim.feeds.writing import Changed
from cim.store.queries.feeds import alarms as queries


class AlarmEvent(msgspec.Struct, frozen=True, gc=False):
    """What came of readings: an alarm that began, went on, or ended."""

    event_id: int
    kind: Literal["begin", "again", "end"]
    rule_id: int
    datastream_id: int


Told = list[tuple[Watch, Happening]]


async def judge(connection: Any, changed: Sequence[Changed]) -> list[AlarmEvent]:
    """Begin and end the alarms that these readings bring about; `connection` is asyncpg's.

    Runs inside the caller's transaction, after the latest values were written: that their rows are
    locked keeps others from judging the same streams.  Several readings of a stream are judged in
    the order of their times.  What does not change a state costs one statement for all of them.
    """
    if not changed:
        return []
    series = _series(changed)
    asked = queries.watches(list(series))
    first = [watch_of(row) for row in await connection.fetch(asked.sql, *asked.values)]
    touched = [watch for watch in first if _stirs(watch, series[watch.stream])]
    if not touched:
        return []
    streams = sorted({watch.stream for watch in touched})
    rules = sorted({watch.rule.id for watch in touched})
    told: Told = []
    asked = queries.locked(streams, rules)
    single = [watch_of(row) for row in await connection.fetch(asked.sql, *asked.values)]
    for watch in single:
        told += _run(watch, series[watch.stream])
    joined: list[Watch] = []
    if any(watch.part is not None for watch in touched):
        asked = queries.groups(streams, rules)
        joined = [watch_of(row) for row in await connection.fetch(asked.sql, *asked.values)]
        told += _joined(joined, series)
    events = await write(connection, told, joined)
    await keep(connection, [*single, *joined])
    return events


def _series(changed: Iterable[Changed]) -> dict[int, list[Sample]]:
    """The readings of each stream by their times, each with the one before it."""
    found: dict[int, list[Sample]] = {}
    every = sorted(changed, key=lambda one: (one.datastream_id, one.at))
    for stream, readings in groupby(every, key=attrgetter("datastream_id")):
        samples: list[Sample] = []
        for one in readings:
            at, value = one.previous_at, one.previous_value
            if samples:
                at, value = samples[-1].at, samples[-1].value
            samples.append(Sample(one.at, one.value, one.text, at, value))
        found[stream] = samples
    return found


def _stirs(watch: Watch, samples: Iterable[Sample]) -> bool:
    """Whether any of these readings would change what is remembered."""
    if watch.part is not None:
        return any(_part(watch, sample) for sample in samples)
    return any(judged(watch.rule, watch.state, sample)[0] is not watch.state for sample in samples)


def _part(watch: Watch, sample: Sample) -> bool:
    """Whether a reading of a part of a combination says something new of it."""
    holds = part((watch.rule.condition.parts or ())[(watch.part or 1) - 1], sample)
    return holds is not None and (holds or holds != watch.holding)


def _run(watch: Watch, samples: Iterable[Sample]) -> Told:
    """What readings bring about for one rule and stream; the watch is brought up to date."""
    told: Told = []
    for sample in samples:
        watch.state, happening = judged(watch.rule, watch.state, sample)
        if happening:
            told.append((watch, happening))
    return told


def _joined(watches: Iterable[Watch], series: dict[int, list[Sample]]) -> Told:
    """The same for combinations, whose streams share a state."""
    told: Told = []
    groups: dict[tuple[int, Any], list[Watch]] = defaultdict(list)
    for watch in watches:
        groups[watch.rule.id, watch.group].append(watch)
    for members in groups.values():
        lead = members[0]
        steps = [(s.at, w, s) for w in members for s in series.get(w.stream, ())]
        steps.sort(key=lambda step: step[0])
        for at, together in groupby(steps, key=lambda step: step[0]):
            # What is said of one moment holds at once: nothing was so between its readings.
            said = [watch for _, watch, sample in together if _said(watch, sample)]
            if said:
                told += [(said[-1], one) for one in _weigh(lead, members, at)]
        for watch in members:
            watch.state = lead.state
    return told


def _said(watch: Watch, sample: Sample) -> bool:
    """Whether a reading says if a part of a combination holds; the watch remembers it."""
    holds = part((watch.rule.condition.parts or ())[(watch.part or 1) - 1], sample)
    if holds is None:
        return False
    watch.holding = holds
    if holds:
        watch.held = sample.at
    return True


def _weigh(lead: Watch, members: list[Watch], at: int) -> list[Happening]:
    """What the parts of a combination come to at a time."""
    parts: dict[int, list[Watch]] = defaultdict(list)
    for watch in members:
        parts[watch.part or 1].append(watch)
    known = [
        (
            any(one.holding for one in parts.get(no, [])),
            max((one.held for one in parts.get(no, []) if one.held is not None), default=None),
        )
        for no in range(1, len(lead.rule.condition.parts or ()) + 1)
    ]
    if lead.state.at is not None:
        # A part may be told of later than another: what they come to is so from then on.
        at = max(at, lead.state.at + 1)
    lead.state, happening = judged(lead.rule, lead.state, combined(lead.rule.condition, known, at))
    return [] if happening is None else [happening]


async def write(
    connection: Any, told: Told, joined: Sequence[Watch] = (), why: str = "reading"
) -> list[AlarmEvent]:
    """Begin, continue and end alarms; `joined` are the streams that share an alarm.

    The alarm of a stream may end and begin anew in one batch: what happens to one goes in rounds.
    """
    rounds: list[Told] = []
    depth: dict[Key, int] = defaultdict(int)
    for watch, happening in told:
        key = _key(watch)
        if depth[key] == len(rounds):
            rounds.append([])
        rounds[depth[key]].append((watch, happening))
        depth[key] += 1
    sharing: dict[Key, list[Watch]] = defaultdict(list)
    for watch in joined:
        sharing[_key(watch)].append(watch)
    events: list[AlarmEvent] = []
    for turn in rounds:
        begun = await _begin(connection, [one for one in turn if one[1].kind == "begin"])
        for watch, happening in turn:
            event = begun[watch.rule.id, watch.stream] if happening.kind == "begin" else watch.event
            if event is not None:
                events.append(AlarmEvent(event, happening.kind, watch.rule.id, watch.stream))
            for one in sharing.get(_key(watch), [watch]):
                one.event = None if happening.kind == "end" else event
        await _go_on(connection, events[-len(turn) :], turn, why)
    return events


Key = tuple[int, object]


def _key(watch: Watch) -> Key:
    """What one alarm at a time is of."""
    return watch.rule.id, watch.stream if watch.group is None else watch.group


def _columns(told: Told) -> list[list[Any]]:
    """When, with what number, with what text."""
    return [
        [moment(happening.at) for _, happening in told],
        [happening.value for _, happening in told],
        [happening.text for _, happening in told],
    ]


async def _begin(connection: Any, told: Told) -> dict[tuple[int, int], int | None]:
    """Begin alarms; the id of each by rule and stream, None where one was open."""
    found: dict[tuple[int, int], int | None] = {
        (watch.rule.id, watch.stream): None for watch, _ in told
    }
    if told:
        keys = [[w.rule.id for w, _ in told], [w.stream for w, _ in told]]
        for row in await connection.fetch(queries.BEGIN, *keys, *_columns(told)):
            found[row["rule_id"], row["datastream_id"]] = row["event_id"]
    return found


async def _go_on(connection: Any, events: list[AlarmEvent], told: Told, why: str) -> None:
    """Write what happened again, and what ended."""
    known = {(one.rule_id, one.datastream_id): one.event_id for one in events}
    for kind, statement, more in (("again", queries.AGAIN, ()), ("end", queries.END, (why,))):
        some = [
            (watch, happening)
            for watch, happening in told
            if happening.kind == kind and (watch.rule.id, watch.stream) in known
        ]
        if some:
            ids = [known[watch.rule.id, watch.stream] for watch, _ in some]
            await connection.execute(statement, ids, *_columns(some), *more)
