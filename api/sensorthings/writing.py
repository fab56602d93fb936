"""Creating, changing and ending entities; readings, single and many at once.

Each request is one transaction; what the city itself says is not changed here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import asyncpg
import jsonpatch
import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.sensorthings import answers
from api.sensorthings.asking import Question, QuestionDep, refusal
from cim.errors import BadParameter, CimError, InvalidQuery, NotAllowed, UnknownKey
from cim.feeds.sensorthings import changing, making, readings
from cim.feeds.sensorthings.making import INVERSE, Maker
from cim.security.rights import DEVICES_WRITE
from cim.store.direct import Direct
from cim.store.queries.sensorthings import pages
from cim.store.queries.sensorthings import writing as queries
from cim.store.queries.sensorthings.addresses import NOWHERE, address
from cim.store.queries.sensorthings.asked import Options
from cim.store.queries.sensorthings.entities import ENTITIES, NAMES
from cim.store.queries.sensorthings.pages import Target, target

router = APIRouter(prefix="/sta", include_in_schema=False)

Done = TypeVar("Done")
JSON = "application/json"
PATCH = "application/json-patch+json"
NO_JSON = BadParameter("The body is no JSON.", "请求体不是有效的 JSON。")


@dataclass(frozen=True)
class Writer:
    """Who writes, and on what."""

    by: Question
    direct: Direct
    address: str
    request: str

    async def run(self, work: Callable[[Maker], Awaitable[Done]]) -> Done:
        """Do something in a transaction; what the database cannot work with is refused."""

        async def inside(connection: Any) -> Done:
            maker = await self.maker(connection)
            done = await work(maker)
            await maker.tell()
            return done

        try:
            return await self.direct.within(inside)
        except asyncpg.PostgresError as error:
            raise refusal(error) or error from None

    async def maker(self, connection: Any) -> Maker:
        """What makes entities in this transaction, in the name of who calls."""
        caller = self.by.caller
        account = "" if caller.account is None else str(caller.account)
        roles = ",".join(sorted(caller.roles))
        who = (caller.actor or "", account, roles, self.address, self.request)
        await connection.execute(queries.STAND, *who)
        return Maker(connection, self.by.asking, readings.observe)

    async def log(self, maker: Maker, event: str, entity: str, id: Any) -> None:
        """A line in the audit log; readings are no lines of it."""
        if entity != "Observation":
            if event in ("update", "replace"):
                maker.told.append(f"{entity} {id}")
            detail = orjson.dumps({"entity": entity, "id": id}).decode()
            number = id if isinstance(id, int) else None
            await maker.connection.execute(
                queries.RECORD, f"sensorthings.{event}", "sensorthings", number, detail
            )


async def writer(request: Request, by: QuestionDep) -> Writer:
    """Who writes; UnknownKey or NotAllowed for one who may not."""
    if not by.caller.known:
        raise UnknownKey(
            "Writing through SensorThings needs a key: Authorization: Bearer …, or signing in.",
            "通过 SensorThings 写入需要密钥（Authorization: Bearer …）或登录。",
        )
    if not by.caller.may(DEVICES_WRITE) or by.caller.where(DEVICES_WRITE) is not None:
        raise NotAllowed(
            f"Writing through SensorThings needs the right `{DEVICES_WRITE}` in the whole city: "
            "the role `devices` has it.",
            f"通过 SensorThings 写入需要全市范围的“{DEVICES_WRITE}”权限（角色 devices）。",
        )
    return Writer(
        by,
        request.app.state.sensing,
        request.client.host if request.client else "",
        str(getattr(request.state, "request_id", "")),
    )


WriterDep = Annotated[Writer, Depends(writer)]


async def body_of(request: Request) -> Any:
    """The JSON that was sent; BadParameter where it is none."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise NO_JSON from None


def link_to(writer: Writer, entity: str, id: Any) -> str:
    """The address of an entity."""
    inner = f"'{id}'" if isinstance(id, str) else str(id)
    return f"{writer.by.asking.root}/{ENTITIES[entity].many}({inner})"


