"""Readings that clients send, with all that SensorThings lets them say of them.

Those of devices are held against their streams as every reading is; those of datastreams that
clients made are taken as they come. All go the one road in: `cim.feeds.writing`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import orjson

from cim.codes.persons import refused
from cim.codes.units import conversion
from cim.errors import BadParameter, CimError, Conflict
from cim.feeds import writing
from cim.feeds.alarms.judge import judge
from cim.feeds.fitting import EARLIEST, Shape, fit, limits, timely
from cim.feeds.reading import Fault, Reading
from cim.feeds.reasons import REASONS
from cim.feeds.sensorthings.fields import Body, json, members, text, wrong
from cim.feeds.sensorthings.making import Maker, end_readings, narrow
from cim.feeds.writing import Letter, Lot, Row
from cim.store.queries.sensorthings import writing as queries
from cim.store.queries.sensorthings.asked import said
from cim.store.queries.sensorthings.terms import moment_of
from cim.store.queries.sensorthings.tokens import interval, moment

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
KNOWN = {
    "phenomenonTime", "resultTime", "result", "resultQuality", "validTime", "parameters",
    "Datastream", "MultiDatastream", "FeatureOfInterest",
}  # fmt: skip
AHEAD = 7 * 86_400_000_000
"""Microseconds ahead of our clock that a client's own stream may be: days are made so far ahead."""

EXACT = 2**53
"""Whole numbers up to which a double says them exactly."""


@dataclass
class Said:
    """What a client says of one reading."""

    stream: int
    at: datetime
    value: float | None = None
    words: str | None = None
    rich: str | None = None
    """A result that is neither number nor text, as JSON."""

    until: datetime | None = None
    result_time: datetime | None = None
    result_quality: str | None = None
    valid: tuple[datetime | None, datetime | None] = (None, None)
    parameters: str | None = None
    feature: int | None = None
    quality: int = 0

    @property
    def id(self) -> str:
        """The id of the reading."""
        return f"{self.stream}_{microseconds(self.at)}"

    def more(self) -> tuple[Any, ...]:
        """What is kept beside the value."""
        return (
            self.until, self.result_time, self.rich, self.result_quality, *self.valid,
            self.parameters, self.feature,
        )  # fmt: skip


def microseconds(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - FIRST) // timedelta(microseconds=1)


async def observe(maker: Maker, bodies: list[Body]) -> list[str]:
    """Take readings in, all or none; their ids."""
    found = [await said_in(maker, body) for body in bodies]
    outcome = await take(maker, found)
    for each in outcome:
        if isinstance(each, CimError):
            raise each
    return [str(each) for each in outcome]


async def said_in(maker: Maker, body: Any) -> Said:
    """What a body says; BadParameter for what is missing or cannot be."""
    if not isinstance(body, dict):
        raise BadParameter("The body must be a JSON object.", "请求体必须为 JSON 对象。")
    check_names(body, whole=True)
    streams = [name for name in ("Datastream", "MultiDatastream") if body.get(name) is not None]
    if len(streams) != 1:
        raise wrong("Datastream", "is missing: an Observation needs it", "为必填项")
    stream = int(await maker.linked(streams[0], body[streams[0]]))
    found = Said(stream, maker.now)
    read_times(found, body)
    read_result(found, body["result"])
    read_more(found, body)
    if body.get("FeatureOfInterest") is not None:
        found.feature = int(await maker.linked("FeatureOfInterest", body["FeatureOfInterest"]))
    return found


def check_names(body: Body, *, whole: bool) -> None:
    """BadParameter for what an Observation has not, and where it lacks its result."""
    for name in body:
        if name not in KNOWN and "@iot." not in name and name != "id":
            raise wrong(said(name), "is nothing that an Observation has", "不是 Observation 的字段")
    if whole and "result" not in body:
        raise wrong("result", "is missing: an Observation needs it", "为必填项")


def read_times(found: Said, body: Body) -> None:
    """When it was, when it came about, and when it holds."""
    when = body.get("phenomenonTime")
    if when is not None:
        found.at, found.until = _period("phenomenonTime", when)
    if body.get("resultTime") is not None:
        found.result_time = moment(_text("resultTime", body["resultTime"]), "resultTime")
    if body.get("validTime") is not None:
        begin, end = _period("validTime", body["validTime"])
        found.valid = (begin, end or begin)


def _text(name: str, given: Any) -> str:
    return text(name, given)


