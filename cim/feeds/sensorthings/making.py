"""Entities that clients make, change and end, with all that hangs on them, in one transaction."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from cim.errors import BadParameter, Conflict, NotAllowed
from cim.feeds.news import chunks
from cim.feeds.sensorthings.fields import Body, fields, wrong
from cim.store.queries.sensorthings import pages
from cim.store.queries.sensorthings import writing as queries
from cim.store.queries.sensorthings.asked import Options, Step, said
from cim.store.queries.sensorthings.entities import ENTITIES
from cim.store.queries.sensorthings.objects import FREE
from cim.store.queries.sensorthings.shape import Asking

OURS = NotAllowed(
    "Objects and devices of the city are not changed through SensorThings: their features are, "
    "at /ogc/collections.",
    "城市对象与设备不能通过 SensorThings 修改，请使用 /ogc/collections。",
)
INVERSE = {
    ("Thing", "Locations"): "Things",
    ("Thing", "Datastreams"): "Thing",
    ("Thing", "MultiDatastreams"): "Thing",
    ("Thing", "HistoricalLocations"): "Thing",
    ("Location", "Things"): "Locations",
    ("Location", "HistoricalLocations"): "Locations",
    ("HistoricalLocation", "Locations"): "HistoricalLocations",
    ("Datastream", "Observations"): "Datastream",
    ("MultiDatastream", "Observations"): "MultiDatastream",
    ("Sensor", "Datastreams"): "Sensor",
    ("Sensor", "MultiDatastreams"): "Sensor",
    ("ObservedProperty", "Datastreams"): "ObservedProperty",
    ("ObservedProperty", "MultiDatastreams"): "ObservedProperties",
    ("FeatureOfInterest", "Observations"): "FeatureOfInterest",
}
"""By which link what is made below an entity leads back to it."""

MOST = 10_000
"""Entities that one request makes."""

Observe = Callable[["Maker", list[Body]], Awaitable[list[Any]]]


@dataclass
class Maker:
    """One transaction of a client's."""

    connection: Any
    """Of the driver, in a transaction."""

    asking: Asking
    observe: Observe
    """What takes readings in."""

    made: int = 0
    told: list[str] = field(default_factory=list)
    """What was made or changed: `Thing 8`."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    there: set[tuple[str, int | str]] = field(default_factory=set)
    """What was named and is there: thousands of readings name the same datastream."""

    async def create(self, entity: str, body: Any) -> Any:
        """The id of a new entity; what is named within it is made too."""
        self.made += 1
        if self.made > MOST:
            raise BadParameter(f"More than {MOST:,} entities at once.", "一次创建的实体过多。")
        if entity == "Observation":
            return (await self.observe(self, [body]))[0]
        found, links = fields(entity, body, ENTITIES[entity].links, whole=True)
        id = await MAKERS[entity](self, found, links)
        self.told.append(f"{entity} {id}")
        return id

    async def tell(self) -> None:
        """Have who listens told of it, when the transaction is through."""
        if self.told:
            await self.connection.execute(queries.TELL, chunks(self.told))
            self.told.clear()

    async def linked(self, entity: str, given: Any, *, new: bool = True) -> Any:
        """The id of an entity that is named by its id, or made; BadParameter for neither."""
        if isinstance(given, dict) and "@iot.id" in given:
            await self.check(entity, given["@iot.id"])
            return given["@iot.id"]
        if not isinstance(given, dict) or not new:
            raise wrong(entity, 'must be named by its id: {"@iot.id": …}', "须以 @iot.id 引用")
        return await self.create(entity, given)

    async def check(self, entity: str, id: Any) -> None:
        """BadParameter where there is no such entity, or the caller does not see it."""
        if not isinstance(id, int | str) or isinstance(id, bool):
            raise wrong("@iot.id", "must be a number or a text", "必须为数字或文本")
        if (entity, id) in self.there:
            return
        step = (ENTITIES[entity], None, Step(entity, id))
        try:
            asked = pages.one(self.asking, pages.Target((step,), False), Options(select=("id",)))
            row = await self.connection.fetchrow(asked.sql, *asked.values)
        except type(pages.ABSENT):
            row = None
        if row is None:
            raise BadParameter(
                f"There is no {entity} of the id {said(str(id))}.",
                f"没有编号为 {said(str(id))} 的 {entity}。",
            )
        self.there.add((entity, id))

    async def all_linked(self, entity: str, given: Any, *, new: bool = True) -> list[Any]:
        """The same of a list."""
        if not isinstance(given, list):
            raise wrong(entity, "must be a list", "必须为列表")
        return [await self.linked(entity, each, new=new) for each in given]

    async def children(self, entity: str, id: Any, links: Body, *names: str) -> None:
        """Make what is named below a new entity."""
        for name in names:
            given = links.pop(name, None) or []
            if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
                raise wrong(name, "must be a list of entities", "必须为实体列表")
            below = ENTITIES[entity].links[name].to
            back = INVERSE[entity, name]
            me: Any = {"@iot.id": id}
            inner = [each | {back: [me] if back.endswith("s") else me} for each in given]
            if below == "Observation":
                self.made += len(inner)
                if inner:
                    await self.observe(self, inner)
                continue
            for each in inner:
                await self.create(below, each)

    async def place(self, thing: int, locations: list[int], at: datetime | None = None) -> None:
        """Where a Thing is from now on; it is remembered that it was there."""
        await self.connection.execute(queries.UNPLACE, thing)
        await self.connection.execute(queries.PLACE, thing, locations)
        if at is None and locations:
            sql = queries.insert("HistoricalLocation", ("thing_id", "time"))
            history = await self.connection.fetchval(sql, thing, self.now)
            self.told.append(f"HistoricalLocation {history * 8}")
            await self.connection.execute(queries.REMEMBER, history, locations)

    async def insert(self, entity: str, found: Body) -> int:
        """A new row of an entity's table."""
        made: int = await self.connection.fetchval(
            queries.insert(entity, tuple(found)), *found.values()
        )
        return made


