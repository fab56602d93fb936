"""Answers to what an address asks: sets page by page, entities, properties, references."""

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from api.sensorthings.asking import Question
from cim.errors import NotFound
from cim.store.queries.sensorthings import pages
from cim.store.queries.sensorthings.addresses import NOWHERE
from cim.store.queries.sensorthings.asked import Address, Options, Path, refused
from cim.store.queries.sensorthings.pages import ABSENT, Page, Target
from cim.store.queries.sensorthings.shown import MOST, alone, query

OWN = ("$skiptoken", "$skip")
ARRAYED = ("phenomenonTime", "resultTime", "result")
"""Columns of a `dataArray` where nothing was selected."""


def unpacked(options: Options) -> Options:
    """With the place that a `$skiptoken` names; BadParameter where it is none of ours."""
    if options.after is None:
        return options
    try:
        text = str(options.after[0])
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        found = None
    good = isinstance(found, list) and all(each is None or isinstance(each, str) for each in found)
    if not good or any("\0" in (each or "") for each in found):
        raise refused("$skiptoken", "it is none of this service", "无效")
    return replace(options, after=tuple(found), skip=0)


def token(place: Sequence[str | None]) -> str:
    """The place behind an entity, as callers carry it."""
    return base64.urlsafe_b64encode(orjson.dumps(list(place))).decode().rstrip("=")


def next_link(path: str, options: Options, place: Sequence[str | None]) -> str:
    """The address of the page behind an entity."""
    given = [(name, text) for name, text in options.given if name not in OWN]
    return f"{path}?{query([*given, ('$skiptoken', token(place))])}"


async def collection(by: Question, where: Target, options: Options, path: str) -> bytes:
    """A page of a set."""
    if options.array and where.entity.name == "Observation":
        return await arrays(by, where, options, path)
    full, rows, more = await fetched(by, where, options)
    if not rows:
        await check_parent(by, where)
    head = await heading(by, where, options, more and path, full, rows)
    return head + b'"value":[' + ",".join(row.j for row in rows).encode() + b"]}"


ROOM = 8 << 20
"""Characters of the entities of a page, beyond which it ends before it is full."""

PLAIN = 2000
"""Entities of a page that is read at once, where no sets are expanded within them."""

FAR = 1000
"""Entities that are skipped one by one; of more, where they end is sought first."""


async def fetched(
    by: Question, where: Target, options: Options
) -> tuple[Page, Sequence[Any], bool]:
    """The rows of a page, and whether there are more behind it."""
    if options.skip > FAR:
        behind = await by.rows(pages.place(by.asking, where, options))
        options = replace(options, skip=0, after=tuple(behind[0].k) if behind else None)
        if not behind:
            return replace(pages.page(by.asking, where, options), limit=0), [], False
    page = pages.page(by.asking, where, options)
    if not page.limit:
        return page, [], False
    if page.limit <= PLAIN and alone(where.entity, options):
        rows, more = await by.rows(page.asked), False
    else:
        rows, more = await by.some(page.asked, ROOM)
    return page, rows[: page.limit], more or len(rows) > page.limit


async def heading(
    by: Question, where: Target, options: Options, path: str | bool, page: Page, rows: Sequence[Any]
) -> bytes:
    """What stands before the values: how many there are, and where it goes on."""
    said: dict[str, Any] = {}
    if options.count:
        said["@iot.count"] = (await by.rows(pages.count(by.asking, where, options)))[0][0]
    if path and page.limit:
        said["@iot.nextLink"] = next_link(str(path), options, rows[-1].k)
    return orjson.dumps(said)[:-1] + (b"," if said else b"")


async def check_parent(by: Question, where: Target) -> None:
    """NotFound where a set is empty because what it is a set of is not there."""
    if len(where.steps) > 1:
        parent = Target(where.steps[:-1], False)
        if not await by.rows(pages.one(by.asking, parent, Options(select=("id",)))):
            raise ABSENT


