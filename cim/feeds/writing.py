"""Readings of known streams into the store: one transaction, or by halves where a row is refused.

In it: the readings, the latest values, what alarms make of them, marks for sums that are behind,
what could not come in, and the news for who listens. Whoever acknowledges does so after it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

import msgspec

from cim.feeds.arrivals import Untimed, remember
from cim.feeds.fitting import DAY
from cim.feeds.news import Latest, chunks, news
from cim.feeds.reading import GOOD
from cim.store import feeding
from cim.store.queries.feeds import writing as queries

_FIRST: Final = date(1970, 1, 1)

Row = tuple[int, int, float | None, str | None, int, int, int]
"""Stream, µs since 1970, number, text, quality, arrival in µs, which item of the batch it is of."""

_STREAM_AND_TIME: Final = itemgetter(0, 1)


class Letter(msgspec.Struct, gc=False):
    """A message that could not come in, whole or in part."""

    received_at: int
    feed_id: int | None
    topic: str
    content_type: str
    payload: bytes | None
    reason: str
    detail: str
    repeats: int = 0
    sender: str | None = None


class Changed(msgspec.Struct, frozen=True, gc=False):
    """A reading of a watched stream, newer than what was its latest before the batch."""

    datastream_id: int
    at: int
    value: float | None
    text: str | None
    quality: int
    previous_value: float | None
    previous_text: str | None
    previous_at: int | None


Judge = Callable[[Any, Sequence[Changed]], Awaitable[Any]]
"""What alarms make of readings, in the transaction that writes them."""


class Written(msgspec.Struct, gc=False):
    """What became of the rows of a batch."""

    stored: int = 0
    duplicates: int = 0
    corrected: int = 0
    late: int = 0
    differing: list[Row] = []
    """Another value of the same stream and time is there, which stays."""

    refused: list[tuple[Row, str]] = []
    """What the database does not take, with what it says of the kind of it."""


class Lot(msgspec.Struct, gc=False):
    """What is to be written together."""

    rows: list[Row] = []
    corrections: list[Row] = []
    watched: set[int] = set()
    """Streams that a rule watches, as far as is known."""

    letters: list[Letter] = []
    untimed: list[Untimed] = []


Explain = Callable[[Sequence[Row], str, str], Letter | None]
"""The one letter of rows of one message that did not come in: the rows, the reason, the detail."""


async def write(
    connection: Any, lot: Lot, days: set[int], explain: Explain, judge: Judge | None = None
) -> Written:
    """Write a lot and say what became of it; `days` are those known to have their partition.

    Raises what the driver does where the database is away: then nothing of what was not committed
    is there, and the lot may be written again.
    """
    written, ways = Written(), _Ways(explain, judge)
    await _halving(connection, lot, days, ways, written)
    letters = _explained(explain, written.refused, "refused")
    if letters:  # last: how many rows of a message are refused is known now
        await _together(connection, Lot(letters=letters), days, ways, written)
    return written


def _explained(explain: Explain, found: Sequence[tuple[Row, str]], reason: str) -> list[Letter]:
    """Letters of rows that did not come in, one for each message and detail."""
    alike: dict[tuple[int, str], list[Row]] = {}
    for row, detail in found:
        alike.setdefault((row[6], detail), []).append(row)
    made = [explain(rows, reason, detail) for (_, detail), rows in alike.items()]
    return [letter for letter in made if letter is not None]


class _Ways(msgspec.Struct, frozen=True):
    explain: Explain
    judge: Judge | None


async def _halving(
    connection: Any, lot: Lot, days: set[int], ways: _Ways, written: Written
) -> None:
    """Write a lot; where a row is refused, each half by itself, down to the row."""
    for again in (True, False):
        try:
            await _together(connection, lot, days, ways, written)
            return
        except feeding.DRIVER as error:
            if again and feeding.lacks_partition(error):
                days.clear()  # they have been taken away, or came with another program
                continue
            if not feeding.is_of_a_row(error) or not (lot.rows or lot.corrections):
                raise
            await _halves(connection, lot, days, ways, written, feeding.kind_of(error))
            return


async def _halves(
    connection: Any, lot: Lot, days: set[int], ways: _Ways, written: Written, said: str
) -> None:
    rows = [(row, False) for row in lot.rows] + [(row, True) for row in lot.corrections]
    if len(rows) == 1:
        written.refused.append((rows[0][0], said))
        rest = Lot(letters=lot.letters, untimed=lot.untimed)
        await _together(connection, rest, days, ways, written)
        return
    middle = len(rows) // 2
    for part, first in ((rows[:middle], True), (rows[middle:], False)):
        half = Lot(
            [row for row, correct in part if not correct],
            [row for row, correct in part if correct],
            lot.watched,
            lot.letters if first else [],
            lot.untimed if first else [],
        )
        await _halving(connection, half, days, ways, written)


async def _together(
    connection: Any, lot: Lot, days: set[int], ways: _Ways, written: Written
) -> None:
    """One transaction; what became of it is told once it is through."""
    made = Written()
    lot.rows.sort(key=_STREAM_AND_TIME)
    rows = _distinct(lot.rows, made)
    corrections = list({row[:2]: row for row in lot.corrections}.values())
    corrections.sort(key=_STREAM_AND_TIME)
    needed = {row[1] // DAY for row in (*rows, *corrections)} - days
    async with connection.transaction():
        if needed:
            wanted = [_FIRST + timedelta(days=day) for day in needed]
            await connection.execute(queries.PREPARE_DAYS, wanted)
        if corrections:
            told = await connection.execute(queries.CORRECT, *_columns(corrections))
            made.corrected = int(told.rpartition(" ")[2])
            made.duplicates += len(corrections) - made.corrected
            await connection.execute(queries.MARK, *_columns(corrections)[:2])
        await _follow(connection, rows, corrections, lot.watched, ways.judge, made)
        differing = _explained(ways.explain, [(row, "") for row in made.differing], "differs")
        letters = [*lot.letters, *differing]
        if lot.untimed:
            await remember(connection, lot.untimed)
        if letters:
            await connection.execute(queries.LETTERS, *_letters(letters))
    days.update(needed)
    _add(written, made)


def _add(written: Written, made: Written) -> None:
    written.stored += made.stored
    written.duplicates += made.duplicates
    written.corrected += made.corrected
    written.late += made.late
    written.differing += made.differing


def _distinct(rows: list[Row], made: Written) -> list[Row]:
    """Sorted rows, each stream and time once: the first that came holds."""
    twice = any(one[0] == other[0] and one[1] == other[1] for one, other in pairwise(rows))
    if not twice:
        return rows
    kept = rows[:1]
    for row in rows[1:]:
        last = kept[-1]
        if row[:2] != last[:2]:
            kept.append(row)
        elif row[2:4] == last[2:4]:
            made.duplicates += 1
        else:
            made.differing.append(row)
    return kept


def _columns(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Stream, time, number, text, quality."""
    return list(zip(*rows, strict=True))[:5]


