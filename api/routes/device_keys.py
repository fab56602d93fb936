"""Keys of devices: made by who may, or got once by the code that came with the device."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.deps import CallerDep, DirectDep
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.schemas.device_keys import Claim, DeviceKey
from cim.errors import NotAllowed, NotFound, UnknownKey
from cim.feeds import devices
from cim.feeds.devices import Made
from cim.security.identity import stand_for
from cim.security.rights import CITY_READ, DEVICES_WRITE
from cim.store.queries.feeds.keys import SECRECY

router = APIRouter(prefix="/devices", tags=["feeds"], responses=PROBLEMS | ABSENT)
REFUSED: dict[int | str, dict[str, Any]] = {
    401: {**PROBLEM, "description": "No key, or one that is not known"},
    403: {**PROBLEM, "description": "The key may not give keys"},
}
SECRET = {"Cache-Control": "no-store"}


@router.post("/claim", summary="Get the key of a device by its code", response_model=DeviceKey)
async def claim(request: Request, caller: CallerDep, claim: Claim) -> Response:
    """The code is good once, and asks for no key; the key is shown now and never again."""
    return await _made(request, caller, lambda one: devices.claim(one, claim.code))


@router.post(
    "/{id}/key",
    summary="Give a device or a gateway a key",
    response_model=DeviceKey,
    responses=REFUSED,
)
async def key(request: Request, caller: CallerDep, direct: DirectDep, id: Id) -> Response:
    """The key is shown now and never again; the one that it had ends."""
    if not caller.known:
        raise UnknownKey(
            "Giving keys needs a key: Authorization: Bearer …, or signing in.",
            "生成设备密钥需要密钥（Authorization: Bearer …）或登录。",
        )
    if not caller.may(DEVICES_WRITE) or caller.where(DEVICES_WRITE) is not None:
        raise NotAllowed(
            f"Giving keys needs the right `{DEVICES_WRITE}` in the whole city (role devices).",
            f"生成设备密钥需要全市范围的“{DEVICES_WRITE}”权限（角色 devices）。",
        )
    cleared = [r.secrecy for r in caller.rights.of(CITY_READ, "devices") if r.where is None]
    if (await direct.value(SECRECY(id=id)) or 0) > max(cleared, default=0):
        raise NotFound(f"There is no device #{id}.", f"没有设备 #{id}。")
    return await _made(request, caller, lambda one: devices.make_key(one, id))


async def _made(request: Request, caller: Caller, make: Any) -> Response:
    """Make a key in a transaction that knows who acts, when it is its turn."""
    state = request.app.state
    address = request.client.host if request.client else None

    def run() -> Made:
        with state.editing_engine.begin() as connection:
            _stand(connection, caller, address, getattr(request.state, "request_id", None))
            made: Made = make(connection)
            return made

    async with state.editing_turns:
        made = await run_in_threadpool(run)
    told = {"device": made.device_id, "user": made.username, "key": made.key}
    return json(told, **SECRET)


def _stand(
    connection: Connection, caller: Caller, address: str | None, request: str | None
) -> None:
    connection.execute(
        stand_for(
            actor=caller.actor,
            account=caller.account,
            roles=caller.roles,
            where=caller.where(DEVICES_WRITE),
            address=address,
            request=request,
        )
    )
