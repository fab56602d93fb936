"""One file in one transaction, with the storeys and units that follow from it."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from cim.load import models, pipeline
from cim.load.kind import Kind
from cim.load.pipeline import Progress, Request
from cim.load.report import Report
from cim.settings import Settings
from cim.store import engine, touched


@dataclass
class Units:
    """The buildings whose units are to be made once the last file that matters is in.

    `ids` None means any of the city's.
    """

    now: bool = True
    ids: frozenset[int] | None = frozenset()

    def add(self, ids: list[int] | None) -> None:
        """Further buildings."""
        self.ids = None if ids is None or self.ids is None else self.ids.union(ids)


def bring(
    settings: Settings,
    kind: Kind,
    path: Path,
    request: Request,
    *,
    units: Units | None,
    keep: bool,
    progress: Progress = lambda step, done, total: None,
) -> Report:
    """Load a file and derive what follows, committed together; rolled back unless `keep`.

    Raises what `pipeline.load` does; then nothing has changed.
    """
    database = engine.connect(settings)
    try:
        with database.connect() as connection:
            mark = touched.mark(connection)
            if kind.name == models.KIND.name:
                report = models.load(connection, settings, path, request, progress)
            else:
                report = pipeline.load(connection, settings, kind, path, request, progress)
            if units and kind.derives:
                units.add(touched.buildings(connection, kind.name, report.source, mark))
                if units.now and (report.came_in or units.ids):
                    progress("units", 0, None)
                    _derive(connection, settings, report, units.ids)
            if keep and (report.came_in or report.set_aside):
                progress("commit", report.read, report.read)  # from here on nothing stops it
                connection.commit()
            else:
                connection.rollback()
                report.import_id = None
    finally:
        database.dispose()
    return report


def _derive(
    connection: Connection, settings: Settings, report: Report, ids: frozenset[int] | None
) -> None:
    """Make storeys, entrances and units of those of the buildings whose input changed."""
    from cim import derive  # noqa: PLC0415 - half a second that few need

    chosen = None if ids is None else sorted(ids)
    done = derive.run(connection, settings, building_ids=chosen)
    report.notes.append(
        (
            f"{done.buildings:,} buildings derived: {done.entrances:,} entrances, "
            f"{done.storeys:,} storeys, {done.units:,} units",
            f"已推算 {done.buildings:,} 幢建筑：{done.entrances:,} 个单元门、"
            f"{done.storeys:,} 层、{done.units:,} 个房屋单元",
        )
    )