async def _insert(connection: Any, rows: list[Row], made: Written) -> None:
    """Insert what is not there."""
    told = await connection.execute(queries.INSERT, *_columns(rows))
    made.stored = int(told.rpartition(" ")[2])
    if made.stored:
        await connection.execute(queries.MARK, *_columns(rows)[:2])


async def _compare(connection: Any, rows: list[Row], made: Written) -> None:
    """Find those that say something else than what is there."""
    if made.stored == len(rows):
        return
    columns = _columns(rows)
    different = await connection.fetch(queries.DIFFERENT, *columns[:4])
    made.differing += [rows[row[0] - 1] for row in different]
    made.duplicates += len(rows) - made.stored - len(different)


async def _follow(
    connection: Any,
    rows: list[Row],
    corrections: list[Row],
    watched: set[int],
    judge: Judge | None,
    made: Written,
) -> None:
    """Write readings and what follows: the latest, alarms, sums that are behind, news."""
    lines: list[str] = []
    unheard: list[Row] = []
    ruled: set[int] = set()
    before = await _before(connection, [*rows, *corrections], watched) if judge else {}
    if rows:
        last = _last(rows)
        if len(last) == len(rows):
            told = await connection.fetchrow(queries.ONCE, *zip(*last, strict=True))
            made.stored = told["stored"]
        else:
            await _insert(connection, rows, made)
            told = await connection.fetchrow(queries.LATEST, *zip(*last, strict=True))
        await _compare(connection, rows, made)
        ruled.update(told["ruled"])
        lines += news(last, told["ids"])
        if len(told["ids"]) < len(last) or len(last) < len(rows):
            await _late(connection, rows, last, set(told["ids"]), made)
            unheard += _others(rows, last, set(told["ids"]))
    if corrections:
        last = _last(corrections)
        told = await connection.fetchrow(queries.LATEST_CORRECTED, *zip(*last, strict=True))
        ruled.update(told["ruled"])
        lines += news(last, told["ids"])
        unheard += _others(corrections, last, set(told["ids"]))
    if judge and ruled:
        changed = _changed(sorted([*rows, *corrections], key=_STREAM_AND_TIME), ruled, before)
        if changed:
            await judge(connection, changed)
    if lines:
        await connection.execute(queries.NOTIFY, chunks(lines))
    others = [f"Observation {row[0]}_{row[1]}" for row in unheard]
    if others:
        await connection.execute(queries.NOTIFY_OTHERS, chunks(others))


