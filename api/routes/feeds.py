"""Readings pushed over HTTP: by platforms to a feed, by devices and programs one or many at once.

A device's own key writes its own streams, and a gateway's those of the devices behind it; the key
of a feed, or the right `devices.write`, those of its source. Each push is answered once it is in
the store, with what of it could not be taken.
"""

import ipaddress
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import PlainTextResponse, Response

from api.database.pushing import Pushing, message_of
from api.deps import gate
from api.params import Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.schemas.feeds import Taken
from cim.errors import NotAllowed, NotFound, UnknownKey
from cim.feeds import handshakes
from cim.feeds.reading import Fault
from cim.feeds.reasons import sentence
from cim.feeds.sources import Feed
from cim.security import secrets
from cim.security.rights import DEVICES_WRITE

router = APIRouter(tags=["feeds"], responses=PROBLEMS | ABSENT)

MOST_TOLD = 100
"""Faults that an answer names; how many there are is counted."""

REFUSED: dict[int | str, dict[str, Any]] = {
    401: {**PROBLEM, "description": "No key, or one that is not known"},
    403: {**PROBLEM, "description": "The key may not push here"},
    413: {**PROBLEM, "description": "The payload is larger than 4 MiB"},
    503: {**PROBLEM, "description": "Cannot be taken in at the moment: send it again"},
}
NOBODY = UnknownKey(
    "Pushing needs a key: of the device, of the feed, or with the right devices.write.",
    "推送需要密钥：设备密钥、接入源密钥，或具有 devices.write 权限的密钥。",
)
Below = Annotated[str, Path(description="What formats read as a topic")]
Name = Annotated[str, Path(description="Name of the feed", max_length=100)]


@router.get(
    "/feeds/{name}",
    summary="Answer a platform that tries an address",
    response_class=PlainTextResponse,
    responses=REFUSED,
)
async def opening(request: Request, name: Name) -> Response:
    """What a platform asks before it pushes, answered as it expects (OneNET: `msg`)."""
    feed = await _pushing(request).feed(name)
    secret = str(feed.options.get("secret") or "")
    found = handshakes.opening(feed.decoder, request.query_params, secret) if secret else None
    if found is None:
        raise NotFound("This feed is pushed to, not read.", "该接入源只接收推送，不可读取。")
    return Response(found.body, found.status, media_type=found.media_type)


@router.post("/feeds/{name}", summary="Push to a feed", response_model=Taken, responses=REFUSED)
async def push(request: Request, name: Name) -> Response:
    """Take in a payload of the feed's format; sent twice, it is stored once."""
    return await _pushed(request, name, "")


@router.post(
    "/feeds/{name}/{path:path}",
    summary="Push to a feed, below its name",
    response_model=Taken,
    responses=REFUSED,
)
async def push_below(request: Request, name: Name, path: Below) -> Response:
    """As a push to the feed; what stands behind the name is read as a topic is."""
    return await _pushed(request, name, path)


@router.post(
    "/devices/{id}/readings",
    summary="Push readings of one device",
    response_model=Taken,
    responses=REFUSED,
)
async def readings(request: Request, id: Id) -> Response:
    """Take in readings of one device in our own JSON, which need not name it."""
    pushing = _pushing(request)
    sender = await _sender(request, None)
    device, feed = await pushing.device(id)
    topic = f"cim/v1/{sender or device}/{device}"
    return await _taken(request, feed, topic, sender, named=False)


async def _pushed(request: Request, name: str, path: str) -> Response:
    pushing = _pushing(request)
    try:
        feed = await pushing.feed(name)
    except NotFound:
        await _sender(request, None)  # which feeds there are is not told to just anybody
        raise
    sender = await _sender(request, feed)
    return await _taken(request, feed, path, sender)


async def _taken(
    request: Request, feed: Feed, topic: str, sender: str | None, *, named: bool = True
) -> Response:
    payload = await request.body()
    headers = dict(request.headers)
    for name in ("authorization", "cookie"):
        headers.pop(name, None)
    message = message_of(feed, topic, headers.get("content-type", ""), headers)
    taken, faults = await _pushing(request).take(feed, payload, message, sender)
    told = [_told(fault) for fault in faults[:MOST_TOLD]]
    for fault in () if named else told:
        if fault["reason"] == "not_yours":  # who asked by a number is not told whose it is
            fault["detail"] = ""
    return json({"taken": taken, "faults": told, "faults_count": len(faults)})


def _told(fault: Fault) -> dict[str, str]:
    en, zh = sentence(fault.reason)
    return {"reason": fault.reason, "en": en, "zh": zh, "detail": fault.detail, "path": fault.path}


async def _sender(request: Request, feed: Feed | None) -> str | None:
    """Who pushes, by the username of a device's key; None is who is trusted with a whole source.

    Raises UnknownKey and NotAllowed.
    """
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and key:
        key = key.strip()
        if feed is not None and feed.opened_by(secrets.digest(key)):
            return None
        if holder := await _pushing(request).holder(key):
            request.state.who = f"device {holder.device_id}"
            return holder.username
    elif feed is not None and await _vouched(request, feed):
        return None
    caller = await (await gate(request)).caller(request)
    if not caller.known:
        raise NOBODY
    if not caller.may(DEVICES_WRITE) or caller.where(DEVICES_WRITE) is not None:
        raise NotAllowed(
            f"Pushing needs the right {DEVICES_WRITE} in the whole city (role devices).",
            f"推送需要全市范围的 {DEVICES_WRITE} 权限（角色 devices）。",
        )
    return None


async def _vouched(request: Request, feed: Feed) -> bool:
    """Whether a platform that can send no key is known by its signature, or by where it is.

    Options of the feed: `secret`, by which it signs; `from`, networks that it pushes from.
    """
    secret = str(feed.options.get("secret") or "")
    if handshakes.genuine(feed.decoder, await request.body(), secret):
        return True
    networks = feed.options.get("from")
    here = request.client.host if request.client else ""
    return isinstance(networks, list) and any(_within(here, str(each)) for each in networks)


def _within(address: str, network: str) -> bool:
    """Whether an address is of a network; what is neither is not.

    >>> _within("192.0.2.7", "192.0.2.0/24"), _within("192.0.2.7", "2001:db8::/32")
    (True, False)
    """
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


def _pushing(request: Request) -> Pushing:
    found: Pushing = request.app.state.pushing
    return found
