"""Addresses on their way in: what each is the address of, and the address above it.

Everything is found for the places and keys that a file names, each once, and joined to its rows
at the end, so that every row is written once, with all that is known of it.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from cim.addresses import Gazetteer
from cim.model.addresses import address_link
from cim.store.incoming import bulk, names
from cim.store.incoming.stage import FAULTS, ROWS, Counts, Stage
from cim.store.queries import names as called
from cim.store.queries.incoming import following, linked
from cim.store.queries.incoming import ladders as statements
from cim.store.queries.incoming import links as references
from cim.store.queries.incoming import load as common

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


@dataclass
class Followed:
    """How far rows were looked at as they came.

    `row` is the number of the last of them, `rows` how many there were; in `block` of the staging
    table further ones begin.  `looked` counts those of which
    everything is known.  `again` says that the source had come before, `direct` that rows are
    written as they come, and `after` holds what is to be done with the tables once all are.
    """

    again: bool
    block: int = 0
    row: int = 0
    rows: int = 0
    looked: int = 0
    direct: bool = False
    after: ExitStack = field(default_factory=ExitStack)


def follow(stage: Stage, last: int) -> None:
    """What can be said of rows while others are being read: their places, and what they are of.

    `last` is the number of the last row that was staged.  Rows that name a key, of a source that
    comes for the first time, need nothing but themselves, and are written where the city has few
    addresses yet; all others wait for the whole file.
    """
    if stage.followed is None:
        for name, types in _FILLED.items():
            stage.run(common.create_stage(name, types))
        again = stage.number(common.knows_source(stage.table), source_id=stage.source_id)
        stage.followed = Followed(bool(again))
    now: Followed = stage.followed
    new = stage.rows - now.rows
    if new < (1 if last == _END else EACH):
        return
    refs = _staged_references(stage)
    coded = bool(refs) and not stage.geometry and not now.again
    if coded and not now.direct and not now.looked:
        _prepare(stage, now)
    if not now.direct and new < MANY and last != _END:
        return
    since = {"block": f"({now.block},0)", "row": now.row}
    batch = following.staged_from(ROWS)
    finding = following.few_keys if now.direct else references.keys
    keys = {ref: finding("stage_batch", ref, _REFERENCES[ref][0]) for ref in refs}
    key = {"source_id": stage.source_id}
    if now.direct:
        sql = following.written_by_code(batch, keys, _names(stage))
        now.looked += stage.run(sql, **since, **key)
    else:
        stage.run(statements.places(batch), **since)
        if coded:
            of = following.coded(batch, refs)
            sql = following.known_by_code("stage_batch", of, keys, stage.types)
            now.looked += stage.run(sql, **since, **key)
    now.block, now.row = max(stage.number(following.BLOCKS) - 1, 0), last
    now.rows = stage.rows


def _prepare(stage: Stage, now: Followed) -> None:
    """Find out whether rows are written as they come, and make ready for it.

    They are where the table's indexes can be made after them: so keys may be doubled meanwhile.
    """
    stage.run(common.PLANNED_ANEW)
    now.direct = now.after.enter_context(bulk.indexes_after(stage))
    if not now.direct:
        now.after.close()
        return
    now.after.enter_context(bulk.indexes_after(stage, address_link))
    stage.run(common.create_stage("stage_homes", following.HOMES))
    stage.run(following.HOMES_THERE)
    stage.run(following.HOMES_BY_TEXT)
    _make(stage, "stage_towns", following.TOWNS)
    _make(stage, "stage_others", linked.OTHERS)
    for ref in _staged_references(stage):
        _make(stage, following.sources_of(ref), following.sources(_REFERENCES[ref][0]))
    for setting in common.HASHED:
        stage.run(setting)


MANY = 50_000
"""Rows that are looked at together: tables that are read as a whole for them are read seldom."""

EACH = 15_000
"""Rows that are written together, of which no table is read as a whole: the database should have
something to do while the next are being parsed, and those are a few batches at most."""

_END = 1 << 62
"""Beyond the last row of any file."""

_FILLED = {
    "stage_places": statements.PLACES,
    "stage_known": statements.KNOWN,
    "stage_lost": following.LOST,
}
"""Temporary tables that are filled batch by batch."""


def _names(stage: Stage) -> list[str]:
    """The columns of the table that are written."""
    given = ("std_code", "position_quality", "attrs", "geom")
    return [*_COLUMNS, *(name for name in given if stage.has(name))]


def _staged_references(stage: Stage) -> list[str]:
    return [ref for ref in _REFERENCES if stage.has(ref)]


def settle(stage: Stage) -> None:
    """The keys of the file that are still to be found; rows whose key nobody has are set aside."""
    follow(stage, _END)
    for setting in common.SORTED:
        stage.run(setting)
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
    if stage.followed.looked == stage.rows:
        return False
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
    now: Followed = stage.followed
    gone, bare = 0, False
    if stage.number(f"SELECT count(*) FROM (SELECT FROM {FAULTS} LIMIT 1) x"):
        gone, bare = _leave(stage)
    rest = _waiting(stage)
    if rest:
        _meet(stage, following.not_known(ROWS))
        if now.again:
            stage.run(statements.adopt(ROWS), **key)
        stage.run(statements.known(ROWS, now.again), **(key if now.again else {}))
        _analyse(stage, "stage_known")
    if not now.direct or rest:
        unlinked = stage.number(
            "SELECT count(*) FROM stage_known "
            "WHERE level >= 9 AND building_id IS NULL AND estate_id IS NULL"
        )
        if unlinked:
            stage.tallies["unlinked"] = unlinked
    if now.direct:
        new = _complete(stage, whole=not rest and not bare)
        _link_rest(stage, some=bool(rest))
        now.after.close()
        _keep_names(stage)
        return Counts(new=now.looked - gone + new)
    counts = _write(stage, now.again)
    _link(stage, now.again)
    _keep_names(stage)
    return counts


def _keep_names(stage: Stage) -> None:
    """Keep the names that the file's places are made of, so that people find them as they type."""
    stage.run(called.keep("stage_places"))
    names.read(stage.connection)


