"""What devices say, as it comes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, WebSocket
from fastapi.responses import Response, StreamingResponse

from api.deps import CallerDep, GateDep
from api.live.asking import Alarms, asked
from api.live.callers import Listener, as_request
from api.live.events import events
from api.live.frames import Mark
from api.live.hub import Hub
from api.live.socket import Socket, deny
from api.live.tickets import GOOD, Tickets
from api.routes import PROBLEM, PROBLEMS, json
from api.schemas.live import Ticket
from api.security.gate import Gate
from api.security.origins import check_origin
from cim.errors import CimError, UnknownKey

REFUSED: dict[int | str, dict[str, Any]] = {
    401: {**PROBLEM, "description": "The key, cookie or ticket is none"},
    429: {**PROBLEM, "description": "Too many read along"},
}
router = APIRouter(prefix="/live", tags=["devices"], responses=PROBLEMS | REFUSED)

Ids = Annotated[
    str | None, Query(max_length=60_000, description="ids with commas between", examples=["201"])
]
Words = Annotated[
    str | None, Query(max_length=5_000, description="with commas between", examples=["lift,smoke"])
]


async def named(
    datastream: Ids = None,
    unit: Ids = None,
    building: Ids = None,
    estate: Ids = None,
    project: Ids = None,
    grid: Ids = None,
) -> dict[str, str | None]:
    """What is named by id: all of them together."""
    places = {"unit": unit, "building": building, "estate": estate, "project": project}
    return {"datastream": datastream} | places | {"grid": grid}


async def narrowed(
    class_: Annotated[Words, Query(alias="class")] = None,
    property: Words = None,
    bbox: Annotated[
        str | None, Query(max_length=200, description="west,south,east,north in degrees")
    ] = None,
    alarms: Annotated[
        Alarms, Query(description="all, those of what is subscribed to, or none")
    ] = "here",
) -> dict[str, str | None]:
    """What of it, or of the city."""
    return {"class": class_, "property": property, "bbox": bbox, "alarms": alarms}


@router.get(
    "",
    summary="Readings and alarms as they come",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": "Events: streams, readings, alarms, alarm",
        }
    },
)
async def live(
    request: Request,
    gate: GateDep,
    of: Annotated[dict[str, str | None], Depends(named)],
    only: Annotated[dict[str, str | None], Depends(narrowed)],
    ticket: Annotated[
        str | None, Query(max_length=8_000, description="of POST /live/ticket")
    ] = None,
    after: Annotated[
        str | None, Query(max_length=50, description="the same as Last-Event-ID, in the address")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(max_length=50, description="where the stream before ended")
    ] = None,
) -> Response:
    """Server-sent events: `streams` says what is subscribed to, `readings` are `[id, ms, value]`
    (and the quality where it is not good), first the latest of each, then what comes, twice a
    second at most. `alarms` are those that are open, `alarm` is what happens to them.

    Everything that is named is sent; `class`, `property` and `bbox` narrow it. At most 5,000
    datastreams. A client that was cut off sends the last id it saw in `Last-Event-ID` and misses
    no alarm. Readings of devices in homes need `living.read` there.
    """
    hub: Hub = request.app.state.hub
    ask = asked(of | only)
    listener = await Listener(request, gate, tickets(request)).enter(ticket)
    return await events(hub, listener, ask, Mark.read(last_event_id or after or ""))


@router.post("/ticket", summary="A ticket to listen with, good once", response_model=Ticket)
async def ticket(request: Request, caller: CallerDep) -> Response:
    """For pages whose browser sends no `Authorization` along. It lets its holder hear what the
    caller may hear, for five minutes, and nothing else."""
    if not caller.known:
        raise UnknownKey(
            "A ticket is made for a key or who is signed in; anybody may listen without one.",
            "票据仅发给持有密钥或已登录的用户；公开信息无需票据。",
        )
    made = await tickets(request).make(caller)
    return json({"ticket": made, "seconds": GOOD}, **{"Cache-Control": "no-store"})


@router.websocket("/socket")
async def socket(websocket: WebSocket, ticket: str | None = None) -> None:
    """The same over a socket: each message is a subscription, which takes the place of the last.

    `{"bbox": [113.8, 22.9, 113.9, 23], "class": ["lift"], "alarms": "all", "after": "…"}`
    """
    state = websocket.app.state
    gate: Gate = state.gate
    try:
        if ticket is None:  # else a page of another place may use it
            check_origin(as_request(websocket), gate.settings)
        listener = await Listener(websocket, gate, tickets(websocket)).enter(ticket)
        state.hub.check(listener.who)
    except CimError as error:
        await deny(websocket, error)
        return
    await websocket.accept()
    await Socket(websocket, state.hub, listener).run()


def tickets(connection: Request | WebSocket) -> Tickets:
    """What makes tickets and takes them."""
    found: Tickets = connection.app.state.tickets
    return found
