"""Bringing files in: what they may be, a look into one, jobs that load them."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.answers.cards import withheld
from api.database.people import told_of
from api.database.store import Store
from api.deps import IntakeDep, IntakeEngineDep, IntakeStoreDep, SettingsDep
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.routes.intake.uploads import REFUSALS, place
from api.schemas.imports import ImportRequest, Inspect, Inspection, Job, Jobs, Kinds
from cim.errors import Conflict, InvalidQuery, NoRoom, NotFound
from cim.intake import aside, inspecting, queue
from cim.intake.children import CLOSED
from cim.load import models, terrain
from cim.load.kinds import KINDS as TABLES
from cim.load.mending import Mends
from cim.load.pipeline import Request
from cim.load.readers import READERS
from cim.security.identity import stand_for
from cim.settings import Settings
from cim.store.queries import intake as queries

MOST_WAITING = 20
"""Jobs that one key may have waiting or running."""

ALIVE = 20.0
"""Seconds within which a worker gave a sign of life."""

PIECE = 1 << 18
"""Bytes of a file that are sent at once."""

KINDS = TABLES | {models.KIND.name: models.KIND, terrain.KIND.name: terrain.KIND}
"""What can be handed in: kinds of tables, models, and rasters of the terrain."""

ENDINGS = frozenset({*READERS, *models.ENDINGS, *terrain.ENDINGS}) - CLOSED
"""How the names of files end that can be loaded."""

LOOKS = asyncio.Semaphore(2)
"""Files are looked into two at a time: each look is a process."""

HUNG_UP = 0.5
"""Seconds between two questions whether the caller still waits."""

UNREADY: dict[int | str, dict[str, Any]] = {
    404: {**PROBLEM, "description": "No such group or file"},
    409: {**PROBLEM, "description": "A file of the group is not whole yet"},
}

router = APIRouter(tags=["intake"], responses=PROBLEMS | REFUSALS)
PRIVATE = {"Cache-Control": "no-store", "Vary": "Authorization"}


@router.get("/kinds", summary="What a file can be loaded as", response_model=Kinds)
async def kinds(caller: IntakeDep) -> Response:
    """Every kind with its fields, and the formats that are read."""
    found = [
        {
            "name": kind.name,
            "zh": kind.zh,
            "en": kind.en,
            "geometry": kind.geometry,
            "personal": kind.personal,
            "fields": [
                {name: getattr(field, name) for name in ("name", "zh", "en", "type", "required")}
                for field in (kind.all_fields if kind.fields else ())
            ],
        }
        for kind in KINDS.values()
    ]
    return json({"kinds": found, "formats": sorted(ENDINGS)})


@router.post(
    "/imports/inspect",
    summary="Look into a file",
    response_model=Inspection,
    responses=UNREADY,
)
async def inspect_upload(
    http: HttpRequest,
    asked: Inspect,
    caller: IntakeDep,
    store: IntakeStoreDep,
    engine: IntakeEngineDep,
    settings: SettingsDep,
) -> Response:
    """Columns, coordinates, oddities and a proposed mapping; loads nothing.

    Values of kinds with personal data are masked.
    """
    rows = await store.rows(queries.uploads_of_group(asked.group, caller.owner))
    path = await run_in_threadpool(chosen, settings, rows, asked.file)
    kind, request = known_kind(asked.kind), wish(asked)
    if asked.mends is not None:
        known = await mending(store, settings, engine, caller, asked.mends)
        kind, request = known.pop("kind"), Request(**known | {"mends": Mends.read(known["mends"])})
    found = await unless_gone(http, look(settings, path, kind, request, asked.heights))
    return json(found, **PRIVATE) if found else Response(status_code=408)


async def look(
    settings: Settings, path: Path, kind: str | None, request: Request, heights: str | None
) -> Any:
    """Look into a file when it is its turn; `heights` are what a raster's are said to be above."""
    async with LOOKS:
        return await inspecting.inspect(settings, path, kind, request, heights)


