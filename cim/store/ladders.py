"""Addresses on their way in: what each is the address of, and the address above it.

Everything is found for the places and keys that a file names, each once, and joined to its rows
at the end, so that every row is written once, with all that is known of it.
"""

from typing import Any

from cim.addresses import Gazetteer
from cim.model.addresses import address_link
from cim.store import bulk
from cim.store.queries import ladders as statements
from cim.store.queries import linked
from cim.store.queries import links as references
from cim.store.queries import load as common
from cim.store.stage import FAULTS, ROWS, Counts, Stage

_COLUMNS = (*statements.PLACE, *statements.BELOW, "full_text", "norm_text", "level", "status",
            "admin_area_id")  # fmt: skip
"""What every file of addresses writes."""

_REFERENCES = (
    ("building_ref", "city.building", "stage_building_keys", "no_building", "ambiguous_building"),
    ("unit_ref", "city.unit", "stage_unit_keys", "no_unit", "ambiguous_unit"),
)


def gazetteer(stage: Stage) -> Gazetteer:
    """The names of towns, villages, roads and estates that the city knows."""
    found = stage.connection.execute(common.bound(statements.NAMES))
    return Gazetteer((level, name, parent) for level, name, parent in found)


def settle(stage: Stage) -> None:
    """The places and keys of the file; rows whose key nobody has are set aside."""
    _make(stage, "stage_places", statements.places(ROWS))
    for reference, table, name, unknown, several in _REFERENCES:
        if not stage.has(reference):
            continue
        key = {"source_id": stage.source_id}
        _make(stage, name, references.keys(name, ROWS, reference, table), **key)
        for condition, reason in (("id = -1", several), ("id IS NULL", unknown)):
            if stage.number(f"SELECT count(*) FROM {name} WHERE {condition}"):
                stage.set_aside(
                    f"s.{reference} IN (SELECT ref FROM {name} WHERE {condition})",
                    reference,
                    reason,
                    value=f"s.{reference}",
                )


def _make(stage: Stage, name: str, sql: str, **parameters: Any) -> None:
    """Run a statement that makes a temporary table, and let the planner know its size."""
    stage.run(sql, **parameters)
    stage.run(common.COARSE)
    stage.run(f"ANALYZE {name}")
    stage.run(common.USUAL)


def enter(stage: Stage) -> Counts:
    """Into the table, with the buildings' addresses that rooms need, and linked."""
    key = {"source_id": stage.source_id}
    again = bool(stage.number(common.knows_source(stage.table), **key))
    _meet(stage)
    if again:
        stage.run(statements.adopt(ROWS), **key)
    _make(stage, "stage_known", statements.known(ROWS, again), **(key if again else {}))
    unlinked = stage.number(
        "SELECT count(*) FROM stage_known "
        "WHERE level >= 9 AND building_id IS NULL AND estate_id IS NULL"
    )
    if unlinked:
        stage.tallies["unlinked"] = unlinked
    counts = _write(stage, again)
    _link(stage, again)
    return counts


def _meet(stage: Stage) -> None:
    """What each row is the address of: by code, by the ladder, else by place."""
    coded = [ref for ref, *_ in _REFERENCES if stage.has(ref)]
    without = " AND ".join(f"{ref} IS NULL" for ref in coded) or "true"
    if stage.number(f"SELECT count(*) FROM (SELECT FROM {ROWS} WHERE {without} LIMIT 1) x"):
        stage.run(statements.TOWNS_WITHOUT_WORD)
        stage.run(statements.BUILDINGS_OF_ADDRESSES)
        stage.run(statements.BUILDINGS_OF_ESTATES)
        stage.run(statements.ESTATES)
    if stage.geometry:
        _make(stage, "stage_points", linked.points(ROWS, stage.types))
        unsure = stage.number("SELECT count(*) FROM stage_points WHERE unsure")
        if unsure:
            stage.tallies["unsure_place"] = unsure
    _make(stage, "stage_met", statements.met(ROWS, stage.types))
    _make(stage, "stage_doors", statements.DOORS)
    _make(stage, "stage_rooms", statements.ROOMS)


def _write(stage: Stage, again: bool) -> Counts:
    """New rows in, changed ones updated, and all rooms hung on the addresses of their buildings."""
    given = [name for name in ("std_code", "position_quality", "attrs", "geom") if stage.has(name)]
    names = [*_COLUMNS, *given]
    entered = statements.entry(ROWS, names)
    key = {"source_id": stage.source_id}
    feed = {"object_type": stage.object_type, "import_id": stage.import_id}
    counts = Counts()
    total = stage.number("SELECT count(*) FROM stage_known")
    if again:
        table, kept = stage.table, stage.kept()
        counts.changed = stage.run(common.changed_rows(entered, table, names, kept), **key)
        if counts.changed:
            stage.run(common.update_changed(entered, table, names, kept))
            stage.run(common.RECORD_CHANGED, **feed)
        missing = common.missing(ROWS, FAULTS, table)
        sql = f"SELECT count(*) FROM {table.fullname} t WHERE {missing}"
        counts.missing = stage.number(sql, **key)
        if stage.full:
            counts.ended = stage.run(common.end_missing(ROWS, FAULTS, table), **key, **feed)
    _make(stage, "stage_above", statements.ABOVE)
    with bulk.indexes_after(stage):
        stage.run(statements.PARENTS, **key)
        counts.new = stage.run(statements.insert(entered, names), **key)
    stage.run(statements.RECORD, **feed)
    if again:
        stage.run(statements.HANG)
        stage.run(statements.END_EMPTY, **key)
    counts.unchanged = total - counts.new - counts.changed
    return counts


def _link(stage: Stage, again: bool) -> None:
    _make(stage, "stage_meant", linked.MEANT)
    if again:
        stage.run(linked.UNLINK)
        stage.run(linked.STANDING)
        stage.run("ANALYZE stage_meant")
    with bulk.indexes_after(stage, address_link):
        stage.run(linked.LINK)
    if stage.number("SELECT count(*) FROM (SELECT FROM stage_meant WHERE kept LIMIT 1) x"):
        stage.run(linked.LINK_AGAIN)
