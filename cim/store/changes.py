"""The change feed, read a page at a time: what changed, in the order of transactions.

Reading is written once, as steps that yield statements and take their rows: `run` takes them on a
connection, the API awaits them on its own.  A position is where a reader stands; nothing that is
told later ever stands before it.
"""

import re
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Executable

from cim.errors import Gone, InvalidQuery, StoreError
from cim.store.queries import changes as queries
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.items import Sight

TYPES: Final[Mapping[str, str]] = {
    "admin_area": "areas",
    "grid": "grids",
    "estate": "estates",
    "street": "streets",
    "parcel": "parcels",
    "building": "buildings",
    "storey": "storeys",
    "unit": "units",
    "entrance": "entrances",
    "address": "addresses",
    "facility": "facilities",
    "project": "projects",
    "device": "devices",
    "organisation": "organisations",
}
"""The collection of each type of the feed."""

SHAPES: Final[Mapping[str, tuple[str, ...]]] = {
    "storeys": ("plan_id",),
    "units": ("slot_id", "outline"),
    "organisations": ("geom",),
    "buildings": ("footprint", "solid"),
}
"""Columns by which the geometry changes, beside those that it is made of."""

KINDS: Final = {"insert": "created", "update": "changed", "end": "ended", "delete": "ended"}
SCANNED: Final = 2_000
"""Entries that are looked through for one page, where few of them are asked for."""

LATEST: Final = "latest"
"""The position behind all that can be read."""

Steps = Generator[Executable, Sequence[Any], "Page"]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, order=True)
class Place:
    """A place in the feed: transaction, entry, and within a run of objects the last of them."""

    transaction: int = 0
    entry: int = 0
    object: int = 0


@dataclass(frozen=True)
class Change:
    """One object that changed; `id` is None where a whole collection was emptied."""

    position: str
    collection: str
    id: int | None
    kind: str
    """created, changed, ended; reset of a whole collection."""

    fields: tuple[str, ...] | None
    """Properties that are others now, and `geometry`; None where it is not known, or all are."""

    at: datetime
    transaction: int
    source: str | None
    import_id: int | None
    bbox: Box | None
    """Where it was and is, degrees."""


@dataclass(frozen=True)
class Page:
    """Some changes, and the position behind them."""

    changes: list[Change]
    next: str
    more: bool
    """Whether there is more to read at once."""


@dataclass(frozen=True)
class Ask:
    """What is asked of the feed."""

    after: str | None = None
    """A position; None is the beginning of what is kept."""

    limit: int = 100
    collections: frozenset[str] | None = None
    bbox: Box | None = None
    sight: Sight = field(default=())


def run(connection: Connection, steps: Steps) -> Page:
    """Take the steps on a connection."""
    try:
        statement = next(steps)
        while True:
            statement = steps.send(connection.execute(statement).all())
    except StopIteration as done:
        page: Page = done.value
        return page


def read(ask: Ask) -> Steps:
    """One page of the feed.

    InvalidQuery where `after` is none, Gone where it is of another feed or of what is not kept any
    more; StoreError where the database was restored and not brought up.
    """
    span = (yield queries.SPAN)[0]
    if not span.same:
        raise StoreError(
            "the database comes from another server: run `cim db init`, so that its change feed "
            "is counted anew",
            "数据库来自另一台服务器:请运行 cim db init,使变更记录重新编号",
        )
    feed = Feed(span.generation, int(span.begins), int(span.horizon))
    after = feed.place(ask.after)
    if ask.after == LATEST:
        return Page([], feed.name(after), more=False)
    most = ask.limit + 1 if ask.collections is None and ask.bbox is None else SCANNED
    entries = yield queries.entries(str(after.transaction), after.entry, span.horizon, most)
    found: list[Found] = []
    here = after
    for entry in entries:
        here = yield from _open(entry, here, ask, found)
        if here.object or len(found) >= ask.limit:
            break
    else:
        if len(entries) < most:
            here = max(here, Place(feed.horizon))
    changes = yield from _tell(found, ask, feed)
    return Page(changes, feed.name(here), more=here < Place(feed.horizon))