def free(id: Any) -> int:
    """The key of an entity that a client made; NotAllowed for one of the city's."""
    number = int(id)
    if number & 7 != FREE:
        raise OURS
    return number >> 3


def required(links: Body, name: str, entity: str) -> Any:
    """A link that an entity needs; BadParameter where it is missing."""
    if links.get(name) is None:
        raise wrong(name, f"is missing: a {entity} needs it", "为必填项")
    return links.pop(name)


async def _thing(maker: Maker, found: Body, links: Body) -> int:
    key = await maker.insert("Thing", found)
    if "Locations" in links:
        at = await maker.all_linked("Location", links.pop("Locations"))
        await maker.place(key, at)
    await maker.children(
        "Thing", key * 8, links, "HistoricalLocations", "Datastreams", "MultiDatastreams"
    )
    return key * 8


async def _location(maker: Maker, found: Body, links: Body) -> int:
    key = await maker.insert("Location", found)
    for each in links.pop("Things", None) or []:
        if isinstance(each, dict) and "@iot.id" in each:
            await maker.check("Thing", each["@iot.id"])
            await maker.place(free(each["@iot.id"]), [key * 8])
        else:
            await maker.children("Location", key * 8, {"Things": [each]}, "Things")
    await maker.children("Location", key * 8, links, "HistoricalLocations")
    return key * 8


async def _history(maker: Maker, found: Body, links: Body) -> int:
    thing = free(await maker.linked("Thing", required(links, "Thing", "HistoricalLocation")))
    places = await maker.all_linked("Location", links.pop("Locations", []))
    newest = await maker.connection.fetchval(queries.IS_NEWEST, thing, found["time"])
    key = await maker.insert("HistoricalLocation", {"thing_id": thing} | found)
    await maker.connection.execute(queries.REMEMBER, key, places)
    if newest and places:
        await maker.place(thing, places, found["time"])
    return key * 8


async def _sensor(maker: Maker, found: Body, links: Body) -> int:
    key = await maker.insert("Sensor", found)
    await maker.children("Sensor", key * 8, links, "Datastreams", "MultiDatastreams")
    return key * 8


async def _observed(maker: Maker, found: Body, links: Body) -> int:
    key = await maker.insert("ObservedProperty", found)
    await maker.children("ObservedProperty", key, links, "Datastreams", "MultiDatastreams")
    return key


async def _feature(maker: Maker, found: Body, links: Body) -> int:
    key = await maker.insert("FeatureOfInterest", found)
    await maker.children("FeatureOfInterest", key * 8, links, "Observations")
    return key * 8


RESULTS = {
    "OM_Measurement": "number",
    "OM_CountObservation": "number",
    "OM_TruthObservation": "boolean",
    "OM_CategoryObservation": "code",
}


async def _stream(maker: Maker, found: Body, links: Body) -> int:
    observed = await maker.linked(
        "ObservedProperty", required(links, "ObservedProperty", "Datastream")
    )
    return await _upstream(maker, "Datastream", found, links, [int(observed)])


async def _multi(maker: Maker, found: Body, links: Body) -> int:
    given = required(links, "ObservedProperties", "MultiDatastream")
    observed = [int(each) for each in await maker.all_linked("ObservedProperty", given)]
    found["multi"] = several(found, len(observed))
    if found.get("observation_type") is None:
        base = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
        found["observation_type"] = base + "OM_ComplexObservation"
    return await _upstream(maker, "MultiDatastream", found, links, observed)


