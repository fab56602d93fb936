"""`$batch`: several requests in one; change sets are done as a whole or not at all.

A request may name one before it by `$` and its id: in its address, and in its body wherever an
entity is named by its `@iot.id`. Who sends the batch sends every request of it.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote

import asyncpg
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from api.errors import BUSY, problem, public, status_of
from api.sensorthings import routes, writing
from api.sensorthings.asking import Question, QuestionDep, refusal
from api.sensorthings.multipart import (
    Answer,
    Group,
    Part,
    read,
    read_json,
    written,
    written_json,
    wrong,
)
from api.sensorthings.writing import Writer
from cim.errors import BadParameter, CimError, TooLarge
from cim.feeds.sensorthings.making import Maker
from cim.store.direct import some
from cim.store.queries.ready import Asked
from cim.store.queries.sensorthings.addresses import NOWHERE, address
from cim.store.queries.sensorthings.asked import said
from cim.store.queries.sensorthings.entities import NAMES
from cim.store.queries.sensorthings.pages import target

router = APIRouter(prefix="/sta", include_in_schema=False)

Done = TypeVar("Done")
JSON: Final = "application/json"
MIXED: Final = "multipart/mixed"

LONGEST: Final = 30.0
"""Seconds after which no other request of a batch is begun: as long as one may take."""

ROOM: Final = 64 << 20
"""Bytes of all answers of a batch."""

DEEPEST: Final = 40
"""Levels of a body in which entities are named."""

SENT: Final = ("content-type", "prefer")
"""Headers of a request within a batch that mean something; who asks is said of the whole."""

_OURS = re.compile(r"(?:[a-z]+://[^/?]*)?/?(?:[^?'(]*?/)?v1\.1/(.*)", re.S | re.I)
_NAMED = re.compile(r"\$([\w.:,;-]+)")
_AT = re.compile(r"^/?\$([\w.:,;-]+)|\('?\$([\w.:,;-]+)'?\)")


@router.post("/v1.1/$batch")
async def batch(request: Request, by: QuestionDep) -> Response:
    """Several requests, one after the other: 200, with the answer to each."""
    kind = request.headers.get("content-type", "")
    form = kind.partition(";")[0].strip().lower()
    if form not in (MIXED, JSON):
        raise wrong(f"it is neither {MIXED} nor {JSON}", f"须为 {MIXED} 或 {JSON}")
    body = await request.body()
    groups = read(body, kind) if form == MIXED else read_json(body)
    run = Run(request, by)
    done = [(each, await run.group(each)) for each in groups]
    if form == JSON:
        return Response(written_json(done), media_type=JSON)
    answered, kind = written(done)
    return Response(answered, media_type=kind)


@dataclass(frozen=True)
class Entity:
    """What a request made or found, for those that name it."""

    many: str
    id: Any

    @property
    def inner(self) -> str:
        """Its id as it stands in the brackets of an address."""
        return f"'{self.id}'" if isinstance(self.id, str) else str(self.id)


@dataclass(frozen=True)
class Joined(Writer):
    """Who writes in a transaction that is open already."""

    making: Maker

    async def run(self, work: Callable[[Maker], Awaitable[Done]]) -> Done:
        """Do something in it."""
        try:
            return await work(self.making)
        except asyncpg.PostgresError as error:
            raise refusal(error) or error from None


@dataclass(frozen=True)
class Within:
    """Where a question is asked that is to see what its own transaction has made."""

    connection: Any

    async def rows(self, asked: Asked) -> list[Any]:
        """Every row."""
        found: list[Any] = await self.connection.fetch(asked.sql, *asked.values)
        return found

    async def some(self, asked: Asked, room: int) -> tuple[list[Any], bool]:
        """As many of them as there is room for."""
        return await some(self.connection, asked, room)


class UndoneError(Exception):
    """A request of a change set failed: nothing of it is kept."""

    def __init__(self, answer: Answer) -> None:
        """Its answer is that of the change set."""
        super().__init__()
        self.answer = answer


@dataclass
class Run:
    """One batch being done."""

    request: Request
    by: Question
    known: dict[str, Entity | None] = field(default_factory=dict)
    """What the requests so far led to, by their ids; None where one failed or found nothing."""

    room: int = ROOM
    until: float = field(default_factory=lambda: monotonic() + LONGEST)
    """None is begun after that."""

    async def group(self, group: Group) -> list[Answer]:
        """The answers of requests that belong together; of those that were left out there is none.

        Of a change set that failed the last tells why.
        """
        if group.whole and any(part.method != "GET" for part in group.parts):
            return await self.together(group)
        found = [await self.one(part, self.by, None) for part in group.parts if self.wanted(part)]
        return found

    async def together(self, group: Group) -> list[Answer]:
        """The same of a change set."""
        before = dict(self.known)

        async def inside(connection: Any) -> list[Answer]:
            asking = replace(self.by, direct=Within(connection))  # type: ignore[arg-type]  # of it only these are used
            maker = await who.maker(connection)
            joined = Joined(asking, who.direct, who.address, who.request, maker)
            found: list[Answer] = []
            for part in group.parts:
                if self.wanted(part):
                    found.append(await self.one(part, asking, joined))
                    if found[-1].status >= 400:
                        raise UndoneError(found[-1])
            await maker.tell()
            return found

        try:
            who = await writing.writer(self.request, self.by)
            return await who.direct.within(inside)
        except UndoneError as undone:
            failed = undone.answer
        except CimError as error:
            failed = self.failure(group.parts[0], self.request, error)
        self.known = before | {part.id: None for part in group.parts if part.id is not None}
        return [failed]

    def wanted(self, part: Part) -> bool:
        """Whether a request is to be done at all."""
        if part.condition is None:
            return True
        words = part.condition.split()
        there = self.known.get(words[-1].removeprefix("$")) is not None if words else False
        return not there if words[:1] == ["not"] else there

    async def one(self, part: Part, by: Question, writer: Writer | None) -> Answer:
        """The answer to one request."""
        try:
            if monotonic() > self.until:
                raise BUSY
            path, query = located(self.led(part.url))
            request = self.asked(part, path, query)
        except CimError as error:
            return self.kept(part, self.failure(part, self.request, error), "")
        try:
            if part.method == "GET":
                response = await routes.read(request, path, by)
            else:
                writer = writer or await writing.writer(self.request, by)
                response = await self.write(part.method, request, path, writer)
            answer = await self.finished(part, response)
        except CimError as error:
            answer = self.failure(part, request, error)
        return self.kept(part, answer, path)

    async def write(self, method: str, request: Request, path: str, writer: Writer) -> Response:
        """Create, change or end; NotFound for any other method."""
        if method == "POST" and path == "CreateObservations":
            return await writing.create_observations(request, writer)
        if method == "DELETE":
            return await writing.delete(path, writer)
        routes_of = {"POST": writing.create, "PATCH": writing.patch, "PUT": writing.put}
        if method not in routes_of:
            raise NOWHERE
        return await routes_of[method](request, path, writer)

    def led(self, url: str) -> str:
        """An address with what it names by `$` put in; that before the query alone."""
        path, mark, query = url.partition("?")

        def put(match: re.Match[str]) -> str:
            entity = self.named(match[1] or match[2])
            return f"{entity.many}({entity.inner})" if match[1] else f"({entity.inner})"

        if not path.lstrip("/").startswith(("$batch", "$metadata")):
            path = _AT.sub(put, path)
        return path + mark + query

    def named(self, name: str) -> Entity:
        """What a request before made or found; BadParameter where there is none such."""
        found = self.known.get(name)
        if found is None:
            raise BadParameter(
                f"{said('$' + name)} names no request before that led to an entity.",
                f"{said('$' + name)} 未指向之前成功的请求。",
            )
        return found

    def asked(self, part: Part, path: str, query: str) -> Request:
        """A request as if it had come alone."""
        body = part.body
        if b'"$' in body:
            try:
                body = orjson.dumps(self.filled(loaded(body)))
            except orjson.JSONEncodeError:
                raise writing.NO_JSON from None
        headers = [
            (name.encode(), value.encode("latin-1", "replace"))
            for name, value in part.headers.items()
            if name in SENT
        ]
        scope = dict(self.request.scope) | {
            "method": part.method,
            "path": f"/sta/v1.1/{path}",
            "raw_path": quote(f"/sta/v1.1/{path}").encode(),
            "query_string": quote(query, safe="%+&=$()',/;:@!*~?[]").encode(),
            "headers": headers,
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        return Request(scope, receive)

    def filled(self, value: Any, depth: int = 0) -> Any:
        """A body with the ids of what it names by `$`."""
        if isinstance(value, list) and depth < DEEPEST:
            return [self.filled(each, depth + 1) for each in value]
        if not isinstance(value, dict) or depth >= DEEPEST:
            return value
        found = {}
        for name, each in value.items():
            match = _NAMED.fullmatch(each) if name == "@iot.id" and isinstance(each, str) else None
            found[name] = self.named(match[1]).id if match else self.filled(each, depth + 1)
        return found

    async def finished(self, part: Part, response: Response) -> Answer:
        """A response read to its end; TooLarge where all answers of the batch are too long."""
        if isinstance(response, StreamingResponse):
            body = b""
            async for piece in response.body_iterator:
                body += piece if isinstance(piece, bytes) else str(piece).encode()
                self._fits(body)
        else:
            body = bytes(response.body)
            self._fits(body)
        self.room -= len(body)
        kept = ("location", "content-type", "etag")
        headers = {name: response.headers[name] for name in kept if name in response.headers}
        return Answer(part, response.status_code, headers, body)

    def _fits(self, body: bytes) -> None:
        if len(body) > self.room:
            raise TooLarge(
                f"The answers of a batch hold at most {ROOM >> 20} MiB.",
                f"批处理的响应最多 {ROOM >> 20} MiB。",
            )

    def failure(self, part: Part, request: Request, error: CimError) -> Answer:
        """What is answered where a request cannot be done."""
        told = public(error)
        response = problem(request, status_of(error), str(told), told.zh)
        return Answer(part, response.status_code, {"content-type": JSON}, bytes(response.body))

    def kept(self, part: Part, answer: Answer, path: str) -> Answer:
        """The answer, with what it led to remembered for who names it."""
        if part.id is not None:
            self.known[part.id] = led_to(answer, path) if answer.status < 400 else None
        return answer


def loaded(body: bytes) -> Any:
    """A body as JSON; BadParameter where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise writing.NO_JSON from None


def located(url: str) -> tuple[str, str]:
    """Path below the root and query of an address: absolute, below the host, or relative.

    >>> located("/v1.1/Things(1)?$select=name"), located("https://city/sta/v1.1/Things")
    (('Things(1)', '$select=name'), ('Things', ''))
    >>> located("Things('a%20b')")
    ("Things('a b')", '')
    """
    match = _OURS.fullmatch(url)
    path, _, query = (match[1] if match else url.lstrip("/")).partition("?")
    return unquote(path).strip("/"), query


def led_to(answer: Answer, path: str) -> Entity | None:
    """The entity that an answer is about: what was made or changed, or the first that was found."""
    where = answer.headers.get("location")
    if where is not None:
        step = address(where.rpartition("/")[2], NAMES).steps[0]
        return Entity(step.name, step.id)
    found = orjson.loads(answer.body) if answer.body[:1] == b"{" else {}
    listed = found.get("value")
    if isinstance(listed, list):
        found = listed[0] if listed else {}
    if not isinstance(found, dict) or "@iot.id" not in found:
        return None
    return Entity(target(address(path, NAMES)).entity.many, found["@iot.id"])