@dataclass(frozen=True)
class Feed:
    """Which feed it is, and from where to where it can be read now."""

    generation: str
    begins: int
    horizon: int

    def name(self, place: Place) -> str:
        """A place as callers keep it."""
        return f"{self.generation}.{place.transaction}.{place.entry}.{place.object}"

    def place(self, position: str | None) -> Place:
        """The place that a position means."""
        if position is None:
            return Place(self.begins)
        if position == LATEST:
            return Place(self.horizon)
        if not re.fullmatch(r"[0-9a-f]{8}(\.\d{1,19}){3}", position, re.ASCII):
            raise InvalidQuery(
                "after must be a position out of an answer of this feed, or `latest`.",
                "after 必须为变更记录返回的位置，或 latest。",
            )
        generation, *numbers = position.split(".")
        place = Place(*map(int, numbers))
        if generation != self.generation or place < Place(self.begins):
            raise Gone(
                "What changed since then is not kept any more. Take the position of "
                "/changes?after=latest, read the collections anew, and go on from there.",
                "该位置之后的变更记录已不再保留。请先取 /changes?after=latest 的位置，"
                "重新读取各数据集，再从该位置继续。",
            )
        if max(place.transaction, place.entry, place.object) >= 2**63:
            raise InvalidQuery("after is no position of this feed.", "after 不是有效位置。")
        return place


@dataclass(frozen=True)
class Found:
    """An object of an entry."""

    entry: Any
    place: Place
    id: int | None

    @property
    def collection(self) -> str:
        """The collection it is of."""
        return TYPES[self.entry.object_type]


def _open(
    entry: Any, after: Place, ask: Ask, found: list[Found]
) -> Generator[Executable, Sequence[Any], Place]:
    """What an entry is of, as far as there is room; the place behind what was taken of it."""
    here = Place(int(entry.transaction), entry.id)
    inside = after.object if replace(after, object=0) == here else 0
    if here == after or not _asked(entry, ask):
        return here
    if entry.until_id is None:
        found.append(Found(entry, here, None if entry.op == "truncate" else entry.object_id))
        return here
    room = ask.limit - len(found)
    span = max(inside, entry.object_id - 1), entry.until_id
    ids = yield queries.of_run(entry.object_type, entry.op, entry.at, span, room)
    places = (Place(here.transaction, here.entry, row.id) for row in ids)
    found += [Found(entry, place, place.object) for place in places]
    return found[-1].place if ids and len(ids) == room else here


def _asked(entry: Any, ask: Ask) -> bool:
    collection = TYPES.get(entry.object_type)
    if collection is None:
        return False
    return ask.collections is None or collection in ask.collections


def _tell(
    found: Sequence[Found], ask: Ask, feed: Feed
) -> Generator[Executable, Sequence[Any], list[Change]]:
    """The changes as this caller may know them."""
    things = yield from _things(found)
    sources = {row.id: row.name for row in (yield queries.SOURCES)} if found else {}
    brought = {one.entry.import_id for one in found if one.entry.import_id is not None}
    of_import = {}
    if brought:
        of_import = {row.id: row.source_id for row in (yield queries.of_imports(sorted(brought)))}
    told = []
    for one in found:
        thing = things.get((one.collection, one.id))
        kind = _seen(one, thing, ask.sight)
        if kind is None:
            continue
        hidden = kind == "ended" and one.entry.op == "update"
        bbox = None if hidden else _box(one.entry, thing)
        if ask.bbox is not None and (bbox is None or not _meet(bbox, ask.bbox)):
            continue
        source = of_import.get(one.entry.import_id, one.entry.source_id)
        source = source or getattr(thing, "source_id", None)
        told.append(
            Change(
                feed.name(one.place),
                one.collection,
                one.id,
                kind,
                _fields(one) if kind == "changed" else None,
                one.entry.at,
                one.place.transaction,
                sources.get(source),
                one.entry.import_id,
                bbox,
            )
        )
    return told


