"""The way in: from a request's headers and cookie to a caller with rights."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from fastapi import Request
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from api.access import DEMO, Caller, is_local, stated_purpose
from api.security import vouched
from api.security.cookies import session_of
from api.security.origins import check_origin
from api.security.provider import Provider
from api.store import Store
from cim.errors import NotAllowed, UnknownKey
from cim.privacy import Vault
from cim.security import secrets
from cim.security.rights import Rights, read
from cim.security.sessions import Vouched
from cim.settings import Settings
from cim.store.queries.security import callers as queries

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

CSRF = "x-csrf-token"
"""The header in which a page sends what only it can know of its session."""


AT_ONCE = 4
"""Sign-ins that are worked on at the same time: each takes 64 MiB and a processor for a while."""

Done = TypeVar("Done")


class Gate:
    """Looks up who calls, in the database and at each request: what was ended is out at once."""

    def __init__(self, settings: Settings, store: Store, engine: Engine, vault: Vault) -> None:
        """Over a store that may read keys and sessions; `engine` is the same for signing in."""
        self.settings, self.store, self.engine, self.vault = settings, store, engine, vault
        self.provider = Provider(settings) if settings.oidc_issuer else None
        self._signing = asyncio.Semaphore(AT_ONCE)

    async def close(self) -> None:
        """Let go of what is held."""
        if self.provider:
            await self.provider.close()

    @property
    def elsewhere(self) -> str | None:
        """What the place is called where people may sign in besides; None for none."""
        return self.provider.name if self.provider else None

    async def run(self, work: Callable[[Connection], Done]) -> Done:
        """Do something in a transaction of its own, in a thread: hashing takes a while.

        What it raises undoes it; what it returns is kept.
        """

        def whole() -> Done:
            with self.engine.begin() as connection:
                return work(connection)

        async with self._signing:
            return await run_in_threadpool(whole)

    async def caller(self, request: Request) -> Caller:
        """Who calls.

        UnknownKey for a key that is none, NotAllowed for a change that a session's page did not
        ask for, InvalidQuery for a purpose that is not on the list.
        """
        headers: Mapping[str, str] = request.headers
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise UnknownKey("Only Bearer keys are accepted.", "仅接受 Bearer 密钥。")
            found = await self.bearer(secret.strip())
        else:
            found = await self.signed_in(request) or self.local(request)
        return replace(found, purpose=stated_purpose(headers, found.demo))

    async def bearer(self, secret: str) -> Caller:
        """Whose key this is, or for whom the provider signed it; UnknownKey for anything else."""
        audience = self.settings.oidc_audience
        if self.provider is None or not audience or secret.count(".") != 2:
            return await self.holder(secret)
        claims = await self.provider.claims(secret, audience)
        who = await self.placed(vouched.person(claims, self.settings), claims)
        areas, grids = (None if ids is None else list(ids) for ids in (who.areas, who.grids))
        rights = await self.store.row(queries.claimed_rights(list(who.roles), areas, grids))
        return Caller(who.name, rights_of(rights))

    async def placed(self, who: Vouched, claims: dict[str, Any]) -> Vouched:
        """The same with the areas and grids that the provider confines them to."""
        codes = vouched.codes(claims, self.settings)
        if codes is None:
            return who
        found = await self.store.row(queries.places(codes))
        assert found is not None  # arrays, of nothing perhaps
        return replace(who, areas=tuple(found.areas), grids=tuple(found.grids))

    async def holder(self, secret: str) -> Caller:
        """Whose key this is; UnknownKey where it is nobody's, or is over."""
        row = await self.store.row(queries.by_key(secrets.digest(secret)))
        if row is None:
            raise UnknownKey("This key is not known or has expired.", "此密钥无效或已过期。")
        if row.stale:
            await self.note(queries.used_key(row.id))
        return Caller(row.name, rights_of(row).only(row.scopes))

    async def signed_in(self, request: Request) -> Caller | None:
        """Who is signed in by the cookie; None for nobody, or where the session is over."""
        token = session_of(request, self.settings)
        found = await self.by_token(token) if token else None
        if found is not None and request.method not in SAFE:
            check_origin(request, self.settings)
            if not secrets.same(request.headers.get(CSRF, ""), str(found.csrf)):
                raise NotAllowed(
                    "This change was not asked for by the page that is signed in: it lacks the "
                    "header X-CSRF-Token of GET /session.",
                    "此更改并非由已登录的页面发出：缺少 GET /session 给出的 X-CSRF-Token 请求头。",
                )
        return found

    async def by_token(self, token: str) -> Caller | None:
        """Whose session this is; None for one that is over."""
        digest = secrets.digest(token)
        row = await self.store.row(queries.by_session(digest))
        if row is None:
            return None
        if row.stale:
            await self.note(queries.used_session(digest))
        return Caller(
            row.name,
            Rights() if row.must_change else rights_of(row),
            account=row.account_id,
            until=row.ends_at,
            csrf=secrets.csrf(token),
            must_change=row.must_change,
        )

    def local(self, request: Request) -> Caller:
        """The demo's officer at this machine, else nobody."""
        client = request.client.host if request.client else None
        if self.settings.demo and is_local(request.headers, client):
            return Caller("demo", DEMO, demo=True)
        return Caller()

    async def note(self, statement: Any) -> None:
        """Write that a key or session was used."""
        async with self.store.alone() as connection:
            await connection.execute(statement)


def rights_of(row: Any) -> Rights:
    """The rights that a statement found."""
    return read(orjson.loads(row.rights))
