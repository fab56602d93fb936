"""The way in: from a request's headers and cookie to a caller with rights."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

import orjson
from fastapi import Request
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from api.access import DEMO, Caller, Purpose, is_local, stated_purpose
from api.database.store import Store
from api.security import vouched
from api.security.cookies import session_of
from api.security.origins import check_origin
from api.security.provider import Provider
from cim.errors import NotAllowed, UnknownKey
from cim.privacy import Vault
from cim.security import secrets
from cim.security.rights import RESIDENTS_READ, Rights, read
from cim.security.sessions import Vouched
from cim.settings import Settings
from cim.store.direct import Direct
from cim.store.queries.security import callers as queries

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

CSRF = "x-csrf-token"
"""The header in which a page sends what only it can know of its session."""


FRESH = 30.0
"""Seconds for which purposes are taken to be what they were."""

AT_ONCE = 4
"""Sign-ins that are worked on at the same time: each takes 64 MiB and a processor for a while."""

MOST_TOKENS = 10_000
"""Tokens of a provider that are known to have been kept."""

DEMO_LASTS = timedelta(days=30)
"""How long a demo may run."""

Done = TypeVar("Done")


class Gate:
    """Looks up who calls, in the database and at each request: what was ended is out at once."""

    def __init__(
        self, settings: Settings, store: Store, direct: Direct, engine: Engine, vault: Vault
    ) -> None:
        """Over a store that may read keys and sessions.

        `direct` is the same without a toolkit between, `engine` the same for signing in.
        """
        self.settings, self.store, self.direct = settings, store, direct
        self.engine, self.vault = engine, vault
        self.provider = Provider(settings) if settings.oidc_issuer else None
        self._signing = asyncio.Semaphore(AT_ONCE)
        self._purposes: tuple[float, tuple[Purpose, ...]] = (0.0, ())
        self._demo: str | None = None
        self._tokens = set[bytes]()

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

    async def caller(self, request: Request, *, used: bool = True) -> Caller:
        """Who calls. To ask is no use of a session where `used` is False.

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
            found = await self.signed_in(request, used=used) or await self.local(request)
        request.state.who = found.number
        if "x-purpose" not in headers:
            return found
        return replace(found, purpose=stated_purpose(headers, found.demo, await self.purposes()))

    async def purposes(self) -> tuple[Purpose, ...]:
        """What personal data may be asked for, as it was half a minute ago at most."""
        asked, known = self._purposes
        if monotonic() - asked > FRESH or not known:
            rows = await self.store.rows(queries.purposes())
            known = tuple(Purpose(*row) for row in rows)
            self._purposes = (monotonic(), known)
        return known

    async def bearer(self, secret: str) -> Caller:
        """Whose key this is, or for whom the provider signed it; UnknownKey for anything else."""
        audience = self.settings.oidc_audience
        if self.provider is None or not audience or secret.count(".") != 2:
            return await self.holder(secret)
        claims = await self.provider.claims(secret, audience)
        who = await self.placed(vouched.person(claims, self.settings), claims)
        areas, grids = (None if ids is None else list(ids) for ids in (who.areas, who.grids))
        rights = await self.store.row(queries.claimed_rights(list(who.roles), areas, grids))
        if rights_of(rights).may(RESIDENTS_READ):
            await self.vouch(secret, who, claims)
        return Caller(who.name, rights_of(rights), proof=secret)

    async def vouch(self, secret: str, who: Vouched, claims: dict[str, Any]) -> None:
        """Keep a token that was checked, by its digest: the database takes it for a proof."""
        digest = secrets.digest(secret)
        if digest in self._tokens:
            return
        row: dict[str, Any] = {"digest": digest, "name": who.name, "roles": list(who.roles)}
        row |= {"subject": f"bearer:{who.name}", "areas": who.areas, "grids": who.grids}
        await self.note(queries.vouch(row, datetime.fromtimestamp(int(claims["exp"]), UTC)))
        if len(self._tokens) > MOST_TOKENS:
            self._tokens.clear()
        self._tokens.add(digest)

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
        row = await self.direct.row(queries.by_key(digest=secrets.digest(secret)))
        if row is None:
            raise UnknownKey("This key is not known or has expired.", "此密钥无效或已过期。")
        if row.stale:
            await self.note(queries.used_key(row.id))
        return Caller(row.name, rights_of(row).only(row.scopes), proof=secret, key=row.id)

    async def signed_in(self, request: Request, *, used: bool = True) -> Caller | None:
        """Who is signed in by the cookie; None for nobody, or where the session is over."""
        token = session_of(request, self.settings)
        found = await self.by_token(token, used=used) if token else None
        if found is not None and request.method not in SAFE:
            check_origin(request, self.settings)
            if not secrets.same(request.headers.get(CSRF, ""), str(found.csrf)):
                raise NotAllowed(
                    "This change was not asked for by the page that is signed in: it lacks the "
                    "header X-CSRF-Token of GET /session.",
                    "此更改并非由已登录的页面发出：缺少 GET /session 给出的 X-CSRF-Token 请求头。",
                )
        return found

    async def by_token(self, token: str, *, used: bool = True) -> Caller | None:
        """Whose session this is; None for one that is over."""
        digest = secrets.digest(token)
        row = await self.direct.row(queries.by_session(digest=digest))
        if row is None:
            return None
        if row.stale and used:
            await self.note(queries.used_session(digest))
        return Caller(
            row.name,
            Rights() if row.must_change else rights_of(row),
            account=row.account_id,
            until=row.ends_at,
            csrf=secrets.csrf(token),
            must_change=row.must_change,
            proof=token,
        )

    async def local(self, request: Request) -> Caller:
        """The demo's officer at this machine, else nobody."""
        client = request.client.host if request.client else None
        if self.settings.demo and is_local(request.headers, client):
            return Caller("demo", DEMO, demo=True, proof=await self.demonstrate())
        return Caller()

    async def demonstrate(self) -> str:
        """The token of the demo's officer, made at first need and good for as long as we run."""
        if self._demo is None:
            token = secrets.make_token()
            row: dict[str, Any] = {"digest": secrets.digest(token), "name": "demo"}
            row |= {"subject": "demo", "roles": sorted(DEMO.roles)}
            await self.note(queries.vouch(row, datetime.now(UTC) + DEMO_LASTS))
            self._demo = token
        return self._demo

    async def note(self, statement: Any) -> None:
        """Write that a key or session was used."""
        async with self.store.alone() as connection:
            await connection.execute(statement)


def rights_of(row: Any) -> Rights:
    """The rights that a statement found."""
    return read(orjson.loads(row.rights))
