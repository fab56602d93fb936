"""Sending files, so that what broke off is gone on with: the core of tus 1.0.

Spoken are creation, expiration and termination (https://tus.io/protocols/resumable-upload).
HEAD is answered as GET without its body.
"""

import asyncio
import base64
import binascii
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from re import fullmatch
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.access import Caller
from api.database.store import Store
from api.deps import IntakeDep, IntakeStoreDep, SettingsDep
from api.routes import ABSENT, PROBLEM, PROBLEMS, json
from api.schemas.imports import GROUP, Uploaded, Uploads
from cim.errors import Conflict, InvalidQuery, NotFound, TooLarge
from cim.intake import uploads
from cim.intake.uploads import Place
from cim.settings import Settings
from cim.store.queries import intake as queries

VERSION = "1.0.0"
BYTES = "application/offset+octet-stream"
BINARY = {"type": "string", "format": "binary"}
BLOCK = 1_000_000
"""Bytes that are collected before they are written."""

IDLE = 60.0
"""Seconds without a byte after which a connection is held for lost."""

LEAVING = 5.0
"""Seconds that an earlier request for the same file has to leave."""

TUS = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {**PROBLEM, "description": "No key, or one that is not known"},
    403: {**PROBLEM, "description": "The key lacks the role `intake`"},
}

router = APIRouter(prefix="/uploads", tags=["intake"], responses=PROBLEMS | REFUSALS)

Name = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="name of the upload")]
GroupOf = Annotated[str, Query(pattern=GROUP, description="the group")]
Version = Annotated[str | None, Header(alias="Tus-Resumable", description="1.0.0")]
Spoken = Annotated[
    str,
    Header(alias="Tus-Resumable", description="1.0.0", json_schema_extra={"enum": ["1.0.0"]}),
]
OTHER: dict[int | str, dict[str, Any]] = {412: {**PROBLEM, "description": "Another version of tus"}}


def _bytes(name: str, meaning: str) -> Any:
    """A header that is a number of bytes."""
    return Header(alias=name, ge=0, le=10**15, description=meaning)


Length = Annotated[int, _bytes("Upload-Length", "bytes in all")]
Offset = Annotated[int, _bytes("Upload-Offset", "bytes so far")]


def speak(version: str) -> None:
    """Refuse whoever speaks another version."""
    if version != VERSION:
        raise HTTPException(412, headers={"Tus-Version": VERSION, **TUS})


def read_metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: names and values in Base64; InvalidQuery where it is something else.

    >>> read_metadata("filename 5qW85qCLLnNocA==,partial")
    {'filename': '楼栋.shp', 'partial': ''}
    """
    found: dict[str, str] = {}
    for entry in filter(None, (entry.strip() for entry in header.split(","))):
        name, _, value = entry.partition(" ")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise InvalidQuery(
                "Upload-Metadata must be names with values in Base64 of UTF-8.",
                "Upload-Metadata 须为名称和 Base64 编码的 UTF-8 值。",
            ) from None
    return found


def place(settings: Settings, row: Any) -> Place:
    """Where an upload stands on the disk."""
    return uploads.place_of(settings, row.group_name, row.name, row.file, row.size)


def expiry(settings: Settings, row: Any) -> datetime:
    """Until when an upload is kept that nobody loads."""
    expires: datetime = row.created_at + timedelta(days=settings.upload_days)
    return expires


def describe(settings: Settings, row: Any) -> dict[str, Any]:
    """An upload as it is answered."""
    here = place(settings, row)
    return {
        "id": row.name,
        "group": row.group_name,
        "file": row.file,
        "size": row.size,
        "offset": here.offset,
        "complete": here.complete,
        "expires_at": expiry(settings, row),
    }


def progress(settings: Settings, row: Any) -> dict[str, str]:
    """What tus asks of every answer about an upload."""
    expires = format_datetime(expiry(settings, row).astimezone(UTC), usegmt=True)
    offset = str(place(settings, row).offset)
    return TUS | {"Upload-Offset": offset, "Upload-Expires": expires}


async def found(store: Store, caller: Caller, name: str) -> Any:
    """The caller's upload of that name; NotFound where there is none."""
    row = await store.row(queries.upload_by_name(name, caller.owner))
    if row is None:
        raise NotFound("There is no such upload.", "没有这个上传文件。")
    return row


