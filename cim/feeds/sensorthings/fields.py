"""What a client may say of an entity: its fields and links, checked one by one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import shapely

from cim.errors import BadParameter
from cim.store.queries.sensorthings.asked import said
from cim.store.queries.sensorthings.tokens import checked, moment

Body = dict[str, Any]
LONGEST = 10_000
"""Characters of a text."""


@dataclass(frozen=True)
class Field:
    """One thing that may be said, and how it is read."""

    column: str
    read: Callable[[str, Any], Any]
    required: bool = True


def wrong(name: str, en: str, zh: str) -> BadParameter:
    """What is said of a field that is not taken."""
    return BadParameter(f"{name} {en}.", f"{name} {zh}。")


def text(name: str, given: Any) -> str:
    """A text that a database can keep."""
    if not isinstance(given, str) or len(given) > LONGEST:
        raise wrong(name, f"must be a text of at most {LONGEST:,} characters", "必须为文本")
    if "\0" in given or any("\ud800" <= mark <= "\udfff" for mark in given):
        raise wrong(name, "holds a character that no text has", "含有无效字符")
    return given


def json(name: str, given: Any) -> str:
    """Anything, as JSON that a database can keep."""
    try:
        found = orjson.dumps(given).decode()
    except orjson.JSONEncodeError:
        raise wrong(name, "is nested too deeply", "嵌套过深") from None
    if "\\u0000" in found:
        raise wrong(name, "holds a character that no text has", "含有无效字符")
    return found


def members(name: str, given: Any) -> str | None:
    """An object, as JSON; None stays none."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise wrong(name, "must be an object", "必须为对象")
    return json(name, given)


def units(name: str, given: Any) -> str:
    """A unit of measurement: name, symbol and definition."""
    if not isinstance(given, dict) or set(given) - {"name", "symbol", "definition"}:
        raise wrong(name, "must be an object of name, symbol and definition", "格式错误")
    for each in given.values():
        if each is not None:
            text(name, each)
    return json(name, given)


def instant(name: str, given: Any) -> Any:
    """A moment."""
    if not isinstance(given, str):
        raise wrong(name, "must be a time such as 2026-11-20T08:00:00Z", "时间格式不正确")
    return moment(given, name)


_WORDS = {
    "name": Field("name", text),
    "description": Field("description", text),
    "properties": Field("properties", members, required=False),
}
_CODED = {"encodingType": Field("encoding_type", text)}
_STREAM = _WORDS | {"observationType": Field("observation_type", text)}

FIELDS: dict[str, dict[str, Field]] = {
    "Thing": _WORDS,
    "Location": _WORDS | _CODED | {"location": Field("location", json)},
    "FeatureOfInterest": _WORDS | _CODED | {"feature": Field("feature", json)},
    "Sensor": _WORDS | _CODED | {"metadata": Field("metadata", json)},
    "ObservedProperty": _WORDS | {"definition": Field("definition", text)},
    "HistoricalLocation": {"time": Field("time", instant)},
    "Datastream": _STREAM | {"unitOfMeasurement": Field("unit", units)},
    "MultiDatastream": _STREAM
    | {
        "observationType": Field("observation_type", text, required=False),
        "unitOfMeasurements": Field("units", lambda _, given: given),
        "multiObservationDataTypes": Field("types", lambda _, given: given),
    },
}
"""By entity and name."""

KEPT = {
    "Datastream": {"observedArea", "phenomenonTime", "resultTime"},
    "MultiDatastream": {"observedArea", "phenomenonTime", "resultTime"},
}
"""What the service says itself; a client may send it back, and changes nothing."""


def fields(entity: str, body: Any, links: Any, *, whole: bool) -> tuple[Body, Body]:
    """Columns with what was said, and links; BadParameter for what is missing or unknown.

    Where not `whole`, what was not said stays as it is; else it is nothing.
    """
    if not isinstance(body, dict):
        raise BadParameter("The body must be a JSON object.", "请求体必须为 JSON 对象。")
    known, found, led = FIELDS[entity], {}, {}
    for name, given in body.items():
        if name in known:
            found[known[name].column] = _read(known[name], name, given)
        elif name in links:
            led[name] = given
        elif not ("@iot." in name or name in ("id", "selfLink") or name in KEPT.get(entity, ())):
            raise wrong(said(name), f"is nothing that a {entity} has", f"不是 {entity} 的字段")
    if whole:
        for name, field in known.items():
            if field.required and name not in body:
                raise wrong(name, f"is missing: a {entity} needs it", "为必填项")
            found.setdefault(field.column, None)
    if "encoding_type" in found or "location" in found or "feature" in found:
        _shape(entity, body, found)
    return found, led


def _read(field: Field, name: str, given: Any) -> Any:
    if given is None and field.required:
        raise wrong(name, "must not be null", "不能为空")
    return None if given is None else field.read(name, given)


def _shape(entity: str, body: Body, found: Body) -> None:
    """The geometry of a place that is GeoJSON, beside it as it was given."""
    name = {"Location": "location", "FeatureOfInterest": "feature"}.get(entity)
    if name is None or name not in body:
        return
    given, encoding = body[name], str(body.get("encodingType", "geo+json"))
    if "geo+json" in encoding or isinstance(given, dict):
        found["geom"] = geometry(name, given)
    else:
        found["geom"] = None


def geometry(name: str, given: Any) -> bytes:
    """A geometry or feature of GeoJSON as WKB; BadParameter where it is none."""
    if isinstance(given, dict) and given.get("type") == "Feature":
        given = given.get("geometry")
    try:
        found = shapely.from_geojson(orjson.dumps(given)) if isinstance(given, dict) else None
    except (shapely.GEOSException, ValueError, TypeError):
        found = None
    if found is None or found.is_empty:
        raise wrong(name, "is no geometry of GeoJSON", "不是有效的 GeoJSON 几何")
    west, south, east, north = found.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise wrong(name, "lies outside the globe", "超出经纬度范围")
    return bytes(shapely.to_wkb(checked(found, name), output_dimension=2))