async def unless_gone(http: HttpRequest, work: Coroutine[Any, Any, Any]) -> Any:
    """The outcome of some work; it is given up, and None, where the caller has hung up.

    Whoever changes a wish asks anew, and should not wait behind looks that nobody awaits.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=HUNG_UP)
            if not task.done() and await http.is_disconnected():
                return None
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@router.post(
    "/imports",
    summary="Load a file",
    status_code=202,
    response_model=Job,
    responses=UNREADY | {507: {**PROBLEM, "description": "Too many jobs wait"}},
)
async def begin_import(
    asked: ImportRequest,
    caller: IntakeDep,
    store: IntakeStoreDep,
    engine: IntakeEngineDep,
    settings: SettingsDep,
) -> Response:
    """It waits its turn, and is run outside the service; ask how far it is at `Location`."""
    kind = known_kind(asked.kind)
    assert kind is not None
    wanted = request_of(asked)
    if asked.mends is not None:
        known = await mending(store, settings, engine, caller, asked.mends)
        kind = known.pop("kind")
        wanted |= known
    async with store.transaction() as connection:
        await connection.execute(queries.lock_uploads())
        mine = queries.uploads_of_group(asked.group, caller.owner)
        rows = (await connection.execute(mine)).all()
        path = await run_in_threadpool(chosen, settings, rows, asked.file)
        if (
            await connection.execute(queries.unfinished(caller.owner))
        ).scalar_one() >= MOST_WAITING:
            raise NoRoom(
                f"{MOST_WAITING} jobs of yours wait already; try again when some have ended.",
                f"您已有 {MOST_WAITING} 个任务在等待，请待部分任务结束后再试。",
            )
        row = (
            await connection.execute(
                queries.add_job(
                    owner=caller.owner,
                    actor=caller.actor,
                    upload=asked.group,
                    file=path.name,
                    kind=kind,
                    request=wanted,
                    dry_run=asked.dry_run,
                )
            )
        ).one()
    await run_in_threadpool(queue.defer, settings, [row.id])
    answer = json(describe(row), **PRIVATE, Location=f"/imports/{row.id}")
    answer.status_code = 202
    return answer


@router.get("/imports", summary="The caller's latest jobs", response_model=Jobs)
async def list_imports(
    caller: IntakeDep,
    store: IntakeStoreDep,
    limit: Annotated[int, Query(ge=1, le=200, description="most jobs answered")] = 50,
) -> Response:
    """Newest first, and how many workers there are to run them."""
    rows = await store.rows(queries.jobs(caller.owner, limit))
    workers = await store.value(queries.workers(ALIVE))
    return json({"imports": [describe(row) for row in rows], "workers": workers}, **PRIVATE)


@router.get("/imports/{id}", summary="How far a job has come", response_model=Job, responses=ABSENT)
async def read_import(id: Id, caller: IntakeDep, store: IntakeStoreDep) -> Response:
    """Its state, progress, and outcome once it has ended."""
    return json(describe(await found(store, caller, id)), **PRIVATE)


@router.post("/imports/{id}/cancel", summary="Stop a job", response_model=Job, responses=ABSENT)
async def cancel_import(id: Id, caller: IntakeDep, store: IntakeStoreDep) -> Response:
    """One that waits is cancelled at once, one that runs within seconds, and nothing is kept of it.

    One that has ended stays as it is: what came in stays in.
    """
    await store.row(queries.cancel(id, caller.owner))
    return json(describe(await found(store, caller, id)), **PRIVATE)


@router.get(
    "/imports/{id}/quarantine.csv",
    summary="The rows that a job set aside, to be mended",
    response_class=Response,
    responses={**ABSENT, 200: {"content": {"text/csv": {}}, "description": "The rows, as CSV"}},
)
async def read_quarantine(
    id: Id,
    http: HttpRequest,
    caller: IntakeDep,
    store: IntakeStoreDep,
    engine: IntakeEngineDep,
    settings: SettingsDep,
) -> Response:
    """Where each row stood, what is wrong with it, and its columns as they came.

    Hand the mended file in with `mends`. Of kinds with personal data the columns are there only
    for a key with the role `residents` and a purpose in `X-Purpose`, and the access is logged.
    """
    row = await found(store, caller, id)
    if row.import_id is None:
        raise NotFound("This job set no rows aside.", "该任务没有暂存的数据。")
    reader = None
    if withheld(caller, [], None) is None:
        reader = stand_for(
            actor=caller.actor,
            account=caller.account,
            roles=caller.roles,
            purpose=caller.purpose,
            where=None,
            **told_of(http),
        )
    file = await run_in_threadpool(aside.write, settings, engine, row.import_id, reader)
    length = file.tell()
    file.seek(0)
    name = quote(f"{Path(row.file).stem}-待改-{id}.csv")
    headers = PRIVATE | {
        "Vary": "Authorization, Cookie, X-Purpose",
        "Content-Length": str(length),
        "Content-Disposition": f'attachment; filename="set-aside-{id}.csv"; '
        f"filename*=UTF-8''{name}",
    }
    return StreamingResponse(pieces(file), headers=headers, media_type="text/csv; charset=utf-8")


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces; closed at the end."""
    with file:
        while piece := file.read(PIECE):
            yield piece


