"""The rules that alarms are raised by: read, written, tried."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from api.access import Caller
from api.deps import CallerDep
from api.params import Id
from api.routes import ABSENT, PROBLEMS, json
from api.routes.alarms import changed, worker
from api.routes.observations import check_period
from api.schemas.alarms import Override, Rule, RuleIn, RuleList, TrialIn, Tried, WholeRule
from cim.errors import NotAllowed
from cim.feeds.alarms import rules
from cim.feeds.alarms.trial import Sight, tried
from cim.security.rights import ALARMS_WRITE, CITY_READ, LIVING_READ

router = APIRouter(tags=["alarms"], responses=PROBLEMS | ABSENT)

SHOWN = tuple(Rule.model_fields)
WEEK = timedelta(days=7)


async def ruler(caller: CallerDep) -> Caller:
    """A caller who may see and write rules: they are the whole city's."""
    worker(caller)
    if caller.where(ALARMS_WRITE) is not None:
        raise NotAllowed(
            "Rules are the whole city's; this role is for a part of it.",
            "告警规则适用于全市，当前角色仅限部分区域。",
        )
    return caller


RulerDep = Annotated[Caller, Depends(ruler)]


def shown(row: Any) -> dict[str, Any]:
    """A rule as it is answered."""
    return {name: row._mapping[name] for name in SHOWN} | {"scope": row.scope or {}}


def _whole(connection: Connection, id: int) -> dict[str, Any]:
    row = rules.one(connection, id)
    return shown(row) | {"overrides": rules.overrides(connection, id)}


@router.get("/alarm-rules", summary="The rules there are", response_model=RuleList)
async def alarm_rules(request: Request, caller: RulerDep) -> Response:
    """Those that come with the program, as the city has made them, and its own."""
    found = await changed(request, caller, lambda c: [shown(row) for row in rules.listed(c)])
    return json({"rules": found})


@router.post(
    "/alarm-rule-trials", summary="How often a rule would have fired", response_model=Tried
)
async def try_rule(request: Request, caller: RulerDep, trial: TrialIn) -> Response:
    """Judges the readings that are kept of a time, a week unless said; nothing is written.

    For rules of type threshold, rate and state. Readings of devices in units are left out without
    the right `living.read` in the whole city, those of devices that are not public without being
    cleared for them there.
    """
    check_period(trial.since, trial.until)  # before a week is taken from it
    until = trial.until or datetime.now(UTC)
    since = trial.since or until - WEEK
    check_period(since, until)
    said = trial.rule.model_dump()
    homes = caller.may(LIVING_READ) and caller.where(LIVING_READ) is None
    cleared = [r.secrecy for r in caller.rights.of(CITY_READ, "devices") if r.where is None]
    sight = Sight(homes, max(cleared, default=0))
    found = await changed(request, caller, lambda c: tried(c, said, since, until, sight))
    return json({"since": since, "until": until} | vars(found))


@router.post("/alarm-rules", summary="Add a rule", response_model=WholeRule, status_code=201)
async def add_rule(request: Request, caller: RulerDep, rule: RuleIn) -> Response:
    """The next reading of each stream is judged by it."""

    def work(connection: Connection) -> dict[str, Any]:
        id = rules.add(connection, rule.model_dump(), caller.actor)
        return _whole(connection, id)

    made = await changed(request, caller, work)
    headers = {"Location": f"/alarm-rules/{made['id']}"}
    return Response(orjson.dumps(made), 201, headers, "application/json")


@router.get("/alarm-rules/{id}", summary="One rule", response_model=WholeRule)
async def alarm_rule(id: Id, request: Request, caller: RulerDep) -> Response:
    """With the streams for which it is another."""
    return json(await changed(request, caller, lambda c: _whole(c, id)))


@router.put("/alarm-rules/{id}", summary="Make a rule another", response_model=WholeRule)
async def put_rule(id: Id, request: Request, caller: RulerDep, rule: RuleIn) -> Response:
    """The next reading is judged by what it is then; what is open ends by that, or goes on."""

    def work(connection: Connection) -> dict[str, Any]:
        rules.change(connection, id, rule.model_dump(), caller.actor)
        return _whole(connection, id)

    return json(await changed(request, caller, work))


@router.delete("/alarm-rules/{id}", summary="Take a rule away", status_code=204)
async def end_rule(id: Id, request: Request, caller: RulerDep) -> Response:
    """Its alarms end; what they were stays in their history."""
    await changed(request, caller, lambda c: rules.end(c, id, caller.actor))
    return Response(status_code=204)


@router.put(
    "/alarm-rules/{id}/streams/{datastream}",
    summary="Another limit for one stream",
    status_code=204,
)
async def override_rule(
    id: Id, datastream: Id, request: Request, caller: RulerDep, override: Override
) -> Response:
    """What is not said of the condition is as for all."""

    def work(connection: Connection) -> None:
        rules.override(connection, id, datastream, override.condition, override.enabled)

    await changed(request, caller, work)
    return Response(status_code=204)


@router.delete(
    "/alarm-rules/{id}/streams/{datastream}", summary="As for all again", status_code=204
)
async def settle_rule(id: Id, datastream: Id, request: Request, caller: RulerDep) -> Response:
    """The rule is for this stream what it is for all."""
    await changed(request, caller, lambda c: rules.settle(c, id, datastream))
    return Response(status_code=204)