@router.post("/v1.1/CreateObservations")
async def create_observations(request: Request, writer: WriterDep) -> Response:
    """Readings of several datastreams as rows of columns: of each its address, or `error`."""
    given = await body_of(request)
    if not isinstance(given, list):
        raise BadParameter("The body must be a list of blocks.", "请求体必须为数据块列表。")
    bodies: list[Any] = []
    for block in given:
        bodies += rows_of(block)
        if len(bodies) > making.MOST:
            raise BadParameter(
                f"More than {making.MOST:,} readings.", f"读数超过 {making.MOST:,} 条。"
            )

    async def work(maker: Maker) -> list[str | CimError]:
        return await observed(maker, bodies)

    outcome = await writer.run(work)
    told = ["error" if isinstance(e, CimError) else link_to(writer, "Observation", e)
            for e in outcome]  # fmt: skip
    return Response(orjson.dumps(told), 201, media_type=JSON)


def rows_of(block: Any) -> list[Any]:
    """The readings of a block; BadParameter where it is none."""
    good = isinstance(block, dict) and isinstance(block.get("components"), list)
    if not good or not isinstance(block.get("dataArray"), list):
        raise BadParameter("A block has components and a dataArray.", "数据块缺少字段。")
    stream = {n: block[n] for n in ("Datastream", "MultiDatastream") if n in block}
    names = [str(each) for each in block["components"]]
    found: list[Any] = []
    for row in block["dataArray"]:
        whole = isinstance(row, list) and len(row) == len(names)
        found.append(_body(stream, names, row) if whole else None)
    return found


def _body(stream: dict[str, Any], names: list[str], row: list[Any]) -> dict[str, Any]:
    body = dict(stream)
    for name, value in zip(names, row, strict=True):
        if name == "FeatureOfInterest/id":
            body["FeatureOfInterest"] = {"@iot.id": value}
        elif value is not None or name == "result":
            body[name] = value
    return body


async def observed(maker: Maker, bodies: list[Any]) -> list[str | CimError]:
    """Take readings in, as many of them as can be."""
    outcome: list[str | CimError] = []
    said, places = [], []
    for place, body in enumerate(bodies):
        try:
            said.append(await readings.said_in(maker, body))
            places.append(place)
            outcome.append("")
        except InvalidQuery as error:
            outcome.append(error)
    if said:
        taken = await readings.take(maker, said)
        for place, each in zip(places, taken, strict=True):
            outcome[place] = each
    return outcome


@router.post("/v1.1/{path:path}")
async def create(request: Request, path: str, writer: WriterDep) -> Response:
    """A new entity, with all that is named within it: 201, with its address."""
    found = address(path, NAMES)
    where = target(found)
    if not where.many or found.property or found.references or found.raw:
        raise NOWHERE
    body = await body_of(request)
    entity = where.entity.name

    async def work(maker: Maker) -> Any:
        whole = await below(maker, where, body)
        id = await maker.create(entity, whole)
        await writer.log(maker, "create", entity, id)
        return id

    id = await writer.run(work)
    at = link_to(writer, entity, id)
    return Response(b"{}", 201, headers={"Location": at}, media_type=JSON)


async def below(maker: Maker, where: Target, body: Any) -> Any:
    """A body with the link to what it is posted below."""
    if len(where.steps) == 1 or not isinstance(body, dict):
        return body
    (parent, _, _), (_, link, _) = where.steps[-2:]
    back = INVERSE.get((parent.name, link.name)) if link else None
    if back is None or back == "HistoricalLocations":
        raise NOWHERE
    me = {"@iot.id": await id_of(maker, Target(where.steps[:-1], False))}
    named = body.get(back)
    if isinstance(named, dict) and named.get("@iot.id", me["@iot.id"]) != me["@iot.id"]:
        raise BadParameter(
            f"{back} is another than the one it is posted below.", f"{back} 与请求地址不一致。"
        )
    return body | {back: [me] if back.endswith("s") else me}


async def id_of(maker: Maker, where: Target) -> Any:
    """The id of the entity that an address leads to; NotFound where there is none."""
    asked = pages.one(maker.asking, where, Options(select=("id",)))
    row = await maker.connection.fetchrow(asked.sql, *asked.values)
    if row is None:
        raise pages.ABSENT
    return orjson.loads(row["j"])["@iot.id"]


