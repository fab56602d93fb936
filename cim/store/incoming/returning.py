"""Rows that come back from the quarantine, in the staging table: known again by where they were
set aside, and kept together with the rows that share their key."""

from collections.abc import Sequence
from typing import Any

from cim.store.copy import columns
from cim.store.incoming.stage import FAULTS, ROWS, Stage
from cim.store.queries.incoming import load
from cim.store.queries.incoming import returning as statements

MOST = 10
"""Rows set aside that a report names one by one."""


def recognise(stage: Stage, kind: str, where: dict[str, list[Any]], *, by_place: bool) -> None:
    """Say of each staged row of a mended file which row it was when it was set aside.

    `where` holds the columns row_no, file and origin.  Rows that are known `by_place` keep the key
    that they had: the place may be what was mended.
    """
    key = {"kind": kind, "source_id": stage.source_id}
    stage.run(load.create_stage("stage_origins", statements.ORIGINS))
    columns.write(stage.connection, "stage_origins", where, statements.ORIGINS)
    stage.run(statements.LATEST, **key)
    if not by_place:
        return
    stage.run(statements.keep_keys(ROWS))
    stage.run(statements.keep_keys(FAULTS))
    feed = {"object_type": stage.object_type}
    stage.run(statements.tell_apart(ROWS, stage.table), **key, **feed)


def together(stage: Stage, kind: str, *, kept: bool, mended: bool) -> None:
    """Rows of one key come in together or not at all; `kept` says that keys are the source's."""
    if mended and kept:
        again = statements.still_repeated(stage.table)
        key = {"kind": kind, "source_id": stage.source_id}
        stage.set_aside(again, "ext_id", "duplicate", value="s.ext_id", **key)
    if kept and stage.number(f"SELECT count(*) FROM {FAULTS}"):
        stage.set_aside(statements.COMPANIONS, "ext_id", "companion", value="s.ext_id")


def first(stage: Stage, *, personal: bool) -> list[Sequence[Any]]:
    """The first rows set aside: row, field, value, reason; of personal data no value."""
    found = stage.connection.execute(load.bound(statements.FIRST), {"most": MOST}).all()
    return [(row.row_no, row.field, None if personal else row.value, row.reason) for row in found]


def number_repeats(stage: Stage) -> None:
    """Several rows at one place, those set aside among them, get keys of their own."""
    stage.run(statements.number_repeats(ROWS, FAULTS))


def clear(stage: Stage, **key: Any) -> int:
    """Close what came back, whether it came in or is set aside anew; how many rows that were."""
    return stage.run(statements.CLEAR, **key)


def supersede(stage: Stage, *, whole: bool, **key: Any) -> None:
    """Close what waited under the keys of this file, which says what holds of them now.

    Of a `whole` file also what waited of it without a key.
    """
    stage.run(statements.WHOLE)
    stage.run(statements.SUPERSEDE, **key, whole=whole)
    stage.run(statements.USUAL)
