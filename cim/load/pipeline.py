"""The road of a file: read, map, check, stage, compare, keep; in the caller's transaction."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from cim import privacy
from cim.errors import BadMapping, SourceError
from cim.load import again, coordinates, mapping, mending, solids
from cim.load.checking import Checked, Job, ahead, as_came, undisturbed
from cim.load.kind import Context, Kind
from cim.load.mapping import Settled
from cim.load.mending import Mends
from cim.load.report import Aside, Report
from cim.load.rows import REASONS
from cim.load.source import Batch, no_rows
from cim.settings import Settings
from cim.store import keys, terrain
from cim.store.copy import columns
from cim.store.incoming import again as proofs
from cim.store.incoming import ladders, places, returning, straight, touched
from cim.store.incoming.stage import CAME_TYPES, Counts, Stage
from cim.store.queries.incoming import load as statements

TEXTS = frozenset(("address", "full_text"))
"""Fields that hold addresses as text, for which the names that the city knows are looked up."""

Progress = Callable[[str, int, int | None], None]
"""Told the step (one of `report.STEPS`), rows so far, and rows in all where known."""


@dataclass(frozen=True)
class Request:
    """What the user asked for, beyond the kind and the file."""

    fields: dict[str, str | None] = field(default_factory=dict)
    mapping: Path | None = None
    crs: str | None = None
    source: str | None = None
    layer: str | None = None
    encoding: str | None = None
    full: bool = False
    mends: Mends | None = None
    at: str | None = None
    """Of a model: LON,LAT,ROTATION of its middle, degrees, clockwise from north."""
    building: int | None = None
    """Of a model: the building whose footprint it is laid on."""
    rotation: float | None = None
    """Of a model: degrees clockwise from north, where `at` does not say."""
    every_space: bool = False
    """Of a model: every room is a unit of its own."""
    up: str | None = None
    """Of a mesh: the axis that points up, y or z."""
    scale: float | None = None
    """Of a mesh: metres to its unit."""


def load(
    connection: Connection,
    settings: Settings,
    kind: Kind,
    path: Path,
    request: Request | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Report:
    """Load one file of one kind; nothing is committed here.

    Raises SourceError (with MissingCrs, BadMapping, UnknownFormat) before anything is written
    where the file as a whole cannot be read; rows that cannot come in go to the quarantine.
    """
    began = time.monotonic()
    request = with_file(path, request or Request())
    job, batches = _open(settings, kind, path, request)
    name = request.source or path.stem
    job, batches = _with_solids(connection, job, batches, name)
    report = Report(kind.name, path.name, name, job.system)
    report.mapping, report.guessed = job.mapping.columns, job.mapping.guessed
    report.inside = job.source.inside
    report.notes += job.mapping.notes
    take_turn(connection, kind.name, progress)
    job = _on_terrain(connection, settings, _sealing(connection, settings, job))
    stage = _begin(connection, settings, job, name, request)
    report.import_id = stage.import_id
    if kind.standing:
        context = replace(job.context, standing=places.outlines(stage))
        job = replace(job, context=context)
    if TEXTS & job.context.mapped:
        job = replace(job, context=replace(job.context, gazetteer=ladders.gazetteer(stage)))
    with undisturbed(), ThreadPoolExecutor(max_workers=2, thread_name_prefix="load") as pool:
        look = again.look(pool, settings, kind, path, request)
        last = again.known(stage, kind, look)
        if last is None:
            job = _straight(stage, job)
            for checked in ahead(pool, job, batches):
                _write(stage, checked, report)
                if len(checked.rows):
                    kind.follow(stage, int(checked.rows.row_no[-1]))
                progress("read", report.read, job.source.count)
            progress("compare", report.read, report.read)
            _compare(stage, job, report)
        else:
            _repeat(stage, job, last, report)
    if job.context.ground:
        job.context.ground.close()
    progress("keep", report.read, report.read)
    _keep(stage, job, report)
    report.notes += job.source.notes + (job.solids.notes() if job.solids else [])
    report.seconds = time.monotonic() - began
    stage.run(statements.END_IMPORT, stats=json.dumps(report.stats()), import_id=stage.import_id)
    proofs.keep(stage, None if look is None else look.proof(), last)
    return report


def with_file(path: Path, request: Request) -> Request:
    """The request with what a mapping file adds; what was typed wins.

    Raises BadMapping where a file of mended rows is said to be complete.
    """
    wish = mapping.written(path, request.mapping)
    mends = wish.mends or request.mends
    if mends is not None and request.full:
        raise BadMapping(
            f"{path.name} holds mended rows alone: with --full all others would end",
            f"{path.name} 只含修改后的行：使用 --full 会使其他数据全部终止",
        )
    said = {name: getattr(request, name) or value for name, value in wish.options.items()}
    fields = {**wish.fields, **request.fields}
    return Request(**(vars(request) | said | {"fields": fields, "mends": mends}))


def _open(
    settings: Settings, kind: Kind, path: Path, request: Request
) -> tuple[Job, Iterator[Batch]]:
    """Open the file, look at its first batch, and settle what is to be settled."""
    source = mending.read(path, request.layer, request.encoding, request.mends)
    first = next(source.batches, None)
    if first is None or len(first) == 0:
        raise no_rows(path.name, source)
    system = coordinates.settle(path.name, source, first, request.crs) if kind.geometry else None
    if kind.geometry and kind.needs_geometry and first.geometry is None:
        raise SourceError(
            f"{path.name} has no geometry, which {kind.name} need",
            f"{path.name} 中没有几何，{kind.zh}需要几何",
        )
    settled = mapping.settle(
        kind.all_fields, source.fields, request.fields, first, personal=kind.personal
    )
    context = Context(settings, frozenset(settled.columns))
    types = _types(kind, settled, system)
    if source.solids and system is not None:
        types |= kind.adds_of_solids
    encoding, mends = request.encoding, request.mends
    job = Job(kind, path, source, settled, system, context, types, encoding, mends)

    def batches() -> Iterator[Batch]:
        yield first
        yield from source.batches

    return job, batches()


def _sealing(connection: Connection, settings: Settings, job: Job) -> Job:
    """The job of a personal kind with the key that the database is written with.

    It stays that key until the load ends, though another may be on its way.
    """
    if not job.kind.personal:
        return job
    vault = keys.held(connection, privacy.open_vault(settings))
    return replace(job, context=replace(job.context, vault=vault))


def _with_solids(
    connection: Connection, job: Job, batches: Iterator[Batch], source: str
) -> tuple[Job, Iterator[Batch]]:
    """The job of mended rows with the solids that these came with at first."""
    if job.mends is None or not job.kind.adds_of_solids or job.system is None:
        return job, batches
    where = mending.origins(job.path, job.source.layer, job.encoding, job.mends)
    kept = solids.kept(connection, job.kind.name, source, where)
    if not kept.rows:
        return job, batches
    types = job.types | job.kind.adds_of_solids
    opened = replace(job.source, solids=True)
    return replace(job, source=opened, types=types, solids=kept), kept.given(batches)


def _types(kind: Kind, settled: Settled, system: str | None) -> dict[str, str]:
    """The staged columns: mapped fields, what the checks add, the rest, the place."""
    types = {f.name: f.column_type for f in kind.fields if f.name in settled.columns}
    types |= kind.adds | {"attrs": "jsonb"}
    if system is not None:
        types[kind.geometry_column] = "geometry"
    return types


def take_turn(connection: Connection, kind: str, progress: Progress) -> None:
    """Wait until nobody else loads this kind, and say so; the turn ends with the transaction."""
    of = {"kind": kind}
    if not connection.execute(statements.bound(statements.TRY_LOCK), of).scalar_one():
        progress("wait", 0, None)
        connection.execute(statements.bound(statements.LOCK), of)


def _begin(
    connection: Connection, settings: Settings, job: Job, source: str, request: Request
) -> Stage:
    def one(sql: str, **parameters: Any) -> int:
        return int(connection.execute(statements.bound(sql), parameters).scalar_one())

    source_id = one(statements.SOURCE, name=source)
    import_id = one(
        statements.BEGIN_IMPORT,
        kind=job.kind.name,
        file=job.path.name,
        layer=job.source.layer,
        source_id=source_id,
        mapping=json.dumps(job.mapping.columns, ensure_ascii=False),
        crs=job.system,
    )
    stage = Stage(
        connection,
        job.kind.table,
        job.kind.object_type,
        job.types,
        source_id,
        import_id,
        geometry=job.kind.geometry_column if job.system is not None else None,
        full=request.full,
        guards=_guards(job),
        sticky=frozenset() if job.mapping.rest else frozenset({"attrs"}),
        settings=settings,
    )
    stage.create()
    return stage


def _on_terrain(connection: Connection, settings: Settings, job: Job) -> Job:
    """The job with the city's ground, and with the columns for it; files may give it themselves."""
    if not job.kind.adds_on_terrain or job.system is None:
        return job
    ground = terrain.ground(connection, settings)
    more = dict(job.kind.adds_on_terrain) if ground else {}
    if "ground_elev" in job.types and not ground:
        more = {"ground_method": "text"}
    context = replace(job.context, ground=ground)
    return replace(job, types=job.types | more, context=context)


