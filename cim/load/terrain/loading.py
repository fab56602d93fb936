"""The road of terrain: judged, copied, written down; nothing is committed here."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection

from cim.crs.geoid import to_city
from cim.load.pipeline import Progress, take_turn
from cim.load.report import Report
from cim.load.terrain.keeping import Kept, keep
from cim.load.terrain.reading import Raster, opened
from cim.load.terrain.wish import Wish
from cim.settings import Settings
from cim.store import terrain
from cim.store.queries.incoming import load as statements

NAMED = 5
"""Rasters beneath that are named before the rest is only counted."""

STAND_ON_IT = ("buildings", "model")
"""Kinds whose loads look at the ground: none is under way while it changes."""


def load(
    connection: Connection,
    settings: Settings,
    paths: Sequence[Path],
    wish: Wish,
    progress: Progress = lambda step, done, total: None,
) -> list[Report]:
    """End rasters and load others, the later on top of the earlier; a report for each.

    Files are in the data folder then, whether or not the transaction is committed: a row makes
    them the city's.  Raises SourceError where one of them is no raster of heights in metres,
    TilingError where a geoid grid that is needed is missing, NotFound where what should end is not
    there.
    """
    for kind in ("terrain", *STAND_ON_IT):
        take_turn(connection, kind, progress)
    reports = [
        _end(connection, name, row)
        for name in wish.end
        for row in terrain.end(connection, name, wish.source)
    ]
    loaded = [_load(connection, settings, path, wish, progress) for path in paths]
    if wish.full and loaded:
        ended = terrain.end_others(connection, [file for _, file in loaded])
        loaded[-1][0].counts.ended = ended
    return reports + [report for report, _ in loaded]


def _end(connection: Connection, name: str, row: Any) -> Report:
    """The report of a raster that has ended."""
    report = Report("terrain", name, row.source or name, row.crs)
    report.counts.ended = 1
    report.import_id = _begin(connection, report, row.source_id)
    _finish(connection, report)
    return report


def _load(
    connection: Connection, settings: Settings, path: Path, wish: Wish, progress: Progress
) -> tuple[Report, str]:
    """The report of a raster, and the file that it is in now."""
    began = time.monotonic()
    with opened(path, wish.crs, wish.heights) as raster:
        to_city(settings, raster.heights)  # what is missing is said before all cells are read
        size = raster.file.width * raster.file.height
        kept = keep(raster, terrain.folder(settings), lambda done: progress("read", done, size))
        progress("keep", size, size)
        report = Report("terrain", path.name, wish.source or path.stem, raster.system)
        report.read = kept.cells
        report.notes += [*raster.notes, *told(raster, kept)]
        row = _row(connection, raster, kept, path.stem, report.source) | {
            "survey_date": wish.surveyed
        }
    report.import_id = _begin(connection, report, row["source_id"])
    outcome = terrain.enter(connection, row)
    setattr(report.counts, outcome, 1)
    lower = terrain.beneath(connection, row["file"])
    if lower:
        en, zh = ", ".join(lower[:NAMED]), "、".join(lower[:NAMED])
        rest = f" (+{len(lower) - NAMED:,})" if len(lower) > NAMED else ""
        report.notes.append(
            (
                f"it lies on top of {en}{rest}: where it has a height, that counts",
                f"叠加在 {zh}{rest} 之上：本栅格有高程处以本栅格为准",
            )
        )
    report.seconds = time.monotonic() - began
    _finish(connection, report)
    return report, row["file"]


def _finish(connection: Connection, report: Report) -> None:
    ended = {"stats": json.dumps(report.stats()), "import_id": report.import_id}
    connection.execute(statements.bound(statements.END_IMPORT), ended)


def _begin(connection: Connection, report: Report, source_id: int | None) -> int:
    values = {
        "kind": "terrain", "file": report.file, "layer": None, "source_id": source_id,
        "mapping": "{}", "crs": report.crs,
    }  # fmt: skip
    begun = connection.execute(statements.bound(statements.BEGIN_IMPORT), values)
    return int(begun.scalar_one())


def _row(
    connection: Connection, raster: Raster, kept: Kept, name: str, source: str
) -> dict[str, Any]:
    assert kept.file is not None  # it was just kept
    named = connection.execute(statements.bound(statements.SOURCE), {"name": source})
    return {
        "source_id": int(named.scalar_one()),
        "ext_id": name,
        "file": f"{terrain.FOLDER}/{kept.file.name}",
        "digest": kept.digest,
        "extent": shapely.to_wkb(raster.extent),
        "crs": raster.system,
        "heights": raster.heights,
        "columns": raster.file.width,
        "rows": raster.file.height,
        "cell": raster.cell,
        "holes": kept.holes,
        "least": kept.least,
        "most": kept.most,
    }


def told(raster: Raster, kept: Kept) -> list[tuple[str, str]]:
    """What a raster is, in both languages."""
    west, south, east, north = np.round(raster.extent.bounds, 5).tolist()
    width, height = raster.file.width, raster.file.height
    surface, zh = {
        "1985": ("the city's height datum", "城市高程基准（1985）"),
        "ellipsoid": ("the ellipsoid", "椭球面"),
    }.get(raster.heights, (raster.heights.upper(), raster.heights.upper()))
    notes = [
        (
            f"{width:,} × {height:,} cells of {raster.cell:.3g} m, {west} – {east} E, "
            f"{south} – {north} N; {kept.least:,.7g} to {kept.most:,.7g} m above {surface}",
            f"{width:,} × {height:,} 个像元，像元 {raster.cell:.3g} 米，东经 {west}–{east}，"
            f"北纬 {south}–{north}；高程 {kept.least:,.7g} 至 {kept.most:,.7g} 米，起算面：{zh}",
        )
    ]
    if kept.holes:
        share = kept.holes / kept.cells
        notes.append(
            (
                f"{kept.holes:,} cells ({share:.1%}) have no height",
                f"{kept.holes:,} 个像元（{share:.1%}）无高程",
            )
        )
    if kept.undeclared:
        notes.append(
            (
                f"{kept.undeclared:,} cells hold a number that commonly stands for no height, "
                "though the file does not say so: taken as none",
                f"{kept.undeclared:,} 个像元为常用的无值数，文件未声明：按无高程处理",
            )
        )
    return notes
