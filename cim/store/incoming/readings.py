"""Readings on their way in: streams found or made, days prepared, the latest value kept."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from cim.codes.persons import refused
from cim.codes.units import conversion
from cim.store.incoming import partitions
from cim.store.incoming.stage import ROWS, Counts, Stage
from cim.store.queries.incoming import readings as statements

AHEAD = 2
"""Days after today that have their partition ready."""


def settle(stage: Stage) -> None:
    """Find the stream of each reading; a stream that its device does not have yet is made."""
    stage.run(statements.streams(stage.types))
    _leave_out_persons(stage)
    stage.run(statements.FIND_DEVICES, source_id=stage.source_id)
    stage.set_aside(
        "s.device_ref IN (SELECT device_ref FROM stage_streams WHERE device_id IS NULL)",
        "device_ref",
        "no_device",
        value="s.device_ref",
    )
    stage.run(statements.MAKE_STREAMS)
    stage.run(statements.FIND_STREAMS)
    if stage.has("unit_ucum"):
        _convert(stage)
    if outside := stage.run(statements.OUT_OF_RANGE):
        stage.tallies["out_of_range"] = outside


def _leave_out_persons(stage: Stage) -> None:
    """Streams of who somebody is are dropped with their rows: not even set aside."""
    names = stage.connection.execute(statements.NAMES).scalars()
    if secret := [name for name in names if refused(name)]:
        stage.tallies["persons"] = stage.run(statements.DROP, names=secret)
        stage.run(statements.DROP_STREAMS, names=secret)


def _convert(stage: Stage) -> None:
    """Numbers in the units of their streams; those whose units measure something else stay out."""
    for given, wanted in stage.connection.execute(statements.UNITS).all():
        units = {"given": given, "wanted": wanted}
        line = conversion(given, wanted)
        if line is None:
            stage.set_aside(
                statements.IN_UNITS, "unit_ucum", "unlike_unit", value="s.unit_ucum", **units
            )
        elif line != (1.0, 0.0):
            stage.run(statements.CONVERT, scale=line[0], shift=line[1], **units)


def repeated(stage: Stage) -> None:
    """Several readings of one stream at one time are settled on entry: the last one holds."""


def enter(stage: Stage) -> Counts:
    """Into the partitions of their days; what is there already is updated, not doubled."""
    days = stage.connection.execute(statements.days(ROWS)).scalars().all()
    made = partitions.ensure(stage.connection, days, AHEAD)
    counts = Counts()
    total = stage.number(f"SELECT count(*) FROM {ROWS}")
    if set(days) <= set(made):
        counts.new = stage.run(statements.INSERT)
    else:
        there = stage.number(statements.THERE)
        counts.changed = stage.number(statements.DIFFERENT) if there else 0
        written = stage.run(statements.UPSERT)
        counts.new = written - counts.changed
        counts.unchanged = there - counts.changed
    repeats = total - counts.new - counts.changed - counts.unchanged
    if repeats:
        stage.tallies["repeated"] = repeats
    if counts.new or counts.changed:
        stage.run(statements.MARK)
    _tell_of_past(stage, days)
    stage.run(statements.LATEST)
    stage.run(statements.SEEN)
    return counts


def _tell_of_past(stage: Stage, days: Sequence[date]) -> None:
    """Say how many readings will stay as sums alone: the next turn of retention takes them away."""
    kept = timedelta(days=stage.number(statements.SHORTEST))
    if days and min(days) < datetime.now(UTC).date() - kept:
        past = stage.number(statements.PAST)
        if past:
            stage.tallies["past"] = past
