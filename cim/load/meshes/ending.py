"""A mesh is taken back: its building is drawn as it was before."""

import json
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from cim.errors import NotFound
from cim.load.readers.citymodel import to_show
from cim.load.report import Report
from cim.store.queries.incoming import load as statements
from cim.store.queries.incoming import meshes as queries


def end(connection: Connection, name: str, building: int | None = None) -> Report:
    """Draw what is drawn as meshes of that source or file as it was before; nothing is committed.

    That is the solid that was shown when the mesh came, or one that a city model has brought since,
    else the prism.  The mesh stays in the store, and its file in the data folder: loaded again it
    is drawn again.  `building` limits it to one.  Raises NotFound where no building is drawn so.
    """
    began = time.monotonic()
    _run(connection, statements.LOCK, kind="mesh")
    standing = _run(connection, queries.STANDING, name=name, building=building).all()
    if not standing:
        where = "" if building is None else f" {building}"
        raise NotFound(
            f"No building{where} is drawn as a mesh of the source or file {name}.",
            f"没有建筑{where}按来源或文件 {name} 的网格模型绘制。",
        )
    report = Report("mesh", name, name)
    report.import_id = _begin(connection, name, standing[0].source_id, building)
    for one in standing:
        lod = _back(connection, one, report.import_id)
        report.notes.append(_told(one, lod))
    report.counts.ended = len(standing)
    report.seconds = time.monotonic() - began
    _run(connection, statements.END_IMPORT, stats=json.dumps(report.stats()),
         import_id=report.import_id)  # fmt: skip
    return report


def former(solids: Sequence[tuple[int, str]], shown: int | None, mesh: int) -> int | None:
    """Which of the solids (id, level of detail) is drawn when the mesh with that id is not.

    `shown` was before the mesh: the id of one, 0 for the prism, None where that was not kept.

    >>> former([(1, "1"), (2, "2.2")], 1, 3), former([(1, "1"), (2, "2.2")], None, 3)
    (1, 2)
    >>> former([(1, "1")], 0, 3) is None, former([(1, "1"), (4, "2")], 0, 3)
    (True, 4)
    """
    levels = {lod: number for number, lod in solids if shown != 0 or number > mesh}
    if shown in levels.values():
        return shown
    return levels[to_show(levels)] if levels else None


def _back(connection: Connection, one: Any, import_id: int) -> str | None:
    """The level of detail that a building is drawn in again, None for its prism."""
    found = _run(connection, queries.SOLIDS, building_id=one.building_id).all()
    levels = {row.id: row.lod or "" for row in found}
    shown = former(list(levels.items()), one.shown, one.id)
    _run(connection, queries.HIDE, building_id=one.building_id, id=None)
    if shown is not None:
        _run(connection, queries.SHOW, id=shown)
    _run(connection, queries.GONE, building_id=one.building_id, import_id=import_id)
    return None if shown is None else levels[shown]


def _told(one: Any, lod: str | None) -> tuple[str, str]:
    name = f"{one.building_id} {one.name or ''}".rstrip()
    if lod is None:
        return f"building {name} is drawn as its prism again", f"建筑 {name} 恢复按棱柱绘制"
    return (
        f"building {name} is drawn as its solid in LoD{lod} again",
        f"建筑 {name} 恢复按 LoD{lod} 实体模型绘制",
    )


def _begin(connection: Connection, name: str, source_id: int, building: int | None) -> int:
    number: int = _run(
        connection,
        statements.BEGIN_IMPORT,
        kind="mesh",
        file=name,
        layer=None,
        source_id=source_id,
        mapping=json.dumps({"end": {"building": building}}),
        crs=None,
    ).scalar_one()
    return number


def _run(connection: Connection, sql: str, **parameters: Any) -> Any:
    return connection.execute(statements.bound(sql), parameters)
