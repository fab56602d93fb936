"""Creating, replacing, changing and ending features: OGC API – Features, Part 4.

A change holds for the version that the caller has seen: its ETag comes back in `If-Match`.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import Annotated, Any, TypeVar

import orjson
import shapely
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.deps import CallerDep, SettingsDep, SightDep
from api.ogc.answering import HereDep, RootDep, version_of
from api.ogc.reading import value
from api.ogc.sent import NO_OBJECT, BodyDep, SystemDep, edit_of
from cim.errors import (
    BadParameter,
    NoCondition,
    NotAllowed,
    NotFound,
    Outdated,
    TooMany,
    UnknownKey,
)
from cim.intake import editing
from cim.intake.edits import EDITED, LINKS, Edit, writable
from cim.security.identity import stand_for
from cim.security.rights import FEATURES_WRITE, Rights
from cim.settings import Settings
from cim.store.changes import TYPES
from cim.store.queries import editing as statements
from cim.store.queries.collections import items as queries
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.items import Ask, Sight
from cim.store.queries.collections.shape import Collection
from cim.store.queries.security.callers import record

router = APIRouter(prefix="/ogc", include_in_schema=False)

ABSENT = ("No feature goes by that id.", "没有该标识的要素。")
Done = TypeVar("Done")
LONGEST = 60.0
"""Seconds that a change may take in all."""

QUEUES = 30.0
"""Seconds that a change waits for those before it."""

PLACES = ("areas", "grids")
"""What roles are given for: who could move their borders would widen his own role, so that these
are written by roles for the whole city alone."""


@dataclass(frozen=True)
class Writer:
    """Who writes, to what, and what of it they may see."""

    settings: Settings
    engine: Engine
    turns: asyncio.Semaphore
    caller: Caller
    here: Collection
    sight: Sight
    address: str | None
    request: str | None
    condition: str | None

    async def run(self, work: Callable[..., Done], *what: Any) -> Done:
        """Do something in a thread when it is its turn: who waits in a thread keeps it from others.

        TooMany where that takes too long.
        """
        try:
            async with asyncio.timeout(QUEUES):
                await self.turns.acquire()
        except TimeoutError:
            raise TooMany(
                "Too many features are being changed; try again in a moment.",
                "正在修改的要素过多，请稍后重试。",
                5,
            ) from None
        try:
            return await run_in_threadpool(work, self, *what)
        finally:
            self.turns.release()

    def feature(self, connection: Connection, key: int) -> Any:
        """The feature as this caller sees it; NotFound where there is none."""
        row = connection.execute(queries.feature(Ask(self.here, sight=self.sight), key)).first()
        if row is None:
            raise NotFound(*ABSENT)
        return row

    def check(self, row: Any) -> None:
        """NoCondition or Outdated where the caller has not seen this version."""
        if self.condition is None:
            raise NoCondition(
                "If-Match must name the version that is changed: the ETag of the feature, or *.",
                "必须以 If-Match 注明所修改的版本：要素的 ETag，或 *。",
            )
        known = [each.strip() for each in self.condition.split(",")]
        if "*" not in known and version_of(row) not in known:
            raise Outdated(
                "The feature has changed since; read it again.", "该要素已被修改，请重新读取。"
            )

    def rights(self, connection: Connection, key: int) -> Rights:
        """What the caller may do where this is; NotAllowed where that is not to write it."""
        every, what = self.caller.rights, (FEATURES_WRITE, self.here.name)
        if all(right.where is None for right in every.of(*what)):
            return every
        here = every.at((), ())
        if self.here.name not in PLACES:
            found = connection.execute(statements.standing_in(self.here, key)).one()
            here = every.at(found.areas, found.grids)
        if not here.may(*what):
            raise NotAllowed(
                "This role writes elsewhere: the feature is in none of its areas.",
                "当前角色无权修改该区域的要素。",
            )
        return here

    def check_links(self, connection: Connection, key: int, names: set[str]) -> None:
        """NotAllowed where this was tied to what stands where the caller may not write."""
        what, links = (FEATURES_WRITE, self.here.name), LINKS.get(self.here.name, {})
        every = self.caller.rights.of(*what)
        if names.isdisjoint(links) or any(right.where is None for right in every):
            return
        row = editing.locked(connection, self.here.name, key)._mapping
        tied = {(type_, row[name]) for name, type_ in links.items() if type_}
        if "bind_id" in links:
            tied.add((row["bind_type"], row["bind_id"]))
        for type_, id in tied:
            if id is None:
                continue
            there = COLLECTIONS[TYPES[type_]]
            found = connection.execute(statements.standing_in(there, id)).one()
            if not self.caller.rights.at(found.areas, found.grids).may(*what):
                raise NotAllowed(
                    f"This role writes elsewhere: the {type_} named is in none of its areas.",
                    "当前角色无权将要素关联到该区域的对象。",
                )

    def check_fields(self, rights: Rights, names: set[str] | None) -> None:
        """NotAllowed where these rights are not to write all these; None stands for the whole."""
        allowed = rights.fields(FEATURES_WRITE, self.here.name)
        if allowed is None:
            return
        if names is None:
            raise NotAllowed(
                f"This role writes some properties of {self.here.name}, and ends none.",
                f"当前角色仅可修改{self.here.zh}的部分字段，无权终止。",
            )
        other = sorted(names - allowed)
        if other:
            raise NotAllowed(
                f"This role does not write {other[0]} of {self.here.name}.",
                f"当前角色无权修改 {self.here.zh} 的 {other[0]}。",
            )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Do a change within, as who asks for it; StoreBusy where that takes longer than LONGEST.

        It is done in a thread, so that nobody breaks it off but the database: what it is at then.
        """
        done = Event()
        with self.engine.begin() as connection, ThreadPoolExecutor(1) as watch:
            driver = connection.connection.driver_connection
            assert driver is not None

            def look() -> None:
                wait = LONGEST
                while not done.wait(wait):
                    driver.cancel()
                    wait = 0.2  # between two statements there is nothing to break off

            watch.submit(look)
            try:
                self.begin(connection)
                yield connection
            finally:
                done.set()

    def begin(self, connection: Connection) -> None:
        """Say who acts, for the rules and the log."""
        caller = self.caller
        connection.execute(
            stand_for(
                actor=caller.actor,
                account=caller.account,
                roles=caller.roles,
                where=caller.where(FEATURES_WRITE, self.here.name),
                address=self.address,
                request=self.request,
            )
        )

    def log(self, connection: Connection, event: str, key: int, names: list[str]) -> None:
        """A line in the audit log: which properties, never their values."""
        detail = {"collection": self.here.name, "properties": names}
        kind = EDITED[self.here.name]
        connection.execute(record(event, object_type=kind, object_id=key, detail=detail))


