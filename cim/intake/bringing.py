"""One file in one transaction, with the storeys and units that follow from it."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from cim.load import meshes, models, pipeline, terrain
from cim.load.kind import Kind
from cim.load.pipeline import Progress, Request
from cim.load.report import Report
from cim.settings import Settings
from cim.store import engine, watching
from cim.store import terrain as rasters
from cim.store.incoming import names, touched
from cim.store.queries import terrain as grounds
from cim.terrain.layer import Layer

if TYPE_CHECKING:
    from cim.derive.ground import Grounded

NAMING = frozenset({"areas", "estates", "streets"})
"""Kinds whose names addresses are made of; those of addresses are kept with them."""

NAMED = 10
"""Buildings that are named before the rest is only counted."""


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
            report = _load(connection, settings, kind, path, request, progress)
            if report.came_in and kind.name in NAMING:
                names.keep(connection, kind.name)
            if units and kind.derives:
                units.add(touched.buildings(connection, kind.name, report.source, mark))
            inside = _interiors(connection, path, report, request, progress)
            if units:
                units.add(inside)
            if units and kind.derives:
                if kind.name == models.KIND.name:
                    _ground(connection, settings, units.ids)
                if units.now and (report.came_in or units.ids):
                    progress("units", 0, None)
                    _derive(connection, settings, report, units.ids)
            if keep and (report.came_in or report.set_aside):
                progress("commit", report.read, report.read)  # from here on nothing stops it
                if kind.name == meshes.KIND.name:
                    meshes.keep(settings, path)
                connection.commit()
            else:
                connection.rollback()
                report.import_id = None
    finally:
        database.dispose()
    return report


def _load(
    connection: Connection,
    settings: Settings,
    kind: Kind,
    path: Path,
    request: Request,
    progress: Progress,
) -> Report:
    """The file on the road of its kind."""
    if kind.name == models.KIND.name:
        return models.load(connection, settings, path, request, progress)
    if kind.name == meshes.KIND.name:
        return meshes.load(connection, settings, path, request, progress)
    return pipeline.load(connection, settings, kind, path, request, progress)


def _interiors(
    connection: Connection, path: Path, report: Report, request: Request, progress: Progress
) -> list[int]:
    """What a city model has inside its buildings, on the storeys and units of these; their ids."""
    if not report.inside or not report.came_in:
        return []
    if path.suffix.lower() == ".zip":
        report.notes.append(
            (
                f"{report.inside:,} storeys, units and rooms are not read out of an archive: "
                "unpack it and load it again",
                f"压缩包中的 {report.inside:,} 个楼层、户室和房间未读取：请解压后重新载入",
            )
        )
        return []
    from cim.load import interiors  # noqa: PLC0415 - geometry that few files need

    return interiors.load(connection, path, report, request, progress)


def end_mesh(settings: Settings, name: str, building: int | None, *, keep: bool) -> Report:
    """Draw what is drawn as meshes of that source or file as before; rolled back unless `keep`.

    Raises NotFound where no building is drawn so.
    """
    database = engine.connect(settings)
    try:
        with database.connect() as connection:
            report = meshes.end(connection, name, building)
            if keep:
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


def bring_terrain(
    settings: Settings,
    paths: Sequence[Path],
    wish: terrain.Wish,
    *,
    keep: bool,
    progress: Progress = lambda step, done, total: None,
) -> list[Report]:
    """End rasters, load others, and settle the ground of all buildings on them, together.

    Committed as one; rolled back unless `keep`.  Raises what `terrain.load` does; then the city
    stands on what it stood on before.
    """
    from cim.load.terrain.loading import load  # noqa: PLC0415 - rasters: a quarter of a second

    database = engine.connect(settings)
    try:
        with database.connect() as connection:
            before = rasters.layers(connection, settings)
            reports = load(connection, settings, paths, wish, progress)
            _settle(connection, settings, before, reports, progress)
            if keep:
                watching.tell(connection, terrain.KIND.name)
                progress("commit", 1, 1)  # from here on nothing stops it
                connection.commit()
            else:
                connection.rollback()
                for report in reports:
                    report.import_id = None
        if keep:
            with database.begin() as connection:
                rasters.tidy(connection, settings)
    finally:
        database.dispose()
    return reports


def _settle(
    connection: Connection,
    settings: Settings,
    before: Sequence[Layer],
    reports: Sequence[Report],
    progress: Progress,
) -> None:
    """Bring the ground of buildings up to date, where there was terrain before or is now."""
    from cim.derive import ground as under  # noqa: PLC0415 - rasters: a tenth of a second that few need

    last, looked = reports[-1], 0

    def more(count: int) -> None:
        nonlocal looked
        looked += count
        progress("ground", looked, None)

    layers = [*before, *rasters.layers(connection, settings)]
    wests, souths, easts, norths = zip(*(layer.bounds for layer in layers), strict=True)
    box = (min(wests), min(souths), max(easts), max(norths))
    # Also where no raster is new: the geoid may be.
    with rasters.ground(connection, settings) or nullcontext() as ground:
        done = under.settle(connection, ground, box=box, import_id=last.import_id, progress=more)
    last.notes += _grounded(connection, done)


def _grounded(connection: Connection, done: "Grounded") -> list[tuple[str, str]]:
    """What is told of buildings and their ground."""
    everything, outside = connection.execute(grounds.OUTSIDE).one()
    notes = [
        (
            f"the ground of {done.changed:,} buildings was set ({done.looked:,} looked at); of "
            f"{everything:,} buildings {outside:,} stand where no terrain is: they keep what they "
            "had",
            f"已设定 {done.changed:,} 幢建筑的地面高程（检查 {done.looked:,} 幢）；全部 "
            f"{everything:,} 幢中有 {outside:,} 幢位于地形范围之外，保持原值",
        )
    ]
    if done.lost:
        listed = ", ".join(map(str, done.named))
        notes.append(
            (
                f"{done.lost:,} buildings stand on no terrain any more, and again on what was "
                f"given or on the default ground; ids {listed}{_rest(done.lost, done.named)}",
                f"{done.lost:,} 幢建筑不再位于地形之上，恢复为给定值或默认地面；"
                f"编号 {listed}{_rest(done.lost, done.named)}",
            )
        )
    first = connection.execute(grounds.UNGROUNDED, {"most": NAMED}).scalars().all()
    if outside and first:
        listed = ", ".join(map(str, first))
        more = " …" if len(first) == NAMED else ""
        notes.append(
            (
                f"on the default ground, 0 m, stand buildings of which neither a file nor the "
                f"terrain tells it; ids {listed}{more} (cim check counts them)",
                f"既无给定值也无地形的建筑按默认地面 0 米；编号 {listed}{more}（数量见 cim check）",
            )
        )
    return notes


def _rest(count: int, named: Sequence[int]) -> str:
    return f" … +{count - len(named):,}" if count > len(named) else ""


def _ground(connection: Connection, settings: Settings, ids: frozenset[int] | None) -> None:
    """The ground of the buildings that a model stands on, where there is terrain."""
    from cim.derive import ground as under  # noqa: PLC0415 - rasters: a tenth of a second that few need

    ground = rasters.ground(connection, settings)
    if ground is not None and ids is not None:
        with ground:
            under.settle(connection, ground, ids=sorted(ids))