async def arrays(by: Question, where: Target, options: Options, path: str) -> bytes:
    """Readings as rows of columns, a block for each datastream."""
    usual = where.entity.properties if where.entity.nameless else ("id", *ARRAYED)
    names = list(options.select or usual)
    inner = replace(options, select=(*names, "Datastream"), expand={})
    page, rows, more = await fetched(by, where, inner)
    head = await heading(by, where, options, more and path, page, rows)
    blocks: dict[str, list[list[Any]]] = {}
    for row in rows:
        entity = orjson.loads(row.j)
        stream = row_stream(entity)
        values = [entity.get("@iot.id" if name == "id" else name) for name in names]
        blocks.setdefault(stream, []).append(values)
    root = by.asking.root
    value = [
        {
            "Datastream@iot.navigationLink": f"{root}/Datastreams({stream})",
            "components": names,
            "dataArray@iot.count": len(values),
            "dataArray": values,
        }
        for stream, values in blocks.items()
    ]
    return head + b'"value":' + orjson.dumps(value) + b"}"


def row_stream(entity: dict[str, Any]) -> str:
    """The number of the datastream in the link of a reading."""
    link = str(entity.pop("Datastream@iot.navigationLink"))
    return link.rpartition("Observations('")[2].partition("_")[0]


async def single(by: Question, where: Target, options: Options) -> bytes:
    """One entity; NotFound where there is none."""
    rows = await by.rows(pages.one(by.asking, where, options))
    if not rows:
        raise ABSENT
    found: bytes = rows[0].j.encode()
    return found


async def references(by: Question, where: Target, options: Options, path: str) -> bytes:
    """The addresses alone."""
    alone = replace(options, select=("@iot.selfLink",), expand={}, array=False)
    if where.many:
        return await collection(by, where, alone, path)
    return await single(by, where, alone)


async def part(by: Question, where: Target, address: Address) -> Any:
    """The value of a property, or of a part of one; NotFound where there is no such."""
    name, *deeper = address.property
    if where.many or (name not in where.entity.properties and name not in ("id", "@iot.id")):
        raise NOWHERE
    if deeper and where.entity.properties[name].kind not in ("json", "geometry", "any"):
        raise NOWHERE
    found = orjson.loads(await single(by, where, Options(select=(name,))))
    value = found.get("@iot.id" if name == "id" else name)
    for step in deeper:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise NotFound("There is no such property.", "没有该属性。")
    return value


SLICE, AT_ONCE = 5000, 2
"""Entities of a slice, and slices that are asked for at a time, of an answer sent in pieces."""

LONGEST = 2_000_000
"""Entities of the longest answer."""


def walked(where: Target, options: Options) -> bool:
    """Whether a whole set is wanted, longer than a page, in the order of its ids."""
    long = options.top is not None and options.top > MOST
    by_id = not options.order or all(each.by == Path(("id",)) for each in options.order)
    plain = options.filter is None and options.after is None and not options.skip
    plain = plain and alone(where.entity, options)
    up = by_id and not any(each.descending for each in options.order)
    return bool(long and up and plain and len(where.steps) == 1 and where.entity.key.number)


async def pieces(by: Question, where: Target, options: Options, path: str) -> AsyncIterator[bytes]:
    """A long set, piece by piece: no more of it is in memory than two slices."""
    limit = min(options.top or 0, LONGEST)
    head = b""
    if options.count:
        rows = await by.rows(pages.count(by.asking, where, options))
        head = b'"@iot.count":%d,' % rows[0][0]
    yield b"{" + head + b'"value":['
    waiting: deque[asyncio.Task[Sequence[Any]]] = deque()
    first, sent, after, more = True, 0, 0, True
    try:
        while more or waiting:
            if more and len(waiting) < AT_ONCE:
                wanted = min(SLICE, limit - sent)
                last, n = (await by.rows(pages.bound(by.asking, where, after, wanted)))[0]
                if n:
                    asked = pages.slice_(by.asking, where, options, after, last)
                    waiting.append(asyncio.create_task(by.rows(asked)))
                    sent, after = sent + n, last
                more = n == wanted and sent < limit
                continue
            text = (await waiting.popleft())[0].j
            if text:
                yield ("" if first else ",\n").encode() + text.encode()
                first = False
    finally:
        for task in waiting:
            task.cancel()
    if sent == limit:
        place = (
            [str(after)]
            if len(where.entity.key.columns) == 1
            else [str(after >> 3), str(after & 7)]
        )
        yield b'],"@iot.nextLink":' + orjson.dumps(next_link(path, options, place)) + b"}"
    else:
        yield b"]}"