async def writer(
    request: Request,
    settings: SettingsDep,
    caller: CallerDep,
    here: HereDep,
    sight: SightDep,
    if_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Writer:
    """Who writes; UnknownKey or NotAllowed for one who may not."""
    if not caller.known:
        raise UnknownKey(
            "Changing features needs a key: Authorization: Bearer …, or signing in.",
            "修改要素需要密钥（Authorization: Bearer …）或登录。",
        )
    if here.name not in EDITED:
        raise NotAllowed(
            f"{here.name} follow from other data, and are not written by themselves.",
            f"{here.zh}由其他数据推算，不能直接修改。",
        )
    if not caller.may(FEATURES_WRITE, here.name):
        raise NotAllowed(
            f"Changing {here.name} needs the right `{FEATURES_WRITE}`: the role `editor` has it.",
            f"修改{here.zh}需要“{FEATURES_WRITE}”权限（角色 editor）。",
        )
    if not writes(caller, here):
        raise NotAllowed(
            f"Roles are given for {here.name}: who writes them does so in the whole city.",
            f"角色权限按{here.zh}授予，仅全市范围的角色可以修改。",
        )
    return Writer(
        settings,
        request.app.state.editing_engine,
        request.app.state.editing_turns,
        caller,
        here,
        sight,
        request.client.host if request.client else None,
        getattr(request.state, "request_id", None),
        if_match,
    )


WriterDep = Annotated[Writer, Depends(writer)]


def writes(caller: Caller, here: Collection) -> bool:
    """Whether a caller may write such features, somewhere."""
    rights = caller.rights.at((), ()) if here.name in PLACES else caller.rights
    return here.name in EDITED and rights.may(FEATURES_WRITE, here.name)


def key_of(feature: str) -> int:
    """The id in an address; NotFound where it is none."""
    try:
        key: int = value("id", feature, "integer")
    except BadParameter:
        raise NotFound(*ABSENT) from None
    return key


@router.post("/collections/{collection}/items")
async def create(writer: WriterDep, root: RootDep, sent: BodyDep, within: SystemDep) -> Response:
    """A new feature: 201, with its address in `Location`."""
    edit = edit_of(writer.here, None, sent, within, whole=True)
    key, version = await writer.run(_create, edit)
    at = f"{root}/collections/{writer.here.name}/items/{key}"
    return Response(status_code=201, headers={"Location": at, "ETag": version})


def _create(writer: Writer, edit: Edit) -> tuple[int, str]:
    with writer.transaction() as connection:
        said = {name for name, each in edit.properties.items() if each is not None}
        key = editing.write(connection, writer.settings, edit, None)
        names = said | ({"geometry"} if edit.geometry is not None else set())
        writer.check_fields(writer.rights(connection, key), names)
        writer.check_links(connection, key, names)
        writer.log(connection, "feature.create", key, sorted(said))
        return key, version_of(writer.feature(connection, key))


@router.put("/collections/{collection}/items/{feature}")
async def put(writer: WriterDep, feature: str, sent: BodyDep, within: SystemDep) -> Response:
    """The feature becomes what was sent: what is not said of it is nothing."""
    edit = edit_of(writer.here, key_of(feature), sent, within, whole=True)
    return await changed(writer, replace(edit, placed=True))


@router.patch("/collections/{collection}/items/{feature}")
async def patch(writer: WriterDep, feature: str, sent: BodyDep, within: SystemDep) -> Response:
    """What is said of the feature is changed, all else stays (RFC 7396)."""
    if "properties" in sent and sent["properties"] is None:
        raise NO_OBJECT
    return await changed(writer, edit_of(writer.here, key_of(feature), sent, within, whole=False))


async def changed(writer: Writer, edit: Edit) -> Response:
    """204, with the version that the feature has now."""
    version = await writer.run(_change, edit)
    return Response(status_code=204, headers={"ETag": version})


def _change(writer: Writer, edit: Edit) -> str:
    assert edit.key is not None
    with writer.transaction() as connection:
        before, rights = _seen(connection, writer, edit.key)
        names = _touched(edit, before)
        writer.check_fields(rights, names)
        now = editing.locked(connection, writer.here.name, edit.key)
        editing.write(connection, writer.settings, edit, now)
        writer.check_fields(writer.rights(connection, edit.key), names)
        writer.check_links(connection, edit.key, names)
        event = "feature.replace" if edit.whole else "feature.update"
        writer.log(connection, event, edit.key, sorted(names))
        return version_of(writer.feature(connection, edit.key))


def _seen(connection: Connection, writer: Writer, key: int) -> tuple[Any, Rights]:
    """The feature as it stands, which nobody else changes until the transaction ends.

    With what the caller may do there.
    """
    writer.feature(connection, key)
    editing.locked(connection, writer.here.name, key)
    row = writer.feature(connection, key)
    rights = writer.rights(connection, key)
    writer.check(row)
    return row, rights


def _touched(edit: Edit, before: Any) -> set[str]:
    """The properties that are to be others than they are."""
    stood = orjson.loads(before.properties)
    said = dict(edit.properties)
    if edit.whole:
        said = dict.fromkeys(writable(edit.collection.name)) | said
    names = {name for name, each in said.items() if stood.get(name) != each}
    if edit.placed:
        shown = None if before.geometry is None else shapely.from_geojson(before.geometry)
        if not editing.alike(edit.geometry, shown):
            names.add("geometry")
    return names


@router.delete("/collections/{collection}/items/{feature}")
async def delete(writer: WriterDep, feature: str) -> Response:
    """The feature ends: it is kept, and no longer answered."""
    await writer.run(_end, key_of(feature))
    return Response(status_code=204)


def _end(writer: Writer, key: int) -> None:
    with writer.transaction() as connection:
        _, rights = _seen(connection, writer, key)
        writer.check_fields(rights, None)
        now = editing.locked(connection, writer.here.name, key)
        editing.end(connection, writer.settings, writer.here.name, now)
        writer.log(connection, "feature.end", key, [])


@router.options("/collections/{collection}/items")
@router.options("/collections/{collection}/items/{feature}")
async def options(here: HereDep, caller: CallerDep, feature: str | None = None) -> Response:
    """What this caller may do with the features of a collection."""
    may = writes(caller, here)
    more = ["POST"] if feature is None else ["PUT", "PATCH", "DELETE"]
    methods = ["GET", "OPTIONS", *(more if may else [])]
    headers = {"Allow": ", ".join(methods), "Vary": "Authorization, Cookie"}
    if may and feature is not None:
        headers["Accept-Patch"] = "application/merge-patch+json, application/geo+json"
    return Response(status_code=204, headers=headers)
