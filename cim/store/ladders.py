"""Addresses on their way in: what each is the address of, and the address above it.

Everything is found for the places and keys that a file names, each once, and joined to its rows
at the end, so that every row is written once, with all that is known of it.
"""

from typing import Any

from cim.addresses import Gazetteer
from cim.model.addresses import address_link
from cim.store import bulk
from cim.store.queries import following, linked
from cim.store.queries import ladders as statements
from cim.store.queries import links as references
from cim.store.queries import load as common
from cim.store.stage import FAULTS, ROWS, Counts, Stage

_COLUMNS = (*statements.PLACE, *statements.BELOW, "full_text", "norm_text", "level", "status",
            "admin_area_id")  # fmt: skip
"""What every file of addresses writes."""

_REFERENCES = {
    "building_ref": ("city.building", "no_building", "ambiguous_building"),
    "unit_ref": ("city.unit", "no_unit", "ambiguous_unit"),
}
"""By reference: the table, and why a row is set aside whose key nobody has, or several."""


def gazetteer(stage: Stage) -> Gazetteer:
    """The names of towns, villages, roads and estates that the city knows."""
    found = stage.connection.execute(common.bound(statements.NAMES))
    return Gazetteer((level, name, parent) for level, name, parent in found)


def follow(stage: Stage, last: int) -> None:
    """What can be said of rows while others are being read: their places, and what they are of.

    `last` is the number of the last row that was staged.  Rows that name a key, of a source that
    comes for the first time, need nothing but themselves; all others wait for the whole file.
    """
    if stage.followed is None:
        stage.followed = (0, 0, 0)
        for name, types in _FILLED.items():
            stage.run(common.create_stage(name, types))
    block, row, rows = stage.followed
    if stage.rows - rows < (1 if last == _END else MANY):
        return
    since = {"block": f"({block},0)", "row": row}
    batch = following.staged_from(ROWS)
    stage.run(statements.places(batch), **since)
    key = {"source_id": stage.source_id}
    refs = _staged_references(stage)
    if refs and not stage.geometry and not stage.number(common.knows_source(stage.table), **key):
        name = "stage_batch"
        keys = {ref: references.keys(name, ref, _REFERENCES[ref][0]) for ref in refs}
        of = following.coded(batch, refs)
        sql = following.known_by_code(name, of, keys, stage.types)
        feed = {"object_type": stage.object_type, "import_id": stage.import_id}
        stage.run(sql, **key, **since, **feed)
    stage.followed = (max(stage.number(following.BLOCKS) - 1, 0), last, stage.rows)


MANY = 50_000
"""Rows that are looked at together: tables that are read as a whole for them are read seldom."""

_END = 1 << 62
"""Beyond the last row of any file."""

_FILLED = {
    "stage_places": statements.PLACES,
    "stage_known": statements.KNOWN,
    "stage_lost": following.LOST,
}
"""Temporary tables that are filled batch by batch."""


def _staged_references(stage: Stage) -> list[str]:
    return [ref for ref in _REFERENCES if stage.has(ref)]


def settle(stage: Stage) -> None:
    """The keys of the file that are still to be found; rows whose key nobody has are set aside."""
    follow(stage, _END)
    for name in ("stage_places", "stage_known"):
        _analyse(stage, name)
    rest = following.not_known(ROWS) if _waiting(stage) else None
    for ref in _staged_references(stage):
        table, unknown, several = _REFERENCES[ref]
        if rest:
            found = references.keys(rest, ref, table)
            _make(stage, following.keys_of(ref), found, source_id=stage.source_id)
            stage.run(following.lose(ref))
        for condition, reason in (("id = -1", several), ("id IS NULL", unknown)):
            lost = f"SELECT ref FROM stage_lost WHERE field = '{ref}' AND {condition}"
            if stage.number(f"SELECT count(*) FROM ({lost}) x"):
                stage.set_aside(f"s.{ref} IN ({lost})", ref, reason, value=f"s.{ref}")


def _waiting(stage: Stage) -> bool:
    """Whether there are rows of which nothing is known yet."""
    known, staged = (f"SELECT count(*) FROM {name}" for name in ("stage_known", ROWS))
    return stage.number(known) < stage.number(staged)


def _make(stage: Stage, name: str, sql: str, **parameters: Any) -> None:
    """Keep what a query gives as a temporary table, and let the planner know its size."""
    stage.run(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {sql}", **parameters)
    _analyse(stage, name)


def _analyse(stage: Stage, name: str) -> None:
    stage.run(common.COARSE)
    stage.run(f"ANALYZE {name}")
    stage.run(common.USUAL)


def enter(stage: Stage) -> Counts:
    """Into the table, with the buildings' addresses that rooms need, and linked."""
    key = {"source_id": stage.source_id}
    feed = {"object_type": stage.object_type, "import_id": stage.import_id}
    again = bool(stage.number(common.knows_source(stage.table), **key))
    if stage.number(f"SELECT count(*) FROM (SELECT FROM {FAULTS} LIMIT 1) x"):
        stage.run(following.LEAVE, **feed)
    if _waiting(stage):
        _meet(stage, following.not_known(ROWS))
        if again:
            stage.run(statements.adopt(ROWS), **key)
        stage.run(statements.known(ROWS, again), **(key if again else {}))
        _analyse(stage, "stage_known")
    unlinked = stage.number(
        "SELECT count(*) FROM stage_known "
        "WHERE level >= 9 AND building_id IS NULL AND estate_id IS NULL"
    )
    if unlinked:
        stage.tallies["unlinked"] = unlinked
    counts = _write(stage, again)
    _link(stage, again)
    return counts


def _meet(stage: Stage, rows: str) -> None:
    """What each of the rows is the address of: by code, by the ladder, else by place."""
    coded = _staged_references(stage)
    without = " AND ".join(f"{ref} IS NULL" for ref in coded) or "true"
    if stage.number(f"SELECT count(*) FROM (SELECT FROM {ROWS} WHERE {without} LIMIT 1) x"):
        stage.run(statements.TOWNS_WITHOUT_WORD)
        stage.run(statements.BUILDINGS_OF_ADDRESSES)
        stage.run(statements.BUILDINGS_OF_ESTATES)
        stage.run(statements.ESTATES)
    if stage.geometry:
        _make(stage, "stage_points", linked.points(rows, stage.types))
        unsure = stage.number("SELECT count(*) FROM stage_points WHERE unsure")
        if unsure:
            stage.tallies["unsure_place"] = unsure
    _make(stage, "stage_met", statements.met(rows, stage.types))
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
