"""Signing in and out, passwords and one-time codes; and who the caller is."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from api.access import DEMONSTRATION, Caller
from api.deps import CallerDep, GateDep
from api.routes import PROBLEM, json
from api.schemas.session import Codes, Confirm, NewPassword, Redeem, Session, SignIn
from api.security import cookies
from api.security.gate import Gate
from api.security.origins import check_origin
from cim.errors import NotAllowed, TooMany, UnknownKey
from cim.security import sessions, signing
from cim.security.identity import stand_for
from cim.security.secrets import digest
from cim.security.signing import Attempt, Signed, Slow

router = APIRouter(
    prefix="/session",
    tags=["session"],
    responses={
        401: {**PROBLEM, "description": "Name, password or code is wrong, or a key is not known"},
        403: {**PROBLEM, "description": "The request came from elsewhere, or is not allowed"},
        422: PROBLEM,
    },
)

SLOW: dict[int | str, dict[str, Any]] = {429: {**PROBLEM, "description": "Too many tries of late"}}

PRIVATE = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie"}


async def describe(caller: Caller, gate: Gate) -> dict[str, Any]:
    """A caller as the schema has one."""
    return {
        "actor": caller.actor,
        "roles": sorted(caller.roles),
        "scopes": sorted(caller.rights.scopes),
        "purposes": [
            {"code": one.code, "zh": one.zh, "en": one.en}
            for one in caller.purposes(await gate.purposes())
        ],
        "demo": caller.demo,
        "default_purpose": DEMONSTRATION if caller.demo else None,
        "signed_in": caller.csrf is not None,
        "until": caller.until,
        "csrf": caller.csrf,
        "must_change": caller.must_change,
        "ways": {"password": True, "elsewhere": gate.elsewhere},
    }


@router.get("", summary="Who the caller is, and what X-Purpose may say", response_model=Session)
async def session(caller: CallerDep, gate: GateDep) -> Response:
    """Keys go into the header `Authorization: Bearer …`, purposes into `X-Purpose`.

    A page that is signed in sends `csrf` in `X-CSRF-Token` with whatever changes something.
    """
    return json(await describe(caller, gate), **PRIVATE)


@router.post("", summary="Sign in", response_model=Session, responses=SLOW)
async def sign_in(asked: SignIn, request: Request, gate: GateDep) -> Response:
    """The session's cookie is one no script can read; it is over after disuse, or in the evening.

    A failure says the same whatever was wrong. An earlier session of this browser ends.
    """
    check_origin(request, gate.settings)
    before = cookies.session_of(request, gate.settings)

    def enter(connection: Connection) -> tuple[Signed | Slow | None, str]:
        signed = signing.sign_in(connection, gate.vault, attempt(request, asked))
        if not isinstance(signed, Signed):
            return signed, ""
        if before:
            sessions.end(connection, before)
        return signed, sessions.begin(connection, signed)

    found, token = await gate.run(enter)
    return await answer(admitted(found), token, request, gate)


def attempt(request: Request, asked: SignIn) -> Attempt:
    """A try to sign in, with where it came from."""
    address = request.client.host if request.client else None
    return Attempt(asked.name, asked.password, asked.code, address, request_id(request))


def request_id(request: Request) -> str | None:
    """What the request is called in logs, where it has a name."""
    found: str | None = getattr(request.state, "request_id", None)
    return found


def admitted(found: Signed | Slow | None) -> Signed:
    """Who signed in; TooMany or UnknownKey where nobody did."""
    if isinstance(found, Slow):
        raise TooMany(
            f"Too many tries; wait {found.seconds} seconds.",
            f"尝试次数过多，请等待 {found.seconds} 秒。",
            found.seconds,
        )
    if found is None:
        raise UnknownKey(str(signing.REFUSED), signing.REFUSED.zh)
    return found


async def answer(signed: Signed, token: str, request: Request, gate: Gate) -> Response:
    """Who signed in, and the cookie."""
    caller = await gate.by_token(token)
    assert caller is not None  # it was begun just now
    told = json(await describe(caller, gate), **PRIVATE)
    cookies.keep(told, gate.settings, token)
    return told


@router.delete("", summary="Sign out", status_code=204, response_class=Response)
async def sign_out(request: Request, caller: CallerDep, gate: GateDep) -> Response:
    """The session is over, for whoever has the cookie."""
    token = cookies.session_of(request, gate.settings)

    def leave(connection: Connection) -> None:
        connection.execute(stands(request, caller))
        if token:
            sessions.end(connection, token)

    await gate.run(leave)
    told = Response(status_code=204, headers=PRIVATE)
    cookies.forget(told, gate.settings)
    return told


def stands(request: Request, caller: Caller) -> Any:
    """The statement that says who acts."""
    return stand_for(
        actor=caller.actor,
        account=caller.account,
        roles=caller.roles,
        address=request.client.host if request.client else None,
        request=request_id(request),
    )


@router.put("/password", summary="Change one's password", response_model=Session, responses=SLOW)
async def change(
    asked: NewPassword, request: Request, caller: CallerDep, gate: GateDep
) -> Response:
    """By who is signed in and knows the old one; every other session of the account ends."""
    token = cookies.session_of(request, gate.settings)
    if caller.account is None or token is None:
        raise NotAllowed("Sign in to change your password.", "请先登录再修改密码。")
    known = SignIn(name=str(caller.actor), password=asked.old, code=asked.code)

    def renew(connection: Connection) -> Signed | Slow | None:
        signed = signing.sign_in(connection, gate.vault, attempt(request, known))
        if isinstance(signed, Signed):
            connection.execute(stands(request, caller))
            signing.change(connection, signed, asked.new, digest(token))
        return signed

    return await answer(admitted(await gate.run(renew)), token, request, gate)


@router.post("/link", summary="Set a password by a one-time link", response_model=Session)
async def redeem(asked: Redeem, request: Request, gate: GateDep) -> Response:
    """And sign in with it. A link sets one password, once."""
    check_origin(request, gate.settings)

    def enter(connection: Connection) -> tuple[Signed, str]:
        connection.execute(stands(request, Caller()))
        signed = signing.redeem(connection, asked.link, asked.password)
        return signed, sessions.begin(connection, signed)

    signed, token = await gate.run(enter)
    return await answer(signed, token, request, gate)


def signed_in(caller: Caller) -> Signed:
    """The account of who is signed in; NotAllowed for anybody else."""
    if caller.account is None or caller.must_change:
        raise NotAllowed("Sign in first.", "请先登录。")
    return Signed(caller.account, str(caller.actor), "", caller.rights, must_change=False)


@router.post("/codes", summary="A secret for one-time codes", response_model=Codes)
async def begin_codes(caller: CallerDep) -> Response:
    """Nothing is kept before a code made from it is shown (`PUT`)."""
    secret, address = signing.begin_codes(signed_in(caller))
    return json({"secret": secret, "address": address}, **PRIVATE)


@router.put("/codes", summary="Sign in with codes from now on", status_code=204)
async def confirm_codes(
    asked: Confirm, request: Request, caller: CallerDep, gate: GateDep
) -> Response:
    """The code must be one of the secret."""
    signed = signed_in(caller)

    def keep(connection: Connection) -> None:
        connection.execute(stands(request, caller))
        signing.confirm_codes(connection, gate.vault, signed, asked.secret, asked.code)

    await gate.run(keep)
    return Response(status_code=204, headers=PRIVATE)


@router.post("/codes/end", summary="Sign in without codes again", status_code=204, responses=SLOW)
async def end_codes(asked: SignIn, request: Request, caller: CallerDep, gate: GateDep) -> Response:
    """By who is signed in and shows the password and a last code."""
    mine = signed_in(caller)
    known = asked.model_copy(update={"name": mine.name})

    def leave(connection: Connection) -> Signed | Slow | None:
        signed = signing.sign_in(connection, gate.vault, attempt(request, known))
        if isinstance(signed, Signed):
            connection.execute(stands(request, caller))
            signing.end_codes(connection, signed)
        return signed

    admitted(await gate.run(leave))
    return Response(status_code=204, headers=PRIVATE)