def _period(name: str, given: Any) -> tuple[datetime, datetime | None]:
    words = text(name, given)
    if "/" not in words:
        return moment(words, name), None
    begin, end = interval(words, name)
    return begin, end if end != begin else None


def read_result(found: Said, result: Any) -> None:
    """A number, a text, or anything else as JSON."""
    plain = not isinstance(result, bool)
    if isinstance(result, int | float) and plain and abs(result) <= EXACT:
        found.value = float(result)
    elif isinstance(result, float) and isfinite(result):
        found.value = result
    elif isinstance(result, str):
        found.words = text("result", result)
    else:
        found.rich = json("result", result)
        found.value = float(result) if isinstance(result, bool) else None


def read_more(found: Said, body: Body) -> None:
    """Quality and parameters, where something is said of them."""
    if "resultQuality" in body:
        given = body["resultQuality"]
        found.result_quality = None if given is None else json("resultQuality", given)
    if "parameters" in body:
        found.parameters = members("parameters", body["parameters"])


@dataclass
class Lots:
    """Readings on their way: what is written, and of which it is."""

    rows: list[Row] = field(default_factory=list)
    of: list[Said] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


async def take(maker: Maker, found: list[Said], *, correct: bool = False) -> list[str | CimError]:
    """Write readings; of each its id, or why it did not come in."""
    keys = list({each.stream for each in found})
    streams = {row["id"]: row for row in await maker.connection.fetch(queries.STREAM, keys)}
    outcome: list[str | CimError] = [each.id for each in found]
    lots, now = Lots(), time.time_ns() // 1000
    for place, each in enumerate(found):
        fault = fitted(each, streams[each.stream], now)
        if fault is None and not correct and each.feature is None:
            fault = _nowhere(streams[each.stream])
        if fault is not None:
            outcome[place] = fault
            continue
        lots.rows.append(
            (each.stream, microseconds(each.at), each.value, each.words, each.quality, now, place)
        )
        lots.of.append(each)
    await _write(maker, lots, streams, outcome, correct=correct)
    return outcome


def fitted(each: Said, stream: Any, now: int) -> CimError | None:
    """Hold a reading of a device against its stream; one of a client's stays as it came."""
    if (reason := refused(stream["observed_property"])) is not None:
        return refusal(Fault(reason))
    if stream["free"]:
        return _kept(microseconds(each.at), now) or _several(each, stream)
    fault = timely(microseconds(each.at), now, stream["days"])
    if fault is not None:
        return refusal(fault)
    least, most = limits(stream["low"], stream["high"]).values()
    shape = Shape(stream["result_type"], stream["unit_ucum"], least, most, stream["days"])
    reading = Reading("", "", value=each.value, text=each.words or each.rich)
    if each.rich and stream["result_type"] == "boolean":
        reading = Reading("", "", value=each.value)
    kept = fit(shape, reading, conversion)
    if isinstance(kept, Fault):
        return refusal(kept)
    each.value, each.words, each.quality = kept
    each.rich = None
    return None


def _nowhere(stream: Any) -> CimError | None:
    """BadParameter for a reading of nothing: its stream is of a Thing that is nowhere."""
    if not stream["free"] or stream["placed"]:
        return None
    return wrong(
        "FeatureOfInterest",
        "is missing: its Thing has no Location that it could be made of",
        "为必填项：其 Thing 没有 Location",
    )


def _kept(at: int, now: int) -> CimError | None:
    """BadParameter for a time that no reading is kept of."""
    if EARLIEST <= at <= now + AHEAD:
        return None
    return wrong(
        "phenomenonTime",
        "must lie between the year 2000 and seven days from now",
        "须在 2000 年至七天之后之间",
    )


def _several(each: Said, stream: Any) -> CimError | None:
    if not stream["multi"]:
        return None
    found = orjson.loads(each.rich) if each.rich else None
    if not isinstance(found, list) or len(found) != stream["parts"]:
        return wrong("result", f"must be a list of {stream['parts']}", "须为与观测属性等长的列表")
    return None


def refusal(fault: Fault) -> CimError:
    """What a client is told of a reading that is not taken."""
    en, zh = REASONS.get(fault.reason, (fault.reason, fault.reason))
    more = f" ({fault.detail})" if fault.detail else ""
    return BadParameter(f"result: {en}{more}.", f"result：{zh}{more}。")


