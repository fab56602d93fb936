"""What rules remember, between the rows of `city.rule_watch` and the states that are judged."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from cim.feeds.alarms.judging import Condition, Rule, State
from cim.store.queries.feeds import alarms as queries

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)


def micros(moment: datetime | None) -> int | None:
    """A moment as microseconds since 1970.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return None if moment is None else (moment - EPOCH) // MICRO


def moment(at: int | None) -> datetime | None:
    """Microseconds since 1970 as a moment, UTC."""
    return None if at is None else EPOCH + at * MICRO


@lru_cache(maxsize=4096)
def rule_of(id: int, type: Any, condition: str, cooldown: float) -> Rule:
    """A rule as it is judged, from its row."""
    return Rule(id, type, msgspec.json.decode(condition, type=Condition), cooldown)


class Watch(msgspec.Struct):
    """A rule and a stream, with what is remembered."""

    stream: int
    rule: Rule
    state: State
    event: int | None
    part: int | None = None
    group: tuple[str, int] | None = None
    holding: bool = False
    """Of a part of a combination: whether it holds."""

    held: int | None = None
    """And when it held last."""


def watch_of(row: Any) -> Watch:
    """A row of `city.rule_watch` with its rule."""
    state = State(
        open=row["event_id"] is not None,
        holding=row["holding"] and row["part"] is None,
        since=micros(row["since_at"]),
        at=micros(row["judged_at"]),
        ended=micros(row["done_at"]),
        due=micros(row["due_at"]),
    )
    return Watch(
        stream=row["datastream_id"],
        rule=rule_of(row["rule_id"], row["type"], row["condition"], float(row["cooldown_s"] or 0)),
        state=state,
        event=row["event_id"],
        part=row["part"],
        group=None if row["part"] is None else (row["group_type"], row["group_id"]),
        holding=row["holding"],
        held=micros(row["held_at"]),
    )


async def keep(connection: Any, watches: Iterable[Watch]) -> None:
    """Write down what is remembered now."""
    rows = [
        (
            watch.stream,
            watch.rule.id,
            watch.event,
            watch.holding if watch.part is not None else watch.state.holding,
            moment(watch.state.since),
            moment(watch.state.at),
            moment(watch.held),
            moment(watch.state.ended),
            moment(watch.state.due),
        )
        for watch in watches
    ]
    if rows:
        await connection.execute(queries.KEEP, *map(list, zip(*rows, strict=True)))
