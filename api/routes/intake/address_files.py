"""The addresses of a whole file, looked for as a job; the result is the file again, as CSV."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from api.deps import IntakeDep, IntakeStoreDep, SettingsDep
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.routes.intake.imports import MOST_WAITING, PRIVATE, UNREADY, chosen, describe, found
from api.routes.intake.uploads import REFUSALS
from api.schemas.addresses import AddressMatchJob, AddressMatchRequest
from cim.errors import NoRoom, NotFound
from cim.intake import address_match, queue
from cim.settings import Settings
from cim.store.queries import intake as queries

router = APIRouter(prefix="/addresses/match", tags=["places"], responses=PROBLEMS | REFUSALS)


@router.post(
    "",
    summary="Look for the addresses of a file",
    status_code=202,
    response_model=AddressMatchJob,
    responses=UNREADY | {507: {**PROBLEM, "description": "Too many jobs wait"}},
)
async def begin_address_match(
    asked: AddressMatchRequest, caller: IntakeDep, store: IntakeStoreDep, settings: SettingsDep
) -> Response:
    """The file is sent as those to be loaded are; ask how far it is at `Location`.

    It is a job among those of `/imports`, and is cancelled there.
    """
    options = asked.model_dump(include={"columns", "layer", "encoding", "alternatives"})
    async with store.transaction() as connection:
        await connection.execute(queries.lock_uploads())
        mine = queries.uploads_of_group(asked.group, caller.owner)
        rows = (await connection.execute(mine)).all()
        path = await run_in_threadpool(chosen, settings, rows, asked.file)
        waiting = (await connection.execute(queries.unfinished(caller.owner))).scalar_one()
        if waiting >= MOST_WAITING:
            raise NoRoom(
                f"{MOST_WAITING} jobs of yours wait already; try again when some have ended.",
                f"您已有 {MOST_WAITING} 个任务在等待，请待部分任务结束后再试。",
            )
        job = queries.add_job(
            owner=caller.owner,
            actor=caller.actor,
            upload=asked.group,
            file=path.name,
            kind=address_match.KIND,
            request=options,
        )
        row = (await connection.execute(job)).one()
    await run_in_threadpool(queue.defer, settings, [row.id])
    answer = json(_told(settings, row), **PRIVATE, Location=f"/addresses/match/{row.id}")
    answer.status_code = 202
    return answer


@router.get(
    "/{id}", summary="How far it has come", response_model=AddressMatchJob, responses=ABSENT
)
async def read_address_match(
    id: Id, caller: IntakeDep, store: IntakeStoreDep, settings: SettingsDep
) -> Response:
    """Its state and progress; once it is done, how many rows were matched, and the result."""
    return json(_told(settings, _one(await found(store, caller, id))), **PRIVATE)


@router.get(
    "/{id}/result.csv",
    summary="The file with what was found",
    response_class=Response,
    responses={**ABSENT, 200: {"content": {"text/csv": {}}, "description": "The rows, as CSV"}},
)
async def read_address_matches(
    id: Id, caller: IntakeDep, store: IntakeStoreDep, settings: SettingsDep
) -> Response:
    """Each row with its own columns, and what its address is, or why nobody can tell.

    It is there as long as the file that was sent.
    """
    row = _one(await found(store, caller, id))
    path = _result(settings, row)
    if path is None:
        raise NotFound(f"Job {id} has no result.", f"任务 {id} 没有结果文件。")
    name = quote(f"{Path(row.file).stem}-匹配-{id}.csv")
    told = f"attachment; filename=\"matches-{id}.csv\"; filename*=UTF-8''{name}"
    headers = PRIVATE | {"Vary": "Authorization, Cookie", "Content-Disposition": told}
    return FileResponse(path, headers=headers, media_type="text/csv; charset=utf-8")


def _one(row: Any) -> Any:
    """The same job; NotFound where it is another kind of job."""
    if row.kind != address_match.KIND:
        raise NotFound(f"Job {row.id} looks for no addresses.", f"任务 {row.id} 不是地址匹配任务。")
    return row


def _result(settings: Settings, row: Any) -> Path | None:
    path = address_match.result_of(settings, row.upload, row.id)
    return path if row.state == "done" and path.is_file() else None


def _told(settings: Settings, row: Any) -> dict[str, Any]:
    there = _result(settings, row) is not None
    result = f"/addresses/match/{row.id}/result.csv" if there else None
    return {"job": describe(row), "result": result}
