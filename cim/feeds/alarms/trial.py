"""How often a rule would have fired: judged against the readings that are kept."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, text

from cim.errors import InvalidQuery
from cim.feeds.alarms.judging import CALM, Happening, Rule, Sample, State, judge, lapse
from cim.feeds.alarms.rules import check_used, condition_of, scope_of
from cim.feeds.alarms.states import micros, moment

MOST: Final = 500_000
"""Readings that are looked at."""

NAMED: Final = 100
"""Alarms that are named one by one."""

_READINGS = text("""
    WITH held AS (
        SELECT b.*, d.class_code, lead(b.valid_from, 1, 'infinity') OVER a_device AS next_from,
            -- Readings of before a device was put up are of where it was put up; where it was ever
            -- in a home, they may be of that.
            CASE WHEN lag(b.id) OVER a_device IS NULL
                    AND (:homes OR NOT bool_or(b.bind_type IS NOT DISTINCT FROM 'unit')
                        OVER (PARTITION BY b.device_id))
                THEN '-infinity' ELSE b.valid_from END AS held_from,
            CASE WHEN b.valid_to IS NULL AND ROW(b.bind_type, b.bind_id)
                IS NOT DISTINCT FROM ROW(d.bind_type, d.bind_id) THEN d.building_id END AS building
        FROM city.device_binding b JOIN city.device d ON d.id = b.device_id
        WHERE d.secrecy <= :secrecy
        WINDOW a_device AS (PARTITION BY b.device_id ORDER BY b.valid_from, b.id)),
    bound AS (
        SELECT t.id, tstzrange(greatest(h.held_from, :since),
            least(coalesce(h.valid_to, 'infinity'), h.next_from, :until)) AS while_so
        FROM held h JOIN city.datastream t ON t.device_id = h.device_id
        WHERE h.held_from < least(h.next_from, :until)
            AND coalesce(h.valid_to, 'infinity') > greatest(h.held_from, :since)
            AND h.next_from > :since
            AND (:homes OR h.bind_type IS DISTINCT FROM 'unit')
            AND city.in_scope(CAST(:scope AS jsonb), h.device_id, h.class_code, h.bind_type,
                h.bind_id, h.building, t.name, t.observed_property)),
    runs AS (SELECT id, unnest(range_agg(while_so)) AS run FROM bound GROUP BY id)
    SELECT o.datastream_id, upper(r.run) AS until, o.phenomenon_time, o.result, o.result_text
    FROM runs r JOIN city.observation o ON o.datastream_id = r.id
        AND o.phenomenon_time >= lower(r.run) AND o.phenomenon_time < upper(r.run)
    WHERE o.phenomenon_time >= :since AND o.phenomenon_time < :until
        AND coalesce(o.quality, 0) IN (0, 2, 3)
    ORDER BY o.datastream_id, o.phenomenon_time LIMIT :most""")
"""Readings of streams while what their devices were bound to was of the scope: by the binding of
then, as the rule would have judged them then. `until` is when it was no more."""


@dataclass(frozen=True)
class Sight:
    """Whose readings are judged: what a rule would have done tells what they were."""

    homes: bool
    """Those of devices in units too."""

    secrecy: int
    """Of devices up to this level."""


@dataclass
class Trial:
    """What a rule would have done."""

    readings: int = 0
    truncated: bool = False
    """There were more readings than are looked at."""

    streams: int = 0
    alarms: int = 0
    open: int = 0
    """Of the alarms, those that had not ended."""

    first: list[dict[str, Any]] = field(default_factory=list)
    """The first of them: datastream, when it began and ended, with what number or code."""


def fire(rule: Rule, series: Iterable[Sample], until: int) -> Iterator[Happening]:
    """What a rule makes of the readings of one stream, with a clock beside them until the end."""
    state: State = CALM
    for sample in series:
        while state.due is not None and state.due < sample.at:
            state, happening = lapse(rule, state, state.due)
            if happening:
                yield happening
        state, happening = judge(rule, state, sample)
        if happening:
            yield happening
    while state.due is not None and state.due <= until:
        state, happening = lapse(rule, state, state.due)
        if happening:
            yield happening


def tried(
    connection: Connection,
    said: Mapping[str, Any],
    since: datetime,
    until: datetime,
    sight: Sight,
) -> Trial:
    """Judge the readings of a time by a rule that need not be kept; nothing is written.

    InvalidQuery for rules that one stream's readings do not tell of: silence and combinations.
    """
    type_ = said.get("type")
    if type_ not in ("threshold", "rate", "state"):
        raise InvalidQuery(
            "Rules of type threshold, rate and state can be tried.",
            "仅 threshold、rate、state 类型的规则可以试运行。",
        )
    condition = condition_of(type_, said.get("condition") or {})
    check_used(type_, said.get("condition") or {})
    rule = Rule(0, type_, condition, float(said.get("cooldown_s") or 0))
    scope = msgspec.json.encode(scope_of(said.get("scope") or {})).decode()
    asked = {"scope": scope, "since": since, "until": until, "most": MOST + 1}
    asked |= {"homes": sight.homes, "secrecy": sight.secrecy}
    runs: dict[tuple[int, datetime], list[Row[Any]]] = defaultdict(list)
    found, now = Trial(), datetime.now(UTC)
    for row in connection.execute(_READINGS, asked):
        if found.readings == MOST:
            found.truncated = True
            break
        found.readings += 1
        runs[row.datastream_id, row.until].append(row)
    found.streams = len({stream for stream, _ in runs})
    for (stream, over), rows in runs.items():
        # A rule that is for a stream no more ends its alarm.
        gone = over if over < min(until, now) else None
        end = micros(min(over, until, now)) or 0
        _count(found, stream, fire(rule, _samples(rows), end), gone)
    return found


def _samples(rows: Iterable[Row[Any]]) -> Iterator[Sample]:
    """Readings with the one before each."""
    at, value = None, None
    for row in rows:
        now = micros(row.phenomenon_time)
        assert now is not None
        yield Sample(now, row.result, row.result_text, at, value)
        at, value = now, row.result


def _count(
    found: Trial, stream: int, happenings: Iterable[Happening], gone: datetime | None
) -> None:
    """Add what happened on one stream, which the rule was for until `gone`, or is for still."""
    begun: dict[str, Any] | None = None
    for one in happenings:
        if one.kind == "begin":
            found.alarms += 1
            begun = {
                "datastream_id": stream,
                "begun": moment(one.at),
                "ended": None,
                "value": one.value,
                "text": one.text,
            }
            if len(found.first) < NAMED:
                found.first.append(begun)
        elif one.kind == "end" and begun is not None:
            begun["ended"] = moment(one.at)
            begun = None
    if begun is not None:
        begun["ended"] = gone
        found.open += gone is None