@router.options("", summary="What the uploads can do", include_in_schema=False)
@router.options("/{name}", include_in_schema=False)
async def options(settings: SettingsDep) -> Response:
    """Asked by clients before they begin; needs no key, for browsers send none."""
    largest = int(settings.upload_largest_gb * uploads.GIGABYTE)
    able = {"Tus-Version": VERSION, "Tus-Extension": "creation,expiration,termination"}
    return Response(status_code=204, headers=TUS | able | {"Tus-Max-Size": str(largest)})


@router.post(
    "",
    summary="Announce a file",
    status_code=201,
    response_class=Response,
    responses={
        **OTHER,
        409: {**PROBLEM, "description": "The group has a file of this name"},
        413: {**PROBLEM, "description": "The file is too large"},
        507: {**PROBLEM, "description": "No room, or too many uploads"},
    },
)
async def announce_upload(
    caller: IntakeDep,
    store: IntakeStoreDep,
    settings: SettingsDep,
    length: Length,
    metadata: Annotated[
        str, Header(alias="Upload-Metadata", max_length=4000, description="filename, group")
    ],
    version: Spoken,
) -> Response:
    """Its bytes follow with PATCH, to the address in `Location`.

    `Upload-Metadata` holds `filename`, and `group`: a UUID made by the caller, the same for files
    that belong together, such as the parts of a shapefile.
    """
    speak(version)
    said = read_metadata(metadata)
    group, file = said.get("group", ""), uploads.clean_name(said.get("filename", ""))
    if not fullmatch(GROUP, group):
        raise InvalidQuery(
            "Upload-Metadata must hold `group`: 8 to 64 letters, digits or dashes, such as a UUID.",
            "Upload-Metadata 须包含 group：8 至 64 个字母、数字或连字符，例如 UUID。",
        )
    name = uuid.uuid4().hex
    try:
        async with store.transaction() as connection:
            await connection.execute(queries.lock_uploads())
            kept = (await connection.execute(queries.kept(caller.owner, group))).one()
            if kept.others:
                raise Conflict("this group is taken; make another.", "该组名已被占用，请换一个。")
            fits = partial(uploads.check_room, settings, length, kept.bytes)
            await run_in_threadpool(fits, kept.groups, kept.files)
            asked = queries.add_upload(
                name, group, file, length, owner=caller.owner, actor=caller.actor
            )
            row = (await connection.execute(asked)).one()
            await run_in_threadpool(uploads.folder_of, settings, group)
            await run_in_threadpool(uploads.create, place(settings, row))
    except IntegrityError:
        raise Conflict(
            f"the group has a file called {file} already; delete that first.",
            f"该组中已有名为 {file} 的文件，请先删除。",
        ) from None
    headers = progress(settings, row) | {"Location": f"/uploads/{name}"}
    return Response(status_code=201, headers=headers)


@router.get("", summary="The files of a group", response_model=Uploads)
async def list_uploads(
    caller: IntakeDep, store: IntakeStoreDep, settings: SettingsDep, group: GroupOf
) -> Response:
    """In order of their names; empty where there are none, or they are somebody else's."""
    rows = await store.rows(queries.uploads_of_group(group, caller.owner))
    files = [await run_in_threadpool(describe, settings, row) for row in rows]
    return json({"uploads": files}, **{"Cache-Control": "no-store"})


@router.get("/{name}", summary="How far a file has come", response_model=Uploaded, responses=ABSENT)
async def read_upload(
    caller: IntakeDep,
    store: IntakeStoreDep,
    settings: SettingsDep,
    name: Name,
    version: Version = None,
) -> Response:
    """With HEAD: the headers alone, `Upload-Offset` above all."""
    row = await found(store, caller, name)
    if version is not None:  # somebody who is about to go on
        await clear(name)
    answer = json(await run_in_threadpool(describe, settings, row))
    answer.headers.update(progress(settings, row) | {"Upload-Length": str(row.size)})
    return answer


