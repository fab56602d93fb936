"""Entities changed: what is said of them, and where they lead."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from cim.feeds.sensorthings.fields import Body, fields, wrong
from cim.feeds.sensorthings.making import OURS, Maker, free, several
from cim.store.queries.sensorthings import writing as queries
from cim.store.queries.sensorthings.entities import ENTITIES


async def change(maker: Maker, entity: str, id: Any, body: Any, *, whole: bool) -> None:
    """Change what was said; where `whole`, what was not said is nothing any more."""
    found, links = fields(entity, body, ENTITIES[entity].links, whole=whole)
    if entity in ("Datastream", "MultiDatastream"):
        await _stream(maker, entity, int(id), found, links)
        return
    key = int(id) if entity == "ObservedProperty" else free(id)
    for name, given in links.items():
        follow = FOLLOW.get((entity, name))
        if follow is None:
            raise wrong(name, f"is not changed from a {entity}", f"不能从 {entity} 修改")
        await follow(maker, key, given)
    if "geom" in found and entity == "Location":
        await maker.connection.execute(queries.APART, key * 8)
    if found:
        sql = queries.update(entity, tuple(found))
        await maker.connection.execute(sql, *found.values(), key)
    if "geom" in found and entity == "FeatureOfInterest":
        rows = await maker.connection.fetch(queries.STREAMS_OF_FEATURE, key)
        await maker.connection.execute(queries.MEASURE, [row["id"] for row in rows])


async def _places(maker: Maker, key: int, given: Any) -> None:
    await maker.place(key, await maker.all_linked("Location", given, new=False))


async def _things(maker: Maker, key: int, given: Any) -> None:
    for thing in await maker.all_linked("Thing", given, new=False):
        await maker.place(free(thing), [key * 8])


async def _whose(maker: Maker, key: int, given: Any) -> None:
    thing = free(await maker.linked("Thing", given, new=False))
    sql = queries.update("HistoricalLocation", ("thing_id",))
    await maker.connection.execute(sql, thing, key)


async def _were(maker: Maker, key: int, given: Any) -> None:
    places = await maker.all_linked("Location", given, new=False)
    await maker.connection.execute(queries.FORGET, key)
    await maker.connection.execute(queries.REMEMBER, key, places)


FOLLOW: dict[tuple[str, str], Callable[[Maker, int, Any], Awaitable[None]]] = {
    ("Thing", "Locations"): _places,
    ("Location", "Things"): _things,
    ("HistoricalLocation", "Thing"): _whose,
    ("HistoricalLocation", "Locations"): _were,
}
"""Links that may be changed, from where."""

SAID = ("name", "description", "properties")
"""What clients may say of a datastream of a device; all else is the device's."""


async def _stream(maker: Maker, entity: str, key: int, found: Body, links: Body) -> None:
    connection = maker.connection
    more = links or set(found) - set(SAID)
    if more and await connection.fetchval(queries.OF_DEVICES, [key]):
        raise OURS
    for name in ("Thing", "Sensor"):
        if name in links:
            there = await maker.linked(name, links.pop(name), new=False)
            found[name.lower()] = int(there)
    if "ObservedProperty" in links:
        given = links.pop("ObservedProperty")
        there = await maker.linked("ObservedProperty", given, new=False)
        code = await connection.fetchval(queries.CODE, int(there))
        await connection.execute(queries.OBSERVE, code, key)
    if links:
        name = next(iter(links))
        raise wrong(name, f"is not changed from a {entity}", f"不能从 {entity} 修改")
    if "units" in found or "types" in found:
        await _several(maker, key, found)
    if found:
        await connection.execute(queries.say(tuple(found)), *found.values(), key)


async def _several(maker: Maker, key: int, found: Body) -> None:
    row = await maker.connection.fetchrow(queries.PARTS, key)
    known = orjson.loads(row["multi"])
    for name in ("units", "types"):
        if found.get(name) is None:
            found[name] = known[name]
    found["multi"] = several(found, row["parts"])