async def mending(
    store: Store, settings: Settings, engine: Engine, caller: Caller, job: int
) -> dict[str, Any]:
    """How a file is read in which the rows of a job of the caller's are mended."""
    row = await found(store, caller, job)
    if row.import_id is None:
        raise NotFound("This job set no rows aside.", "该任务没有暂存的数据。")
    return await run_in_threadpool(aside.mending, settings, engine, row.import_id)


async def found(store: Store, caller: Caller, id: int) -> Any:
    """The caller's job of that id; NotFound where there is none."""
    row = await store.row(queries.job(id, caller.owner))
    if row is None:
        raise NotFound(f"No job has the id {id}.", f"没有编号为 {id} 的任务。")
    return row


def describe(row: Any) -> dict[str, Any]:
    """A job as it is answered."""
    kept = bool(row.report and row.report["set_aside"] and row.import_id)
    return {
        "id": row.id,
        "group": row.upload,
        "file": row.file,
        "kind": row.kind,
        "dry_run": row.dry_run,
        "request": row.request,
        "state": row.state,
        "step": row.step if row.state == "running" else None,
        "rows_done": row.rows_done,
        "rows_total": row.rows_total,
        "cancelling": row.state == "running" and row.cancelled_at is not None,
        "report": row.report,
        "error": {"en": row.error_en, "zh": row.error_zh} if row.error_en else None,
        "quarantine": f"/imports/{row.id}/quarantine.csv" if kept else None,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
    }


def known_kind(name: str | None) -> str | None:
    """A kind that there is; InvalidQuery for any other."""
    if name is not None and name not in KINDS:
        raise InvalidQuery(
            f"kind must be one of {', '.join(KINDS)}.", f"kind 必须为以下之一：{'、'.join(KINDS)}。"
        )
    return name


def wish(asked: Inspect) -> Request:
    """What the caller said of the file."""
    return Request(
        fields=dict(asked.fields), crs=asked.crs, layer=asked.layer, encoding=asked.encoding
    )


def request_of(asked: ImportRequest) -> dict[str, Any]:
    """What is kept of an order: all that the load must know, beside the kind and the file."""
    kept = ("fields", "crs", "layer", "encoding", "source", "full", "units", "building", "rotation")
    place = None if asked.at is None else ",".join(map(repr, asked.at))
    further: dict[str, Any] = {"at": place, "every_space": asked.every_space}
    if asked.kind == terrain.KIND.name:
        further |= {"heights": asked.heights, "surveyed": asked.surveyed and str(asked.surveyed)}
    return {name: getattr(asked, name) for name in kept} | further


def chosen(settings: Settings, rows: Sequence[Any], file: str | None) -> Path:
    """The file of a group that is meant, where all of the group are whole.

    NotFound, Conflict where some bytes are still to come, InvalidQuery where several are meant.
    """
    if not rows:
        raise NotFound("There is no such group of uploads.", "没有这组上传文件。")
    places = [place(settings, row) for row in rows]
    for one in places:
        if not one.complete:
            raise Conflict(
                f"{one.file} is not whole yet: {one.offset:,} of {one.size:,} bytes are there.",
                f"{one.file} 尚未上传完：已有 {one.offset:,}/{one.size:,} 字节。",
            )
    if file is not None:
        meant = [one for one in places if one.file == file]
        if not meant:
            raise NotFound("The group has no file of this name.", "该组中没有这个名称的文件。")
        return opened(meant[0].whole)
    readable = [one for one in places if Path(one.file).suffix.lower() in ENDINGS]
    if len(readable) != 1:
        names = "、".join(one.file for one in places)
        raise InvalidQuery(f"say which file is meant: {names}.", f"请指明要载入的文件：{names}。")
    return readable[0].whole


def opened(path: Path) -> Path:
    """The same path; InvalidQuery for a format that is closed here, for it leads to other files."""
    if path.suffix.lower() in CLOSED:
        raise InvalidQuery(
            f"{path.name} is of a format that may lead to other files; load it on the server with "
            "`cim load`, or save it as GeoPackage.",
            f"{path.name} 的格式可能引用其他文件；请在服务器上用 cim load 载入，"
            "或另存为 GeoPackage。",
        )
    return path
