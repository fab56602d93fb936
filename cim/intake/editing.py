"""One object changed by hand: on the road of a file that has one row.

What a file of its kind must pass, a feature passes: fields, codes, places, shapes mended or not.
It comes in as a row of the source that the object is from, so that later files of that source know
it; what the row's kind keeps and a feature does not say stays.  What cannot come in is refused and
named, and kept nowhere.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson
import shapely
from sqlalchemy import Connection, Row

from cim.errors import Conflict, InvalidQuery, NotFound, SourceError
from cim.intake.edits import EDITED, LINKS, Edit, check, fields, wrong
from cim.load import pipeline
from cim.load.kind import Kind
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.load.rows import REASONS
from cim.settings import Settings
from cim.store.incoming import merge
from cim.store.incoming.stage import ROWS, Stage
from cim.store.queries import editing as statements
from cim.store.queries.changes import TABLES

SOURCE: Final = "service"
"""The source of what is made here."""

BOUND: Final = ("building", "entrance", "storey", "unit", "estate", "facility", "project")
"""What a device can be bound to."""

ALONE: Final = ("organisations", "facilities", "devices")
"""Collections of which a feature says nothing of the tables beside theirs: these stay."""


@dataclass(frozen=True)
class Line:
    """One row as a file would have it."""

    values: dict[str, Any]
    links: dict[str, Any] = field(default_factory=dict)
    shape: bytes | None = None


def locked(connection: Connection, collection: str, key: int) -> Row[Any]:
    """The row of an object, kept from others until the transaction ends; else NotFound."""
    for setting in statements.PATIENCE:
        connection.exec_driver_sql(setting)
    found = connection.execute(statements.locked(TABLES[EDITED[collection]], key)).one_or_none()
    if found is None or found.ended_at is not None:
        raise NotFound("No feature goes by that id.", "没有该标识的要素。")
    return found


def write(connection: Connection, settings: Settings, edit: Edit, now: Row[Any] | None) -> int:
    """Bring an object in as it is wished; its id.  `now` is its row as `locked` gave it.

    InvalidQuery names the property that is wrong; Conflict where a load of the kind is under way.
    Nothing is committed here.
    """
    name = edit.collection.name
    check(edit)
    source, ext_id = _identity(connection, name, now)
    row = _row(connection, edit, now)
    kind = _kind(connection, name, row.links)
    if not connection.execute(statements.take_turn(kind.name)).scalar_one():
        raise Conflict(
            "A file of this kind is being loaded; try again when it is through.",
            "正在载入同类数据，请待其完成后重试。",
        )
    report = _load(connection, settings, kind, row, source, ext_id)
    table = TABLES[EDITED[name]]
    made = connection.execute(statements.by_key(table, source, ext_id)).one()
    _follow(connection, settings, name, report, made, now)
    return int(made.id)


def end(connection: Connection, settings: Settings, collection: str, now: Row[Any]) -> None:
    """End an object: it is kept, and shown no more.  What follows from a building ends with it."""
    connection.execute(statements.ended(TABLES[EDITED[collection]], now.id))
    if collection == "buildings":
        _derive(connection, settings, [now.id])


def _identity(connection: Connection, collection: str, now: Row[Any] | None) -> tuple[str, str]:
    """The source and key by which files know the object; given to one that has none."""
    if now is None:
        return SOURCE, str(uuid4())
    mine = now._mapping
    if mine["source_id"] is not None and mine["ext_id"] is not None:
        name: str = connection.execute(statements.source_of(mine["source_id"])).scalar_one()
        return name, str(now.ext_id)
    made = f"{collection}/{now.id}"
    source = connection.execute(statements.source(SOURCE)).scalar_one()
    connection.execute(statements.name_it(TABLES[EDITED[collection]], now.id, source, made))
    return SOURCE, made


def _row(connection: Connection, edit: Edit, now: Row[Any] | None) -> Line:
    """The row of a file that says what is wished."""
    name = edit.collection.name
    kind, known = KINDS[name], fields(name)
    values = dict.fromkeys(known.values()) if edit.whole else _standing(name, kind, edit, now)
    values |= {known[p]: v for p, v in edit.properties.items() if p in known}
    if name == "units":
        _of_unit(connection, values, edit, now)
    before = {} if now is None else dict(now._mapping)
    links = {p: None if edit.whole else before.get(p) for p in LINKS.get(name, {})}
    links |= {p: v for p, v in edit.properties.items() if p in links}
    shape = before.get("shape")
    if edit.placed or edit.whole:
        shape = _shape(connection, edit, shape)
    return Line(values, links, shape)


def _standing(name: str, kind: Kind, edit: Edit, now: Row[Any] | None) -> dict[str, Any]:
    """The values that an object has and keeps; those that were made are made again."""
    assert now is not None
    before = dict(now._mapping)
    made = {f for f, how in kind.guarded.items() if before.get(how) != "given"}
    values = {f: before.get(f) for f in fields(name).values() if f in before and f not in made}
    if name == "addresses":  # the text is made of the levels, or they of the text
        spoken = {fields(name)[p] for p in edit.properties if p in fields(name)}
        levels = [f for f in values if f not in ("full_text", "std_code", "status")]
        for dropped in levels if "full_text" in spoken else ["full_text"]:
            values.pop(dropped, None)
    return values


def _of_unit(
    connection: Connection, values: dict[str, Any], edit: Edit, now: Row[Any] | None
) -> None:
    """The building and the storey of a unit, as files say them."""
    if now is not None:
        at = connection.execute(statements.storey_of(now.id)).one()
        if values.get("building_id") is None:
            values["building_id"] = at.building_id
        if "storey_no" not in edit.properties:
            values["storey"] = at.label
    if values.get("storey") is not None:
        values["storey"] = str(values["storey"])


def _shape(connection: Connection, edit: Edit, before: bytes | None) -> bytes | None:
    """The geometry to be written; what is shown of it already stays as exactly as it is kept."""
    here = edit.geometry
    if edit.key is not None:
        shown = connection.execute(statements.shown(edit.collection, edit.key)).scalar()
        if here is None and (shown is None or before is None):
            return before
        if here is not None and shown is not None and alike(here, shapely.from_wkb(shown)):
            return before
    if here is None:
        return None
    if KINDS[edit.collection.name].geometry is None:
        raise wrong("geometry", "is that of the building it is in", "取自所在建筑，不能直接修改")
    return bytes(shapely.to_wkb(here))


ROUNDED: Final = 2e-7
"""Degrees by which a coordinate that is answered may differ from the one that is kept."""


def alike(one: shapely.Geometry | None, other: shapely.Geometry | None) -> bool:
    """Whether two geometries are the same but for the rounding of answers."""
    if one is None or other is None:
        return one is other
    multi = {"Polygon": shapely.multipolygons, "LineString": shapely.multilinestrings}
    same = [multi[g.geom_type]([g]) if g.geom_type in multi else g for g in (one, other)]
    counts = {(g.geom_type, shapely.get_num_coordinates(g)) for g in same}
    if len(counts) > 1:
        return False
    first, second = map(shapely.normalize, same)
    return bool(shapely.equals_exact(first, second, ROUNDED))


def _kind(connection: Connection, collection: str, links: Mapping[str, Any]) -> Kind:
    """The kind, with what a feature says by id in the place of what files say by key.

    Where else an organisation is, and what a facility serves, is not asked of a feature and stays.
    """
    kind = KINDS[collection]
    if collection == "devices":
        _check_bound(connection, links)
    for name, type_ in LINKS.get(collection, {}).items():
        if type_ and links.get(name) is not None:
            _check_there(connection, name, type_, links[name])

    def settle(stage: Stage) -> None:
        kind.settle(stage)
        stage.insert_only -= frozenset(links)
        if links:
            stage.run(statements.put(ROWS, links, kind.adds), **links)

    enter = merge.by_source if collection in ALONE else kind.enter
    return replace(kind, settle=settle, enter=enter, straight=None, again=None)


def _check_there(connection: Connection, name: str, type_: str, id: Any) -> None:
    whole = isinstance(id, int) and not isinstance(id, bool) and 0 < id < 2**63
    if not whole or not connection.execute(statements.there(TABLES[type_], id)).scalar_one():
        raise wrong(name, "names nothing that is there", "所指对象不存在")


def _check_bound(connection: Connection, links: Mapping[str, Any]) -> None:
    kind, id = links.get("bind_type"), links.get("bind_id")
    if (kind is None) != (id is None):
        raise wrong("bind_type", "and bind_id go together", "与 bind_id 必须同时填写")
    if kind is None:
        return
    if kind not in BOUND:
        known = ", ".join(BOUND)
        raise wrong("bind_type", f"must be one of {known}", f"必须为以下之一：{known}")
    _check_there(connection, "bind_id", str(kind), id)


def _load(
    connection: Connection, settings: Settings, kind: Kind, row: Line, source: str, ext_id: str
) -> Report:
    """The row through the checks of its kind and into its table."""
    values = {"ext_id": ext_id, **row.values}
    feature = {"type": "Feature", "properties": values, "geometry": None}
    if row.shape is not None:
        feature["geometry"] = orjson.loads(shapely.to_geojson(shapely.from_wkb(row.shape)))
    document = {"type": "FeatureCollection", "features": [feature]}
    with tempfile.TemporaryDirectory(prefix="cim-edit-") as folder:
        path = Path(folder) / f"{kind.name}.geojson"
        path.write_bytes(orjson.dumps(document, default=_plain))
        asked = Request(
            fields={name: name for name in values},
            crs="EPSG:4490" if kind.geometry else None,
            source=source,
        )
        try:
            report = pipeline.load(connection, settings, kind, path, asked)
        except SourceError:  # of a file with one row: it has no shape, and needs one
            en, zh = REASONS["no_geometry"]
            raise wrong("geometry", f"cannot come in: {en}", f"无法保存：{zh}") from None
    if report.set_aside:
        raise _refused(kind.name, report)
    return report


def _plain(value: Any) -> Any:
    """A value of the database as a file would have it."""
    return float(value) if isinstance(value, Decimal) else str(value)


def _refused(collection: str, report: Report) -> InvalidQuery:
    """What is wrong with a row, in the words of a file's report, by the name of the property."""
    aside = report.first[0]
    en, zh = REASONS[aside.reason]
    named = {f: p for p, f in fields(collection).items()}
    if aside.field is None or aside.field in ("geometry", KINDS[collection].geometry_column):
        return wrong("geometry", f"cannot come in: {en}", f"无法保存：{zh}")
    return wrong(named.get(aside.field, aside.field), f"cannot come in: {en}", f"无法保存：{zh}")


def _follow(
    connection: Connection,
    settings: Settings,
    collection: str,
    report: Report,
    made: Row[Any],
    now: Row[Any] | None,
) -> None:
    """What follows from a building or a unit: storeys, entrances and units, as after a file."""
    if collection not in ("buildings", "units") or report.counts.unchanged:
        return
    if collection == "buildings":
        _derive(connection, settings, [made.id])
    else:
        before = [] if now is None else [now.building_id]
        _derive(connection, settings, sorted({made.building_id, *before}))


def _derive(connection: Connection, settings: Settings, ids: list[int]) -> None:
    from cim import derive  # noqa: PLC0415 - half a second that few need

    derive.run(connection, settings, building_ids=ids)
