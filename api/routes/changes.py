"""The change feed: read, waited for, or sent as it comes."""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.database.feed import Pulse, read
from api.deps import SightDep, StoreDep
from api.params import parse_bounds
from api.routes import PROBLEMS, json
from api.schemas.changes import Changes
from api.schemas.common import Problem
from cim.errors import InvalidQuery, TooMany
from cim.store.changes import LATEST, TYPES, Ask, Change, Page
from cim.store.changes import read as page_of

GONE: dict[int | str, dict[str, Any]] = {
    410: {"model": Problem, "description": "What changed since then is not kept any more"}
}
router = APIRouter(prefix="/changes", tags=["changes"], responses=PROBLEMS | GONE)

LONGEST_WAIT = 30.0
"""Seconds that a reader waits at most for something to come."""

LONGEST_STREAM = 900
"""Seconds after which a stream ends; clients open the next one where it ended."""

BEAT = 15
"""Seconds after which a stream says that it is still there."""

After = Annotated[
    str | None,
    Query(
        max_length=100,
        description="a position of this feed, or `latest`; without it from the beginning",
        examples=["latest"],
    ),
]
Which = Annotated[
    str | None,
    Query(
        max_length=200,
        description="collections with commas between; all unless said",
        examples=["buildings,units"],
    ),
]
Where = Annotated[
    str | None,
    Query(max_length=200, description="west,south,east,north: what was or is there"),
]
Many = Annotated[int, Query(ge=1, le=1000, description="changes of one page at most")]


def asked(sight: SightDep, collection: Which = None, bbox: Where = None) -> Ask:
    """What is asked of the feed; InvalidQuery names the parameter that is wrong."""
    chosen = None if collection is None else frozenset(filter(None, collection.split(",")))
    known = frozenset(TYPES.values())
    if chosen is not None and (not chosen or not chosen <= known):
        listed = sorted(known)
        raise InvalidQuery(
            f"collection must be some of {', '.join(listed)}, with commas between.",
            f"collection 必须为以下之一或多个（以逗号分隔）：{'、'.join(listed)}。",
        )
    box = None if bbox is None else parse_bounds(bbox)
    return Ask(collections=chosen, bbox=box, sight=sight)


AskDep = Annotated[Ask, Depends(asked)]


def patience(prefer: str) -> float:
    """The seconds that a caller would wait, out of the header Prefer (RFC 7240).

    >>> patience("respond-async, wait=20"), patience("wait=900"), patience("")
    (20.0, 30.0, 0.0)
    """
    said = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", prefer, re.ASCII)
    return min(float(said[1]), LONGEST_WAIT) if said else 0.0


def shown(change: Change) -> dict[str, object]:
    """A change as it is answered."""
    return {**vars(change)}


def pulse(request: Request) -> Pulse:
    """The one that wakes who waits."""
    found: Pulse = request.app.state.pulse
    return found


def who(request: Request) -> str:
    """By what the places of one who waits are counted: who they are, else where they come from."""
    known: str | None = getattr(request.state, "who", None)
    return known or (request.client.host if request.client else "")


@router.get("", summary="What changed since a position", response_model=Changes)
async def changes(
    request: Request,
    store: StoreDep,
    ask: AskDep,
    after: After = None,
    limit: Many = 100,
    prefer: Annotated[
        str,
        Header(max_length=200, description="wait=20: up to 30 s, where there is nothing new yet"),
    ] = "",
) -> Response:
    """Every change of a public object, once and in order. Go on with `after=` what `next` says.

    To begin: take the position of `after=latest`, read the collections, go on from the position.
    A change names the object and what of it is another now; what it is now its collection says.
    """
    page = await read(store, page_of(replace(ask, after=after, limit=limit)))
    seconds = patience(prefer)
    if seconds and not page.changes and after not in (None, LATEST):
        page = await _awaited(request, page, replace(ask, limit=limit), seconds)
    told = {"changes": list(map(shown, page.changes)), "next": page.next, "more": page.more}
    return json(
        told, Vary="Authorization, Cookie, Prefer", **{"Cache-Control": "private, no-store"}
    )


async def _awaited(request: Request, page: Page, ask: Ask, seconds: float) -> Page:
    """The first page with something in it, or that of when the time is over."""
    waiter, until = pulse(request), monotonic() + seconds
    with waiter.seat(who(request)):
        while not page.changes and monotonic() < until:
            if not page.more and not await waiter.wait(until - monotonic()) and waiter.stopping:
                break
            if await request.is_disconnected():
                break
            page = await waiter.read(page_of(replace(ask, after=page.next)))
    return page


@router.get(
    "/stream",
    summary="Changes as they come",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events, one a change"}},
)
async def stream(
    request: Request,
    store: StoreDep,
    ask: AskDep,
    after: After = None,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="where the stream before ended")
    ] = None,
) -> Response:
    """Server-sent events: each change as its JSON, its position as the event's id.

    A client that was cut off sends the last id it saw in `Last-Event-ID`, as browsers do by
    themselves, and misses nothing. Without that and without `after` it begins at what comes next.
    """
    since = LATEST if after is None else after
    begin = replace(ask, after=since if last_event_id is None else last_event_id, limit=500)
    try:
        first = await read(store, page_of(begin))
    except InvalidQuery as error:
        if last_event_id is None:
            raise
        raise InvalidQuery(
            "Last-Event-ID must be the id of an event of this stream.",
            "Last-Event-ID 必须为该事件流中某个事件的 id。",
        ) from error
    pulse(request).check(who(request))
    events = _events(request, first, begin)
    return StreamingResponse(
        events,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request, page: Page, ask: Ask) -> AsyncIterator[bytes]:
    """The feed as events, from a page on."""
    waiter = pulse(request)
    until = monotonic() + LONGEST_STREAM
    # Where the last place was taken since it was looked for, the client comes again.
    with suppress(TooMany), waiter.seat(who(request)):
        yield b"retry: 2000\n\n"
        while True:
            for change in page.changes:
                data = orjson.dumps(shown(change)).decode()
                yield f"id: {change.position}\nevent: {change.kind}\ndata: {data}\n\n".encode()
            # What lies between was looked through, and need not be again.
            yield f"id: {page.next}\nevent: at\ndata: \n\n".encode()
            if waiter.stopping or monotonic() > until or await request.is_disconnected():
                return
            if not page.more and not await waiter.wait(BEAT):
                yield b": still here\n\n"
            page = await waiter.read(page_of(replace(ask, after=page.next)))
