"""Webhooks: who is told of alarms and sent readings over HTTP; for administrators."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.deps import CallerDep, SettingsDep
from api.params import LARGEST_ID, Id
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.routes.alarms import changed
from api.schemas.webhooks import (
    Again,
    DeadLetters,
    NewWebhook,
    WebhookChange,
    WebhookIn,
    Webhooks,
)
from cim.errors import NotAllowed, UnknownKey
from cim.feeds.webhooks import hooks
from cim.feeds.webhooks.filters import filter_of
from cim.privacy import open_vault

router = APIRouter(tags=["alarms"], responses=PROBLEMS | ABSENT)
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {**PROBLEM, "description": "There is one of that name already"}
}
SECRET = {"Cache-Control": "no-store"}


async def administrator(caller: CallerDep) -> Caller:
    """The system or the security administrator; UnknownKey or NotAllowed for any other."""
    if not caller.known:
        raise UnknownKey("Webhooks need signing in.", "管理推送需要登录。")
    if not hats(caller):
        raise NotAllowed(
            "That is for the system and the security administrator.",
            "此操作仅限系统管理员和安全管理员。",
        )
    return caller


AdminDep = Annotated[Caller, Depends(administrator)]


def hats(caller: Caller) -> frozenset[str]:
    """What a caller administers, of what webhooks are decided on by."""
    return frozenset(scope for scope in hooks.EVERYTHING if caller.may(scope))


@router.get("/webhooks", summary="Who is told of alarms", response_model=Webhooks)
async def webhooks(request: Request, caller: AdminDep) -> Response:
    """With how many messages wait, and how many were given up; never a secret."""
    return json({"webhooks": await changed(request, caller, hooks.listed)})


@router.post(
    "/webhooks",
    summary="Tell somebody of alarms, or send readings",
    response_model=NewWebhook,
    status_code=201,
    responses=CONFLICT,
)
async def add_webhook(
    request: Request, caller: AdminDep, settings: SettingsDep, hook: WebhookIn
) -> Response:
    """From now on. The secret is in this answer alone.

    Messages are signed as Standard Webhooks has it, sent in order, at least once, and for a day and
    a half again where they fail. Into networks of our own only those go that the settings name.
    With `readings` in the filter readings are sent too. A filter that has homes, secrecy, or who
    goes in and out in it, is for the security administrator.
    """
    vault = await run_in_threadpool(open_vault, settings)

    def work(connection: Connection) -> dict[str, Any]:
        id, secret = hooks.add(connection, vault, hook.name, hook.url, hook.filter, caller.actor)
        return {"id": id, "secret": secret}

    hooks.allow(hats(caller), filter_of(hook.filter))
    made = await changed(request, caller, work)
    headers = SECRET | {"Location": f"/webhooks/{made['id']}"}
    return Response(orjson.dumps(made), 201, headers, "application/json")


@router.get("/dead-webhooks", summary="Messages that were given up", response_model=DeadLetters)
async def dead_letters(
    request: Request,
    caller: AdminDep,
    webhook: Annotated[
        int | None, Query(ge=1, le=LARGEST_ID, description="of the webhook of that id")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most messages answered")] = 100,
) -> Response:
    """Oldest first; they can be sent again."""
    found = await changed(request, caller, lambda c: hooks.dead(c, webhook, limit))
    return json({"dead": found})


@router.patch("/webhooks/{id}", summary="Change a webhook", response_model=NewWebhook)
async def change_webhook(
    id: Id, request: Request, caller: AdminDep, settings: SettingsDep, change: WebhookChange
) -> Response:
    """What is not said stays; with `secret` it gets a new one, which is in this answer alone.

    For a day messages are signed with the secret before too, unless `at_once` is true.
    """
    vault = await run_in_threadpool(open_vault, settings)
    said = change.model_dump()
    allowed = hats(caller)
    fresh = await changed(request, caller, lambda c: hooks.change(c, vault, id, said, allowed))
    return json({"id": id, "secret": fresh}, **SECRET)


@router.delete("/webhooks/{id}", summary="Tell somebody no more", status_code=204)
async def end_webhook(id: Id, request: Request, caller: AdminDep) -> Response:
    """What waits for them is dropped."""
    await changed(request, caller, lambda c: hooks.end(c, id))
    return Response(status_code=204)


@router.post("/webhooks/{id}/again", summary="Send what was given up again", response_model=Again)
async def send_again(
    id: Id,
    request: Request,
    caller: AdminDep,
    delivery: Annotated[
        int | None, Query(ge=1, le=LARGEST_ID, description="one message alone, by its id")
    ] = None,
) -> Response:
    """One message, or all of this webhook."""
    count = await changed(request, caller, lambda c: hooks.again(c, id, delivery))
    return json({"waiting": count})