def _guards(job: Job) -> dict[str, str]:
    """What was given stays given where this file does not speak of it."""
    spoken = {*job.mapping.columns, *(job.kind.adds_of_solids if job.source.solids else ())}
    silent = {name: how for name, how in job.kind.guarded.items() if name not in spoken}
    return silent | {how: how for how in silent.values()}


def _straight(stage: Stage, job: Job) -> Job:
    """The job of a file whose rows can be written where they belong at once, where they can."""
    if "ext_id" in job.mapping.columns and job.mends is None:
        stage.straight = straight.begin(stage, job.kind.name, job.kind.straight, job.source.count)
    return replace(job, straight=stage.straight)


def _write(stage: Stage, checked: Checked, report: Report) -> None:
    rows = checked.rows
    report.read += len(rows)
    if rows.repaired is not None:
        report.repaired += int((rows.repaired & rows.keep).sum())
    report.warnings += rows.warnings
    if checked.staged.rows:
        stage.add(checked.staged, checked.keys)
    if len(rows.faults):
        stage.add_faults(checked.faults)


def _compare(stage: Stage, job: Job, report: Report) -> None:
    """What needs the whole file or the database; then into the table."""
    if stage.straight is not None:
        straight.take_back(stage)
    stage.analyse()
    by_place = "ext_id" not in job.mapping.columns and not job.kind.key
    if job.mends is not None:
        where = mending.origins(job.path, job.source.layer, job.encoding, job.mends)
        returning.recognise(stage, job.kind.name, where, by_place=by_place)
    if by_place:
        returning.number_repeats(stage)
        report.notes.append(
            (
                "no column is the key: rows are known by their place, so a moved one is a new one",
                "文件没有编号列：按位置识别各行，位置变动会视为新的一行",
            )
        )
    kind = job.kind
    if by_place or job.mends is not None:
        stage.keys.clear()  # what the rows are known by may have become something else
    kind.settle(stage)
    returning.together(stage, kind.name, kept=kind.key_kept, mended=job.mends is not None)
    for step in (kind.repeated, kind.place):
        step(stage)
    counts = report.counts = kind.enter(stage)
    if counts.new or counts.changed:
        stage.run(statements.FAIR)
        stage.run(f"ANALYZE {kind.table.fullname}")
        stage.run(statements.USUAL)
    kind.finish(stage)
    report.merged = stage.tallies.pop("merged", 0)
    report.warnings.update(stage.tallies)


