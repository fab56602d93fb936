"""Signing in at an OpenID Connect provider: by authorization code, with PKCE."""

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from api.access import Caller
from api.deps import GateDep
from api.routes.session import stands
from api.security import cookies, vouched
from api.security.gate import Gate
from api.security.provider import Provider, refused
from cim.errors import NotAllowed, NotFound
from cim.security import sessions
from cim.security.secrets import same
from cim.store.queries.security.callers import record

router = APIRouter(prefix="/session/elsewhere", include_in_schema=False)
"""Pages that a browser is led through, not answers that a client reads."""

SEEN = {"Cache-Control": "no-store"}


def provider(gate: Gate) -> Provider:
    """The provider; NotFound where none is configured."""
    if gate.provider is None:
        raise NotFound("People sign in here by password only.", "本系统仅支持密码登录。")
    return gate.provider


def back(request: Request, gate: Gate) -> str:
    """Where the provider sends people back to."""
    home = gate.settings.public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return f"{home}/session/elsewhere/back"


@router.get("")
async def leave(request: Request, gate: GateDep) -> Response:
    """Sends the browser there. What it must bring back is kept in a cookie of ten minutes."""
    place = provider(gate)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": gate.settings.oidc_client_id,
        "redirect_uri": back(request, gate),
        "scope": gate.settings.oidc_scope,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    address = (await place.document())["authorization_endpoint"]
    told = RedirectResponse(
        f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", 302, headers=SEEN
    )
    cookies.remember(told, gate.settings, f"{state}.{nonce}.{verifier}")
    return told


@router.get("/back")
async def come_back(
    request: Request,
    gate: GateDep,
    code: Annotated[str, Query(max_length=4096, description="what the provider gave")] = "",
    state: Annotated[str, Query(max_length=200, description="what this browser was given")] = "",
    iss: Annotated[str | None, Query(max_length=500, description="who the provider is")] = None,
) -> Response:
    """For the browser that was sent there, once; then it is in the viewer, signed in."""
    place = provider(gate)
    kept = cookies.remembered(request, gate.settings).split(".")
    if len(kept) != 3 or not same(kept[0], state) or iss not in (None, place.issuer):
        raise NotAllowed(
            "This sign-in was not begun in this browser, or too long ago: begin again.",
            "此次登录并非由本浏览器发起或已超时，请重新登录。",
        )
    _, nonce, verifier = kept
    if not code:
        raise refused()
    proof, access = await place.exchange(code, verifier, back(request, gate))
    claims = await place.claims(proof, gate.settings.oidc_client_id)
    if not same(str(claims.get("nonce", "")), nonce):
        raise refused()
    said = await place.person(access)
    if said.get("sub") == claims["sub"]:
        claims = said | claims
    who = await gate.placed(vouched.person(claims, gate.settings), claims)
    before = cookies.session_of(request, gate.settings)

    def enter(connection: Connection) -> str:
        connection.execute(stands(request, Caller(actor=who.name)))
        connection.execute(
            record("sign_in", object_type="provider", detail={"roles": list(who.roles)})
        )
        if before:
            sessions.end(connection, before)
        return sessions.begin(connection, who)

    token = await gate.run(enter)
    told = RedirectResponse(f"{gate.settings.public_url}/", 302, headers=SEEN)
    cookies.keep(told, gate.settings, token)
    cookies.forget(told, gate.settings, "begun")
    return told