def _last(rows: Sequence[Row]) -> list[Latest]:
    """The last row of each stream, of rows in their order."""
    found = [one[:6] for one, other in pairwise(rows) if one[0] != other[0]]
    found.append(rows[-1][:6])
    return found


async def _late(
    connection: Any, rows: list[Row], last: list[Latest], newer: set[int], made: Written
) -> None:
    """Count what is older than the latest that was there, and see whether it is the oldest."""
    behind = [row for row in rows if row[0] not in newer]
    made.late += len(behind) - min(len(behind), made.duplicates)
    several = {row[0] for row in behind} | _repeated(rows)
    older = [row for row in rows if row[0] in several]
    if older:
        await connection.execute(
            queries.EARLIER, [row[0] for row in older], [row[1] for row in older]
        )


def _others(rows: Sequence[Row], last: list[Latest], newer: set[int]) -> list[Row]:
    """Rows that are not the latest of their streams."""
    heard = {row[:2] for row in last if row[0] in newer}
    return [row for row in rows if row[:2] not in heard]


def _repeated(rows: Sequence[Row]) -> set[int]:
    """Streams with several rows."""
    return {one[0] for one, other in pairwise(rows) if one[0] == other[0]}


async def _before(connection: Any, rows: Sequence[Row], watched: set[int]) -> dict[int, Any]:
    """The latest of watched streams, before it is another; nobody changes it meanwhile."""
    ids = sorted({row[0] for row in rows} & watched)
    if not ids:
        return {}
    return {row["id"]: row for row in await connection.fetch(queries.BEFORE, ids)}


def _changed(rows: Sequence[Row], ruled: set[int], before: dict[int, Any]) -> list[Changed]:
    """Good readings of watched streams that are newer than the latest before."""
    found = []
    for stream, at, value, text, quality, _, _ in rows:
        if stream not in ruled or quality not in GOOD:
            continue
        was = before.get(stream)
        since = was["us"] if was is not None else None
        if since is not None and at <= since:
            continue
        # From what cannot be true nothing rises or falls.
        known = was if was is not None and was["quality"] in GOOD else None
        number, word = (known["last_value"], known["last_text"]) if known else (None, None)
        found.append(Changed(stream, at, value, text, quality, number, word, since))
    return found


def _letters(letters: Sequence[Letter]) -> list[list[Any]]:
    """Letters as columns."""
    return [
        [one.received_at for one in letters],
        [one.feed_id for one in letters],
        [plain(one.topic)[:1000] for one in letters],
        [plain(one.content_type)[:200] or None for one in letters],
        [one.payload for one in letters],
        [one.reason for one in letters],
        [plain(one.detail)[:1000] for one in letters],
        [one.repeats for one in letters],
        [one.sender and plain(one.sender) for one in letters],
    ]


def plain(text: str) -> str:
    r"""A text that PostgreSQL takes, whatever was sent.

    >>> plain("a\x00b\ud800c")
    'a\ufffdb?c'
    """
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