def _things(
    found: Sequence[Found],
) -> Generator[Executable, Sequence[Any], dict[tuple[str, int | None], Any]]:
    """What is known now of the objects that were found, by collection and id."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for one in found:
        if one.id is not None:
            wanted[one.collection].add(one.id)
    things = {}
    for name, ids in wanted.items():
        kind = next(kind for kind, collection in TYPES.items() if collection == name)
        statement = queries.look(COLLECTIONS[name], queries.TABLES[kind], sorted(ids))
        for row in (yield statement):
            things[name, row.id] = row
    return things


def _seen(one: Found, thing: Any, sight: Sight) -> str | None:
    """What kind of change it is to this caller; None where it is none of theirs."""
    entry = one.entry
    if entry.op == "truncate":
        return "reset"
    changed = entry.fields or ()
    kind = "created" if "ended_at" in changed else KINDS[entry.op]
    if COLLECTIONS[one.collection].secrecy is not None:
        if thing is None:
            return None

        def cleared(level: int) -> bool:
            return level == 0 or any(
                level <= most
                and (place is None or thing.area in place[0] or thing.grid in place[1])
                for most, place in sight
            )

        now = cleared(thing.secrecy)
        if "secrecy" in changed and entry.was_secret is not None:
            before = cleared(entry.was_secret)
            if before and not now:
                return "ended"
            if now and not before:
                return "created" if kind == "changed" else kind
        if not now:
            return None
    return None if kind == "changed" and _fields(one) == () else kind


def _fields(one: Found) -> tuple[str, ...] | None:
    """The properties that changed; those that nobody is shown are left out."""
    if one.entry.fields is None:
        return None
    known = _properties(one.collection)
    return tuple(dict.fromkeys(name for each in one.entry.fields for name in known.get(each, ())))


@cache
def _properties(collection: str) -> dict[str, list[str]]:
    """Columns of a collection's table → the properties that are made of them."""
    here = COLLECTIONS[collection]
    table = queries.TABLES[next(kind for kind, name in TYPES.items() if name == collection)]
    found: dict[str, list[str]] = defaultdict(list)
    for name, each in here.properties.items():
        if name not in ("updated_at", "last_seen"):
            for column in queries.columns_of(each.expression, table):
                found[column].append(name)
    for column in (*queries.columns_of(here.geometry, table), *SHAPES.get(collection, ())):
        if "geometry" not in found[column]:
            found[column].append("geometry")
    if collection == "organisations":  # where it is, is told as columns of its own
        found["building_id"], found["unit_id"] = ["building_id"], ["unit_id"]
    return dict(found)


def _box(entry: Any, thing: Any) -> Box | None:
    """Where it was and is; what has no place of its own is where its building is."""
    for row in (entry, thing):
        edges = _edges(row)
        if edges is not None and None not in edges:
            west, south, east, north = (round(edge, 7) for edge in edges)
            return west, south, east, north
    return None


def _edges(row: Any) -> Iterable[Any] | None:
    if row is None:
        return None
    names = ("w", "s", "e", "n") if hasattr(row, "w") else ("west", "south", "east", "north")
    return [getattr(row, name) for name in names]


def _meet(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def trim(connection: Connection, before: datetime) -> int:
    """Take away what was told before a time, whole transactions; how many entries that was.

    Readers who stand before what is left are told so (Gone).
    """
    bound = connection.execute(queries.UP_TO, {"before": before}).scalar_one()
    return int(connection.execute(queries.TRIM, {"xid": bound}).scalar_one())


def bring_up(connection: Connection) -> None:
    """Have a restored database's feed counted anew."""
    connection.execute(queries.BRING_UP)