@router.patch(
    "/{name}",
    summary="Send bytes",
    status_code=204,
    response_class=Response,
    responses={
        **ABSENT,
        **OTHER,
        409: {**PROBLEM, "description": "The file goes on at another byte, or is being sent"},
        413: {**PROBLEM, "description": "More than was announced"},
        415: {**PROBLEM, "description": "The body is not bytes"},
    },
    openapi_extra={"requestBody": {"required": True, "content": {BYTES: {"schema": BINARY}}}},
)
async def send_upload(
    request: Request,
    caller: IntakeDep,
    store: IntakeStoreDep,
    settings: SettingsDep,
    name: Name,
    offset: Offset,
    version: Spoken,
) -> Response:
    """From byte `Upload-Offset` on, which must be where the file ends; as many as one likes."""
    speak(version)
    if request.headers.get("content-type", "") != BYTES:
        raise HTTPException(415, headers=TUS)
    row = await found(store, caller, name)
    here = place(settings, row)
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and offset + int(announced) > row.size:
        raise TooLarge(
            f"{row.file} has more bytes than the {row.size:,} announced.",
            f"{row.file} 的数据超过了声明的 {row.size:,} 字节。",
        )
    async with turn(name) as leave:
        with uploads.writing(here, offset) as writer:
            try:
                async for block in blocks(request, leave):
                    await run_in_threadpool(writer.write, block)
            finally:
                # What arrived stays, however the connection ended.
                await asyncio.shield(run_in_threadpool(writer.settle))
    return Response(status_code=204, headers=progress(settings, row))


@dataclass(frozen=True)
class Turn:
    """A request that writes a file: told to leave when another comes, and gone in the end."""

    leave: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


TURNS: dict[str, Turn] = {}
"""Who writes which upload now."""


async def clear(name: str) -> None:
    """Have whoever writes an upload leave: it is a connection that its sender gave up, else nobody
    would ask again."""
    if earlier := TURNS.get(name):
        earlier.leave.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVING):
                await earlier.gone.wait()


@asynccontextmanager
async def turn(name: str) -> AsyncIterator[asyncio.Event]:
    """The only writer of an upload until the end of the block, or until the event is set."""
    await clear(name)
    mine = TURNS[name] = Turn()
    try:
        yield mine.leave
    finally:
        mine.gone.set()
        if TURNS.get(name) is mine:
            del TURNS[name]


async def blocks(request: Request, leave: asyncio.Event) -> AsyncIterator[bytes]:
    """The body in blocks; it ends where the connection is lost, silent for long, or given up."""
    collected = bytearray()
    parts = request.stream()
    told = asyncio.ensure_future(leave.wait())
    try:
        while True:
            part = asyncio.ensure_future(anext(parts, b""))
            await asyncio.wait({part, told}, timeout=IDLE, return_when=asyncio.FIRST_COMPLETED)
            if not part.done():
                part.cancel()
                break
            collected += part.result()
            if len(collected) >= BLOCK:
                yield bytes(collected)
                collected.clear()
            if not part.result():
                break
    except ClientDisconnect:
        pass
    finally:
        told.cancel()
    if collected:
        yield bytes(collected)


@router.delete(
    "/{name}",
    summary="Delete a file",
    status_code=204,
    response_class=Response,
    responses={**ABSENT, **OTHER, 409: {**PROBLEM, "description": "A job still needs it"}},
)
async def delete_upload(
    caller: IntakeDep,
    store: IntakeStoreDep,
    settings: SettingsDep,
    name: Name,
    version: Spoken,
) -> Response:
    """Whole or not; what was loaded from it stays in the city."""
    speak(version)
    row = await found(store, caller, name)
    async with store.transaction() as connection:
        await connection.execute(queries.lock_uploads())  # no job may be asked for meanwhile
        if (await connection.execute(queries.jobs_of_group(row.group_name))).first():
            raise Conflict(
                f"{row.file} is being loaded; cancel that first.",
                f"{row.file} 正在载入，请先取消任务。",
            )
        await connection.execute(queries.drop_upload(name))
        await run_in_threadpool(uploads.delete, place(settings, row))
    return Response(status_code=204, headers=TUS)