def _leave(stage: Stage) -> tuple[int, bool]:
    """Rows that were set aside after they were looked at go again.

    How many of them there are, and whether others may have hung on them.
    """
    stage.run(common.create_stage("stage_gone", {"address_id": "int8", "written": "bool"}))
    gone = stage.run(following.LEAVE_STAGE)
    bare = False
    if gone:
        _analyse(stage, "stage_gone")
    if gone and stage.followed.direct:
        bare = bool(stage.number(following.HOMES_GONE))
        if bare:
            stage.run(following.LEAVE_HOMES)
        for statement in following.LEAVE_TABLES:
            stage.run(statement)
    return gone, bare


def _complete(stage: Stage, *, whole: bool) -> int:
    """What is still to be written, where rows were written as they came; how many rows that is.

    `whole` says that all were, and that none of them was set aside later on which others hung.
    """
    _make(stage, "stage_above", statements.ABOVE_FREE if whole else statements.above(homes=True))
    stage.run(statements.PARENTS, source_id=stage.source_id)
    if whole:
        return 0
    names = _names(stage)
    sql = statements.insert(statements.entry(ROWS, names), names)
    new = stage.run(sql, source_id=stage.source_id)
    stage.run(statements.HANG)
    return new


def _link_rest(stage: Stage, *, some: bool) -> None:
    """Links of `some` rows that were not written as they came, and of what was made for rooms.

    Things that have several addresses are told apart.
    """
    if some or stage.number("SELECT count(*) FROM stage_above"):
        rest = f"SELECT * FROM ({linked.meant('NOT k.written')}) m WHERE NOT m.kept"
        stage.run(linked.link(rest))
    stage.run(common.NEVER_GROUPED_BY_HASH)
    _make(stage, "stage_several", linked.SEVERAL)
    stage.run(common.GROUPED_AS_USUAL)
    if stage.number("SELECT count(*) FROM (SELECT FROM stage_several LIMIT 1) x"):
        _make(stage, "stage_meant", linked.MEANT_WITH_OTHERS)
        stage.run(linked.TELL_APART)
        stage.run(linked.LINK_AGAIN)


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
    names = _names(stage)
    entered = statements.entry(ROWS, names)
    key = {"source_id": stage.source_id}
    counts = Counts()
    total = stage.number("SELECT count(*) FROM stage_known")
    if again:
        table, kept = stage.table, stage.kept()
        counts.changed = stage.run(common.changed_rows(entered, table, names, kept), **key)
        if counts.changed:
            stage.run(common.update_changed(entered, table, names, kept))
        missing = common.missing(ROWS, FAULTS, table)
        sql = f"SELECT count(*) FROM {table.fullname} t WHERE {missing}"
        counts.missing = stage.number(sql, **key)
        if stage.full:
            counts.ended = stage.run(common.end_missing(ROWS, FAULTS, table), **key)
    _make(stage, "stage_above", statements.above())
    with bulk.indexes_after(stage):
        stage.run(statements.PARENTS, **key)
        counts.new = stage.run(statements.insert(entered, names), **key)
    if again:
        stage.run(statements.HANG)
        stage.run(statements.END_EMPTY, **key)
    counts.unchanged = total - counts.new - counts.changed
    return counts


def _link(stage: Stage, again: bool) -> None:
    _make(stage, "stage_meant", linked.meant())
    if again:
        stage.run(linked.UNLINK)
        stage.run(linked.STANDING)
        stage.run("ANALYZE stage_meant")
    with bulk.indexes_after(stage, address_link):
        stage.run(linked.LINK)
    if stage.number("SELECT count(*) FROM (SELECT FROM stage_meant WHERE kept LIMIT 1) x"):
        stage.run(linked.LINK_AGAIN)