async def _write(
    maker: Maker, lots: Lots, streams: Any, outcome: list[str | CimError], *, correct: bool
) -> None:
    if not lots.rows:
        return
    watched = {key for key, row in streams.items() if row["ruled"]}
    lot = Lot([], list(lots.rows), watched) if correct else Lot(list(lots.rows), [], watched)

    def explain(_rows: Sequence[Row], _reason: str, _detail: str) -> Letter | None:
        return None  # whoever sent it is told at once

    written = await writing.write(maker.connection, lot, set(), explain, judge)
    for row in written.differing:
        outcome[row[6]] = Conflict(
            "There is another result of that time; PATCH that one to correct it.",
            "该时间已有不同的结果；如需更正请使用 PATCH。",
        )
    for row, kind in written.refused:
        outcome[row[6]] = BadParameter(
            f"The reading cannot be stored: {kind}.", f"读数无法存储：{kind}。"
        )
    kept = [each for row, each in zip(lots.rows, lots.of, strict=True)
            if not isinstance(outcome[row[6]], CimError)]  # fmt: skip
    for each in kept:
        await _beside(maker, each, streams[each.stream], correct=correct)
    free = {each.stream for each in kept if streams[each.stream]["free"]}
    for stream in sorted(free):
        await _widen(maker, stream, [each for each in kept if each.stream == stream])


async def _widen(maker: Maker, stream: int, readings: list[Said]) -> None:
    """Where and when the readings of a stream were made takes these in."""
    features = list({each.feature for each in readings if each.feature is not None})
    times = [each.result_time for each in readings if each.result_time is not None]
    if features or times:
        first, last = min(times, default=None), max(times, default=None)
        await maker.connection.execute(queries.WIDEN, stream, features, first, last)


async def _beside(maker: Maker, each: Said, stream: Any, *, correct: bool) -> None:
    if each.feature is None and stream["free"] and stream["place"] is not None:
        each.feature = await feature_of(maker, stream["place"])
    if correct or any(one is not None for one in each.more()):
        await maker.connection.execute(queries.READING, each.stream, each.at, *each.more())


async def feature_of(maker: Maker, place: int) -> int:
    """The feature made of a Location: the object of the city that it is, or one made once."""
    if place & 7:
        return place
    row = await maker.connection.fetchrow(queries.FEATURE, place >> 3)
    made: int = row["id"] * 8
    if row["new"]:
        maker.told.append(f"FeatureOfInterest {made}")
    return made


async def change(maker: Maker, id: Any, body: Any, *, whole: bool) -> None:
    """Correct a reading; its time and its stream are what it is, and stay."""
    parts = moment_of(id) or [(0, ""), (FIRST, "")]
    stream, at = int(parts[0][0]), parts[1][0]
    if not isinstance(body, dict):
        raise BadParameter("The body must be a JSON object.", "请求体必须为 JSON 对象。")
    row = await maker.connection.fetchrow(queries.KNOWN, stream, at)
    found = Said(stream, at, row["result"], row["result_text"], row["rich"])
    found.until, found.feature, found.quality = row["until"], row["feature"], row["quality"] or 0
    if not whole:
        found.result_time, found.result_quality = row["result_time"], row["result_quality"]
        found.valid = (row["valid_from"], row["valid_to"])
        found.parameters = row["parameters"]
    await _said_anew(maker, found, body, whole=whole)
    outcome = await take(maker, [found], correct=True)
    if isinstance(outcome[0], CimError):
        raise outcome[0]
    if (found.feature, found.result_time) != (row["feature"], row["result_time"]):
        await narrow(maker, [(stream, row["feature"], row["result_time"])])


async def _said_anew(maker: Maker, found: Said, body: Body, *, whole: bool) -> None:
    check_names(body, whole=whole)
    at = found.at
    read_times(found, body)
    if found.at != at:
        raise wrong("phenomenonTime", "is what a reading goes by, and stays", "不可修改")
    for name in ("Datastream", "MultiDatastream"):
        given = body.get(name)
        if given and int(await maker.linked(name, given, new=False)) != found.stream:
            raise wrong(name, "is what a reading goes by, and stays", "不可修改")
    if "result" in body:
        found.value = found.words = found.rich = None
        found.quality = 0
        read_result(found, body["result"])
    read_more(found, body)
    if body.get("FeatureOfInterest") is not None:
        given = body["FeatureOfInterest"]
        found.feature = int(await maker.linked("FeatureOfInterest", given, new=False))


async def end(maker: Maker, id: Any) -> None:
    """Take a reading away."""
    parts = moment_of(id)
    if parts is not None:
        await end_readings(maker, [(parts[0][0], parts[1][0])])