def _keep(stage: Stage, job: Job, report: Report) -> None:
    """The quarantine: complete the rows set aside in the database, clear the mended, keep."""
    _complete(stage, job)
    found = stage.connection.execute(statements.bound(statements.FAULTS_BY_REASON)).all()
    report.aside = {str(reason): int(count) for reason, count in found}
    key = {"kind": job.kind.name, "source_id": stage.source_id, "file": job.path.name}
    report.first = [Aside(*row) for row in returning.first(stage, personal=job.kind.personal)]
    if job.mends is not None:
        report.mended = returning.clear(stage, **key)
    returning.supersede(stage, **key, whole=job.mends is None)
    sentences = {code: REASONS[code] for code in report.aside}
    stage.run(
        statements.KEEP_FAULTS,
        import_id=stage.import_id,
        codes=list(sentences),
        en=[en for en, _ in sentences.values()],
        zh=[zh for _, zh in sentences.values()],
        **key,
    )


def _repeat(stage: Stage, job: Job, last: proofs.Before, report: Report) -> None:
    """What the last load of the same file said, of rows that are all still as it left them."""
    report.read, report.repaired = last.stats["read"], last.stats["repaired"]
    report.merged = last.stats["merged"]
    report.warnings.update(last.stats["warnings"])
    report.counts = Counts(unchanged=last.came_in, missing=last.missing)
    report.notes.append(
        (
            f"the same file as on {last.day}, and nothing of it has changed since",
            f"与 {last.day} 载入的文件相同，其数据此后未有变动",
        )
    )
    proofs.set_aside_again(stage, last)
    if job.kind.derives:
        proofs.name_rows(stage, touched.MOST + 1)


def _complete(stage: Stage, job: Job) -> None:
    """Read the file once more for the rows that were set aside in the database."""
    found = stage.connection.execute(statements.bound(statements.LACKING_RECORD)).scalars()
    lacking = np.unique(np.array(list(found), np.int64))
    if not lacking.size:
        return
    types = {"row_no": "int8", **CAME_TYPES}
    stage.run(statements.create_stage("stage_records", types))
    source = mending.read(job.path, job.source.layer, job.encoding, job.mends)
    for batch in job.solids.given(source.batches) if job.solids else source.batches:
        here = np.isin(batch.row_no, lacking, assume_unique=True)
        places = np.flatnonzero(here).tolist()
        if places:
            came = as_came(job, batch, places)
            columns.write(
                stage.connection, "stage_records", {"row_no": batch.row_no[here], **came}, types
            )
    stage.run(statements.FILL_RECORDS)