def entity_at(path: str) -> Target:
    """The one entity that an address leads to; NotFound where it is another address."""
    found = address(path, NAMES)
    where = target(found)
    if where.many or found.property or found.references or found.raw:
        raise NOWHERE
    return where


@router.patch("/v1.1/{path:path}")
async def patch(request: Request, path: str, writer: WriterDep) -> Response:
    """What is said is changed, all else stays; or a JSON Patch (RFC 6902)."""
    where = entity_at(path)
    body = await body_of(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() == PATCH:
        body = await patched(writer.by, where, body)
    return await changed(writer, where, body, whole=False)


@router.put("/v1.1/{path:path}")
async def put(request: Request, path: str, writer: WriterDep) -> Response:
    """The entity becomes what was sent: what is not said of it is nothing."""
    return await changed(writer, entity_at(path), await body_of(request), whole=True)


async def patched(by: Question, where: Target, steps: Any) -> dict[str, Any]:
    """The properties that a JSON Patch changes, as they are after it."""
    answer = await answers.single(by, where, Options())
    own, copied = (_said(where, orjson.loads(answer)) for _ in range(2))
    after = applied(copied, steps)
    if not isinstance(after, dict):
        raise BadParameter("The patch leaves no entity.", "补丁结果无效。")
    return {n: after.get(n) for n in own | after if own.get(n) != after.get(n)}


def _said(where: Target, entity: dict[str, Any]) -> dict[str, Any]:
    """What is said of an entity, without its links."""
    known = where.entity.properties
    missing = {"properties": None} if "properties" in known else {}
    return missing | {name: each for name, each in entity.items() if name in known}


MOST_STEPS, LARGEST, ALL_STEPS = 1000, 1_000_000, 10_000_000
"""Steps of a JSON Patch; bytes of what one makes, which may be twice as much, and all together."""


def applied(entity: dict[str, Any], steps: Any) -> Any:
    """What a JSON Patch makes of an entity; BadParameter where it cannot be applied.

    >>> applied({"name": "a"}, [{"op": "copy", "from": "/name", "path": "/description"}])
    {'name': 'a', 'description': 'a'}
    """
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise BadParameter(
            f"A JSON Patch is a list of at most {MOST_STEPS:,} steps.",
            f"JSON Patch 须为至多 {MOST_STEPS:,} 步的列表。",
        )
    after, room = entity, ALL_STEPS
    try:
        for step in steps:
            after = jsonpatch.apply_patch(after, [step], in_place=True)
            made = len(orjson.dumps(after))
            room -= made
            if made > LARGEST or room < 0:
                most = LARGEST if made > LARGEST else ALL_STEPS
                raise BadParameter(
                    f"The patch makes more than {most:,} bytes.", f"补丁结果超过 {most:,} 字节。"
                )
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise BadParameter(
            f"The patch cannot be applied: {type(error).__name__}.", "无法应用该补丁。"
        ) from None
    return after


async def changed(writer: Writer, where: Target, body: Any, *, whole: bool) -> Response:
    """200, with the entity's address."""
    entity = where.entity.name

    async def work(maker: Maker) -> Any:
        id = await id_of(maker, where)
        if entity == "Observation":
            await readings.change(maker, id, body, whole=whole)
        else:
            await changing.change(maker, entity, id, body, whole=whole)
        await writer.log(maker, "replace" if whole else "update", entity, id)
        return id

    id = await writer.run(work)
    at = link_to(writer, entity, id)
    return Response(b"{}", headers={"Location": at}, media_type=JSON)


@router.delete("/v1.1/{path:path}")
async def delete(path: str, writer: WriterDep) -> Response:
    """The entity ends, with what cannot be without it."""
    where = entity_at(path)
    entity = where.entity.name

    async def work(maker: Maker) -> None:
        id = await id_of(maker, where)
        if entity == "Observation":
            await readings.end(maker, id)
        else:
            await making.end(maker, entity, id)
        await writer.log(maker, "end", entity, id)

    await writer.run(work)
    return Response(status_code=200, content=b"", media_type=JSON)