def several(found: Body, count: int) -> str:
    """Units and types of a MultiDatastream, one for each of what is observed."""
    units, types = found.pop("units"), found.pop("types")
    for name, given in (("unitOfMeasurements", units), ("multiObservationDataTypes", types)):
        if not isinstance(given, list) or len(given) != count or not count:
            raise wrong(name, f"must be a list of {count}, one a property", "须与观测属性一一对应")
    if not all(isinstance(each, str) for each in types):
        raise wrong("multiObservationDataTypes", "must be texts", "必须为文本")
    if not all(isinstance(each, dict) for each in units):
        raise wrong("unitOfMeasurements", "must be objects", "必须为对象")
    return orjson.dumps({"units": units, "types": types}).decode()


async def _upstream(
    maker: Maker, entity: str, found: Body, links: Body, observed: list[int]
) -> int:
    thing = int(await maker.linked("Thing", required(links, "Thing", entity)))
    sensor = int(await maker.linked("Sensor", required(links, "Sensor", entity)))
    code = await maker.connection.fetchval(queries.CODE, observed[0])
    type_ = str(found["observation_type"]).rpartition("/")[2]
    unit = orjson.loads(found["unit"]) if found.get("unit") else {}
    key: int = await maker.connection.fetchval(
        queries.NEW_STREAM,
        found["name"],
        code,
        unit.get("symbol"),
        RESULTS.get(type_, "text"),
        "gauge" if type_ == "OM_Measurement" else "state",
    )
    said_of = found | {"thing": thing, "sensor": sensor}
    await maker.connection.execute(queries.say(tuple(said_of)), *said_of.values(), key)
    if entity == "MultiDatastream":
        await maker.connection.execute(queries.PART, key, observed)
    await maker.children(entity, key, links, "Observations")
    return key


MAKERS: dict[str, Callable[[Maker, Body, Body], Awaitable[int]]] = {
    "Thing": _thing,
    "Location": _location,
    "HistoricalLocation": _history,
    "Sensor": _sensor,
    "ObservedProperty": _observed,
    "FeatureOfInterest": _feature,
    "Datastream": _stream,
    "MultiDatastream": _multi,
}


async def end(maker: Maker, entity: str, id: Any) -> None:
    """End an entity, and what cannot be without it."""
    connection = maker.connection
    maker.there.clear()
    if entity in ("Datastream", "MultiDatastream"):
        await end_streams(maker, [int(id)])
        return
    key = int(id) if entity == "ObservedProperty" else free(id)
    if entity in queries.STREAMS_OF:
        rows = await connection.fetch(queries.STREAMS_OF[entity], key)
        await end_streams(maker, [row["id"] for row in rows])
    if entity == "Location":
        await connection.execute(queries.UNPLACED, key * 8)
        await connection.execute(queries.APART, key * 8)
    if entity == "FeatureOfInterest":
        rows = await connection.fetch(queries.READINGS_OF_FEATURE, key)
        await end_readings(maker, [(row["id"], row["at"]) for row in rows])
    await connection.execute(queries.DELETE[entity], key)


async def end_streams(maker: Maker, streams: list[int]) -> None:
    """End datastreams with their readings; Conflict where one is a device's."""
    if not streams:
        return
    if await maker.connection.fetchval(queries.OF_DEVICES, streams):
        raise Conflict(
            "A datastream of a device of the city stays as long as the device does.",
            "设备的数据流随设备存在，不能删除。",
        )
    for statement in queries.END_STREAMS:
        await maker.connection.execute(statement, streams)


async def end_readings(maker: Maker, readings: list[tuple[int, datetime]]) -> None:
    """Take readings away; latest values and sums follow."""
    if not readings:
        return
    connection = maker.connection
    streams, times = ([one[part] for one in readings] for part in (0, 1))
    await connection.execute(queries.HOLD, streams)
    gone = await connection.fetch(queries.END_SAID, streams, times)
    for statement in queries.END_READINGS:
        await connection.execute(statement, streams, times)
    await narrow(maker, [tuple(row) for row in gone])


async def narrow(maker: Maker, gone: Iterable[tuple[int, int | None, datetime | None]]) -> None:
    """Where and when leave out readings that are gone: stream, feature, resultTime of each."""
    features: dict[int, set[int]] = {}
    results: dict[int, list[datetime]] = {}
    for stream, feature, result_time in gone:
        features.setdefault(stream, set()).update(() if feature is None else (feature,))
        results.setdefault(stream, []).extend(() if result_time is None else (result_time,))
    for stream in sorted(features):
        at, times = list(features[stream]), results[stream]
        if at or times:
            edges = min(times, default=None), max(times, default=None)
            await maker.connection.execute(queries.HOLD_SAID, stream)
            await maker.connection.execute(queries.NARROW, stream, at, *edges)
