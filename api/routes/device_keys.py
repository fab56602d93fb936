"""Keys of devices: made by who may, or got once by the code that came with the device."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from api.access import Caller
from api.deps import CallerDep, DirectDep
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.routes.devices import check, check_there, within
from api.schemas.device_keys import Claim, DeviceKey
from cim.feeds import devices
from cim.feeds.devices import Made

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
    check(caller, "Giving keys", "生成设备密钥")
    await check_there(direct, caller, id)
    return await _made(request, caller, lambda one: devices.make_key(one, id))


async def _made(request: Request, caller: Caller, make: Callable[[Connection], Made]) -> Response:
    """A key that was made, shown this once."""
    made = await within(request, caller, make)
    told = {"device": made.device_id, "user": made.username, "key": made.key}
    return json(told, **SECRET)
