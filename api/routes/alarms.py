"""Alarms: listed, looked at, and worked on."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.deps import CallerDep, DirectDep, SightDep
from api.params import LARGEST_ID, Id, parse_bounds
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.routes.observations import in_words
from api.schemas.alarms import Alarms, Note, WholeAlarm
from cim.errors import InvalidQuery, NotAllowed, NotFound, UnknownKey
from cim.feeds.alarms import acting
from cim.feeds.alarms.acting import Act
from cim.security.identity import stand_for
from cim.security.rights import ALARMS_WRITE, LIVING_READ
from cim.store.queries.feeds import told as queries

CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {**PROBLEM, "description": "What the alarm is now stands against it"}
}
router = APIRouter(prefix="/alarms", tags=["alarms"], responses=PROBLEMS | ABSENT)
VARY = {"Vary": "Authorization, Cookie", "Cache-Control": "private, no-store"}

Key = Annotated[int | None, Field(ge=1, le=LARGEST_ID)]
Stamp = Annotated[AwareDatetime | None, BeforeValidator(in_words)]


def who(caller: Caller, sight: Any) -> dict[str, Any]:
    """What of alarms a caller may know of, as statements take it."""
    where = caller.where(LIVING_READ)
    living = None if where is None else (where.areas, where.grids)
    return queries.rights(living, caller.may(LIVING_READ), sight)


class AlarmQuery(BaseModel):
    """What alarms are asked by."""

    state: Literal["active", "open", "acknowledged", "closed", "all"] = Field(
        "active", description="active: has not ended, acknowledged or not"
    )
    severity: int | None = Field(None, ge=1, le=4, description="that, or worse")
    kind: str | None = Field(
        None, max_length=20, pattern=r"^\w+$", description="kind of alarm", examples=["故障"]
    )
    class_: str | None = Field(
        None,
        alias="class",
        max_length=50,
        pattern=r"^\w+$",
        description="class of the device",
        examples=["lift"],
    )
    device: Key = Field(None, description="of the device of that id")
    rule: Key = Field(None, description="raised by the rule of that id")
    unit: Key = Field(None, description="alarms that affect it")
    building: Key = Field(None, description="alarms that are in it or affect it")
    estate: Key = Field(None, description="in the estate of that id")
    project: Key = Field(None, description="of devices of the construction project of that id")
    area: Key = Field(None, description="in the area of that id, or one below it")
    grid: Key = Field(None, description="in the grid of that id")
    bbox: str | None = Field(None, max_length=200, description="west,south,east,north")
    since: Stamp = Field(None, description="began then, or later")
    until: Stamp = Field(None, description="began before then")
    after: str | None = Field(
        None, max_length=20, description="what `next` of the page before said"
    )
    limit: int = Field(100, ge=1, le=1000, description="most alarms answered")

    def by(self) -> dict[str, Any]:
        """Values by the names of conditions; InvalidQuery names the parameter that is wrong."""
        said = self.model_dump(exclude={"state", "limit", "class_", "bbox", "after"})
        said["class"] = self.class_
        said["bbox"] = None if self.bbox is None else parse_bounds(self.bbox)
        said["after"] = None if self.after is None else position(self.after)
        return {name: value for name, value in said.items() if value is not None}


def position(after: str) -> int:
    """Where a page begins; InvalidQuery for what no page said.

    >>> position("a7")
    7
    """
    if after[:1] == "a" and after[1:].isascii() and after[1:].isdigit():
        return int(after[1:])
    raise InvalidQuery(
        "after must be what `next` of the page before said.", "after 必须为上一页的 next 值。"
    )


@router.get("", summary="Alarms, newest first", response_model=Alarms)
async def alarms(
    direct: DirectDep,
    caller: CallerDep,
    sight: SightDep,
    asked: Annotated[AlarmQuery, Query()],
) -> Response:
    """Those that have not ended, unless `state` says otherwise.

    Alarms of devices in units need the right `living.read` there, those of devices that are not
    public `city.read`; to others they are not told of, nor counted.
    """
    limit = asked.limit
    rows = await direct.rows(queries.page(asked.state, asked.by(), limit + 1, who(caller, sight)))
    told = [orjson.Fragment(row.answer) for row in rows[:limit]]
    after = f"a{rows[limit - 1].id}" if len(rows) > limit else None
    return json({"alarms": told, "next": after}, **VARY)


@router.get("/{id}", summary="One alarm, whom it affects, its history", response_model=WholeAlarm)
async def alarm(id: Id, direct: DirectDep, caller: CallerDep, sight: SightDep) -> Response:
    """The history is chained and cannot be changed: `cim alarm verify` proves it."""
    return json(await whole(id, direct, caller, sight), **VARY)


async def whole(id: int, direct: DirectDep, caller: Caller, sight: Any) -> dict[str, Any]:
    """An alarm as it is answered; NotFound where there is none that the caller may know of."""
    asked = queries.whole(id, caller.may(ALARMS_WRITE), who(caller, sight))
    row = await direct.row(asked)
    if row is None:
        raise NotFound(f"No alarm has the id {id}.", f"没有编号为 {id} 的告警。")
    found: dict[str, Any] = orjson.loads(row.answer) | orjson.loads(row.more)
    return found


def worker(caller: Caller) -> None:
    """UnknownKey or NotAllowed for one who may not work on alarms anywhere."""
    if not caller.known:
        raise UnknownKey(
            "Working on alarms needs a key: Authorization: Bearer …, or signing in.",
            "处理告警需要密钥（Authorization: Bearer …）或登录。",
        )
    if not caller.may(ALARMS_WRITE):
        raise NotAllowed(
            f"Working on alarms needs the right `{ALARMS_WRITE}`: the role `devices` has it.",
            f"处理告警需要“{ALARMS_WRITE}”权限（角色 devices）。",
        )


async def changed(request: Request, caller: Caller, work: Any) -> Any:
    """Do something in a transaction that knows who acts, when it is its turn."""
    state = request.app.state
    address = request.client.host if request.client else None

    def run() -> Any:
        with state.editing_engine.begin() as connection:
            connection.execute(
                stand_for(
                    actor=caller.actor,
                    account=caller.account,
                    roles=caller.roles,
                    where=caller.where(ALARMS_WRITE),
                    address=address,
                    request=getattr(request.state, "request_id", None),
                )
            )
            return work(connection)

    async with state.editing_turns:
        return await run_in_threadpool(run)


async def _done(
    request: Request,
    direct: DirectDep,
    caller: Caller,
    sight: Any,
    *,
    id: int,
    what: Act,
    note: Note,
) -> Response:
    """Do it, where the caller may, and answer what the alarm is now."""
    worker(caller)
    place = await direct.row(queries.place(id, who(caller, sight)))
    if place is None:
        raise NotFound(f"No alarm has the id {id}.", f"没有编号为 {id} 的告警。")
    areas = [] if place.area_id is None else [place.area_id]
    if not caller.may_at(ALARMS_WRITE, areas, place.grid_id):
        raise NotAllowed(
            "This role works elsewhere: the alarm is in none of its areas.",
            "当前角色无权处理该区域的告警。",
        )

    def work(connection: Connection) -> None:
        acting.act(connection, id, what, note.note)

    await changed(request, caller, work)
    return json(await whole(id, direct, caller, sight), **VARY)


def _acting(what: Act, summary: str, says: str) -> None:
    """A route by which something is done with an alarm."""

    async def act(
        id: Id,
        request: Request,
        direct: DirectDep,
        caller: CallerDep,
        sight: SightDep,
        note: Note | None = None,
    ) -> Response:
        return await _done(
            request, direct, caller, sight, id=id, what=what, note=note or Note(note=None)
        )

    act.__name__, act.__doc__ = f"{what}_alarm", says
    router.post(f"/{{id}}/{what}", summary=summary, response_model=WholeAlarm, responses=CONFLICT)(
        act
    )


_acting("acknowledge", "Take an alarm on", "Somebody has seen it and takes care of it.")
_acting("note", "Write something into its history", "It can be added to and never changed.")
_acting(
    "end",
    "End an alarm by hand",
    "Where its condition holds still, the next reading begins another, after the cool-down.",
)
_acting("false", "Mark an alarm as false", "There was nothing: it ends, and counts as false.")
_acting("reopen", "Open an ended alarm again", "It was ended or marked as false by mistake.")
