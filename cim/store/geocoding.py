"""Addresses looked for: from texts taken apart to what is said of each.

The steps are a generator of statements, so that the command and a job run them on a connection, and
the service on its pool without waiting: each statement that is yielded is answered with its rows.
"""

from collections.abc import Generator, Sequence
from typing import Any

from sqlalchemy import Connection, TextClause

from cim.addresses import LADDER, Address, join, pinyin
from cim.addresses.judging import GOOD, Candidate, Verdict, judge, level_of, unanswered
from cim.store.queries import geocode, names

Rows = Sequence[Any]
Steps = Generator[TextClause, Rows, list[Verdict]]

FORGIVEN = ("town", "village", "road", "estate_name", "building_name")
"""Levels whose names may be written with a slip of the pen."""

BESIDE = 2
"""Candidates that are looked at beyond those that are asked for, to see who is nearly as good."""


def steps(addresses: Sequence[Address], each: int = 5, *, alike: bool = False) -> Steps:
    """What is said of each address, with at most `each` candidates.

    With `alike`, texts of which nothing is known are compared with all addresses.
    """
    asked = columns(addresses)
    said = _said((yield _similar(addresses)))
    found: list[list[Candidate]] = [[] for _ in addresses]
    for row in (yield geocode.match(asked, said, each + BESIDE, alike=alike)):
        found[row.row_no].append(candidate(addresses[row.row_no], row))
    poor = [
        no
        for no, some in enumerate(found)
        if addresses[no].levels and max((one.score for one in some), default=0) < GOOD
    ]
    if poor:
        wanted = {name: [values[no] for no in poor] for name, values in asked.items()}
        for row in (yield geocode.places(wanted, each + 1)):
            found[row.row_no].append(_place(addresses[row.row_no], row))
    return [_shortened(judge(*pair), each) for pair in zip(addresses, found, strict=True)]


def run(connection: Connection, steps: Steps) -> list[Verdict]:
    """Run the steps on a connection."""
    verdicts: list[Verdict]
    statement, verdicts = advance(steps)
    while statement is not None:
        statement, verdicts = advance(steps, connection.execute(statement).all())
    return verdicts


def advance(steps: Generator[TextClause, Rows, Any], rows: Rows | None = None) -> Any:
    """The next statement and None; or None and what came of it all.

    >>> def asks():
    ...     rows = yield "SELECT 1"
    ...     return rows
    >>> asked = asks()
    >>> advance(asked), advance(asked, [1])
    (('SELECT 1', None), (None, [1]))
    """
    try:
        return (next(steps) if rows is None else steps.send(rows)), None
    except StopIteration as ended:
        return None, ended.value


def columns(addresses: Sequence[Address]) -> dict[str, list[Any]]:
    """What is asked, as columns of `geocode.match`."""
    levels = [address.levels for address in addresses]
    asked: dict[str, list[Any]] = {name: [each.get(name) for each in levels] for name in LADDER}
    asked["row_no"] = list(range(len(addresses)))
    asked["whole_text"] = [address.norm_text for address in addresses]
    asked["place_text"] = [
        join({name: word for name, word in each.items() if LADDER[name] <= 12}) for each in levels
    ]
    return asked


def _similar(addresses: Sequence[Address]) -> TextClause:
    different = {
        (LADDER[level], address.levels[level])
        for address in addresses
        for level in FORGIVEN
        if level in address.levels
    }
    asked = sorted(different)
    spoken = [pinyin.readings(name)[0] if _is_name(name) else "" for _, name in asked]
    return names.similar([level for level, _ in asked], [name for _, name in asked], spoken)


def _is_name(words: str) -> bool:
    return sum("一" <= char <= "鿿" for char in words) > 1


def _said(rows: Rows) -> dict[str, list[Any]]:
    return {
        "levels": [row.level for row in rows],
        "as": [row.said for row in rows],
        "names": [row.name for row in rows],
        "how": [row.how for row in rows],
    }


def candidate(asked: Address, row: Any) -> Candidate:
    """A found address as a candidate."""
    levels = asked.levels
    agreed = [*(row.agreed or ())]
    found = {"entrance_no": row.entrance, "floor_no": row.storey, "room_no": row.room}
    if row.room:
        found["floor_no"] = found["entrance_no"] = True
    agreed += [name for name, there in found.items() if there and name in levels]
    level = level_of(levels, agreed)
    missing = [name for name in levels if LADDER[name] > level and name not in agreed]
    return Candidate(
        id=row.id,
        text=row.text,
        level=level,
        score=row.score,
        object=(row.object_type, row.object_id) if row.object_type else None,
        building_id=row.building_id,
        unit_id=row.unit_id,
        lon=row.lon,
        lat=row.lat,
        spelling=row.spelling,
        differs=tuple(row.differs or ()),
        remainder=unanswered(asked, missing),
    )


def _place(asked: Address, row: Any) -> Candidate:
    """A place that is no address: sure of what it is, and that much less deep."""
    missing = [name for name in asked.levels if LADDER[name] > row.level]
    return Candidate(
        id=None,
        text=row.text,
        level=row.level,
        score=GOOD + 5,
        object=(row.object_type, row.object_id),
        lon=row.lon,
        lat=row.lat,
        remainder=unanswered(asked, missing),
    )


def _shortened(verdict: Verdict, each: int) -> Verdict:
    most = each - (verdict.match is not None)
    return Verdict(verdict.status, verdict.match, verdict.alternatives[:most], verdict.remainder)
