"""Devices registered and bound by programs: the rules are those of `cim device`."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.deps import CallerDep, DirectDep, SettingsDep
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.schemas.devices import Binding, NewDevices, Registered, WasBound
from cim.errors import Conflict, NotAllowed, NotFound, UnknownKey
from cim.feeds import devices, registering
from cim.security.identity import stand_for
from cim.security.rights import CITY_READ, DEVICES_WRITE
from cim.store.direct import Direct
from cim.store.queries import editing
from cim.store.queries.feeds import keys as queries
from cim.store.queries.security.callers import record

REFUSED: dict[int | str, dict[str, Any]] = {
    401: {**PROBLEM, "description": "No key, or one that is not known"},
    403: {**PROBLEM, "description": "The key may not write devices"},
    409: {**PROBLEM, "description": "What is there now stands against it"},
}
router = APIRouter(prefix="/devices", tags=["feeds"], responses=PROBLEMS | REFUSED)
Done = TypeVar("Done")
Dry = Annotated[bool, Query(description="say what would come of it, keep nothing")]


def check(caller: Caller, en: str, zh: str) -> None:
    """UnknownKey or NotAllowed for one who may not write devices in the whole city."""
    if not caller.known:
        raise UnknownKey(
            f"{en} needs a key: Authorization: Bearer …, or signing in.",
            f"{zh}需要密钥（Authorization: Bearer …）或登录。",
        )
    if not caller.may(DEVICES_WRITE) or caller.where(DEVICES_WRITE) is not None:
        raise NotAllowed(
            f"{en} needs the right `{DEVICES_WRITE}` in the whole city (role devices).",
            f"{zh}需要全市范围的“{DEVICES_WRITE}”权限（角色 devices）。",
        )


def cleared(caller: Caller) -> int:
    """Up to which level of secrecy a caller knows of devices in the whole city."""
    rights = caller.rights.of(CITY_READ, "devices")
    return max((right.secrecy for right in rights if right.where is None), default=0)


async def check_there(direct: Direct, caller: Caller, id: int) -> None:
    """NotFound for a device of which the caller is not to know."""
    if (await direct.value(queries.SECRECY(id=id)) or 0) > cleared(caller):
        raise NotFound(f"There is no device #{id}.", f"没有设备 #{id}。")


async def within(
    request: Request, caller: Caller, work: Callable[[Connection], Done], *, dry: bool = False
) -> Done:
    """Do something in a transaction that knows who acts, when it is its turn."""
    state = request.app.state
    address = request.client.host if request.client else None

    def run() -> Done:
        with state.editing_engine.connect() as connection:
            connection.execute(
                stand_for(
                    actor=caller.actor,
                    account=caller.account,
                    roles=caller.roles,
                    where=caller.where(DEVICES_WRITE),
                    address=address,
                    request=getattr(request.state, "request_id", None),
                )
            )
            done = work(connection)
            if dry:
                connection.rollback()
            else:
                connection.commit()
            return done

    async with state.editing_turns:
        return await run_in_threadpool(run)


@router.post("", summary="Register devices, one or many", response_model=Registered)
async def register(
    request: Request,
    caller: CallerDep,
    settings: SettingsDep,
    body: NewDevices,
    dry_run: Dry = False,
) -> Response:
    """Each gets the streams that its class has (`cim device types`). A device that is known by its
    `id` in the source is changed: what is not said of it stays, null takes it away.

    Those that cannot come in are named in `set_aside` and kept with rows of files that could not
    (`cim quarantine`); the others come in.
    """
    check(caller, "Registering devices", "登记设备")
    rows = [one.said() for one in body.devices]

    def work(connection: Connection) -> registering.Registered:
        for setting in editing.PATIENCE:
            connection.exec_driver_sql(setting)
        if not connection.execute(editing.take_turn("devices")).scalar_one():
            raise Conflict(
                "A file of devices is being loaded; try again when it is through.",
                "正在载入设备数据，请待其完成后重试。",
            )
        done = registering.register(connection, settings, rows, body.source, cleared(caller))
        detail = {"source": body.source, "new": done.new, "changed": done.changed}
        connection.execute(record("device.register", object_type="device", detail=detail))
        return done

    done = await within(request, caller, work, dry=dry_run)
    told = {
        "source": body.source,
        "source_new": done.source_new,
        "new": done.new,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "streams": done.streams,
        "devices": [
            {"row": row, "id": key, "device": None if dry_run else device}
            for row, key, device in done.devices
        ],
        "set_aside": [
            {
                "row": fault.row,
                "id": fault.key,
                "field": fault.field,
                "value": fault.value,
                "en": fault.en,
                "zh": fault.zh,
            }
            for fault in done.faults
        ],
        "dry_run": dry_run,
    }
    return json(told)


@router.post(
    "/{id}/bind",
    summary="Bind a device, or unbind it",
    response_model=WasBound,
    responses=ABSENT,
)
async def bind(
    request: Request,
    caller: CallerDep,
    direct: DirectDep,
    id: Id,
    body: Binding,
    dry_run: Dry = False,
) -> Response:
    """To a unit, entrance, storey, building, estate, facility or construction project, or by null
    to nothing; from now on, or `since` a moment that has been. What it was bound to before is kept
    with its times, and readings stay with what the device was bound to when they were measured.
    """
    check(caller, "Binding devices", "绑定设备")
    await check_there(direct, caller, id)

    def work(connection: Connection) -> dict[str, Any]:
        for setting in editing.PATIENCE:
            connection.exec_driver_sql(setting)
        one = devices.find(connection, f"#{id}")
        changed = devices.bind(connection, one, body.to, body.since)
        if changed:
            detail = {"properties": ["bind_type", "bind_id"]}
            connection.execute(
                record("device.bind", object_type="device", object_id=id, detail=detail)
            )
        rows = connection.execute(queries.BINDINGS, {"device": id}).all()
        bindings = [
            {
                "type": row.bind_type,
                "id": row.bind_id,
                "since": row.valid_from,
                "until": row.valid_to,
            }
            for row in rows
        ]
        return {"device": id, "changed": changed, "bindings": bindings, "dry_run": dry_run}

    return json(await within(request, caller, work, dry=dry_run))
