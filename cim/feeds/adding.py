"""Feeds as people make them: what comes by which topic in which format, and what is where in it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from cim.codes.units import is_unit
from cim.errors import BadMapping, InvalidQuery, NotFound, SourceError
from cim.feeds.decoders import DECODERS
from cim.feeds.types import CLASSES
from cim.feeds.written import json_of
from cim.security import secrets
from cim.store.queries.feeds import keys, letters

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
NEAR: Final = 0.7
"""How alike two names are of which one is probably the other misspelt, of 1."""

PROVISION: Final = ("none", "streams", "devices")


@dataclass(frozen=True)
class Wanted:
    """A feed that is to be."""

    name: str
    decoder: str
    source: str
    topic: str | None = None
    provision: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)
    places: Sequence[Mapping[str, Any]] = ()
    keyed: bool = False
    """Make a key that pushes into it."""

    new_source: bool = False
    """Make the source, though one is called almost so."""


@dataclass(frozen=True)
class Added:
    """What came of it."""

    key: str | None
    source_new: bool
    twice: Sequence[tuple[str, str]]
    """Feeds with their topics that some messages come by as well: each would take them in."""


def add(connection: Connection, wanted: Wanted) -> Added:
    """Make a feed, or make the one of that name so; with its key, where one was asked for.

    InvalidQuery, BadMapping say what is wrong.
    """
    _check(wanted)
    source_new = connection.execute(keys.SOURCE, {"name": wanted.source}).first() is None
    if source_new and not wanted.new_source:
        _check_source(connection, wanted.source)
    source = connection.execute(keys.ADD_SOURCE, {"name": wanted.source}).scalar_one()
    key, prefix = secrets.make_key() if wanted.keyed else (None, None)
    feed = connection.execute(
        letters.ADD,
        {
            "name": wanted.name,
            "transport": "mqtt" if wanted.topic else "http",
            "decoder": wanted.decoder,
            "source": source,
            "topic": wanted.topic,
            "options": json.dumps(wanted.options, ensure_ascii=False),
            "provision": wanted.provision,
            "prefix": prefix,
            "digest": secrets.digest(key) if key else None,
        },
    ).scalar_one()
    connection.execute(letters.UNMAP, {"feed": feed})
    for place in wanted.places:
        connection.execute(letters.MAP, {"feed": feed, **_row(place)})
    others = connection.execute(letters.TOPICS, {"name": wanted.name}).all()
    topic = wanted.topic
    twice = [(one.name, one.topic) for one in others if topic and overlap(topic, one.topic)]
    return Added(key, source_new, twice)


def check(connection: Connection, name: str) -> None:
    """NotFound where there is no feed of a name, with those that are called almost so."""
    known = list(connection.execute(letters.NAMES).scalars())
    if name in known:
        return
    near = get_close_matches(name, known, 3, 0.6) or sorted(known)[:10]
    en, zh = (f"; there are {', '.join(near)}", f"；现有 {'、'.join(near)}") if near else ("", "")
    raise NotFound(f"There is no feed {name}{en}.", f"没有接入源 {name}{zh}。")


def _check_source(connection: Connection, name: str) -> None:
    """InvalidQuery for the name of a new source that is probably one that is there, misspelt."""
    known = list(connection.execute(keys.SOURCES).scalars())
    plain = {one.lower(): one for one in known}
    near = [plain[one] for one in get_close_matches(name.lower(), plain, 3, NEAR)]
    if near:
        raise InvalidQuery(
            f"There is no source {name} yet; perhaps {', '.join(near)}? --new-source makes it.",
            f"尚无来源系统 {name}，是否指 {'、'.join(near)}？确需新建请加 --new-source。",
        )


def overlap(one: str, other: str) -> bool:
    """Whether a message can have a topic that both subscriptions take.

    >>> overlap("cim/v1/#", "cim/+/gate/x"), overlap("a/+", "a/b/c"), overlap("a/#", "a")
    (True, False, True)
    >>> overlap("+/up", "lora/+"), overlap("#", "$SYS/broker")
    (True, False)
    """
    first, second = one.split("/"), other.split("/")
    if {first[0], second[0]} & {"+", "#"} and (first[0][:1] == "$" or second[0][:1] == "$"):
        return False
    for mine, yours in zip(first, second, strict=False):
        if "#" in (mine, yours):
            return True
        if mine != yours and "+" not in (mine, yours):
            return False
    longer = first if len(first) > len(second) else second
    return len(first) == len(second) or longer[min(len(first), len(second)) :] == ["#"]


def switch(connection: Connection, name: str, enabled: bool) -> None:
    """Have a feed taken in, or not. NotFound."""
    check(connection, name)
    connection.execute(letters.SWITCH, {"name": name, "enabled": enabled})


def _check(wanted: Wanted) -> None:
    if not NAME.fullmatch(wanted.name):
        raise InvalidQuery(
            "A feed's name is of small letters, digits, - and _: it stands in addresses.",
            "接入源名称只能包含小写字母、数字、- 和 _。",
        )
    if wanted.decoder not in DECODERS:
        known = ", ".join(sorted(DECODERS))
        raise InvalidQuery(
            f"There is no format {wanted.decoder}; there are {known}.",
            f"没有格式 {wanted.decoder}；可用：{known}。",
        )
    if wanted.topic is not None and not topic_is_good(wanted.topic):
        raise InvalidQuery(
            f"{wanted.topic} cannot be subscribed to: + is a whole level, # the last one.",
            f"无法订阅 {wanted.topic}：+ 须独占一级，# 只能在最后。",
        )


def topic_is_good(topic: str) -> bool:
    """Whether a topic can be subscribed to.

    >>> [topic_is_good(one) for one in ("cim/v1/#", "a/+/b", "a/b+", "#/a", "", "a\\x00")]
    [True, True, False, False, False, False]
    """
    levels = topic.split("/")
    return (
        0 < len(topic.encode()) <= 1000
        and "\x00" not in topic
        and all(level in ("+", "#") or not set("+#") & set(level) for level in levels)
        and "#" not in levels[:-1]
    )


def places(words: Sequence[str], path: Path | None) -> list[dict[str, Any]]:
    """What is where: PATH=STREAM[:UNIT[:SCALE[:OFFSET]]] each, and entries of a JSON file.

    >>> places(["data.P=power:W:0.1"], None)[0]["scale"]
    0.1
    """
    found: list[dict[str, Any]] = []
    for word in words:
        at, is_, meant = word.partition("=")
        stream, unit, scale, offset, *more = [*meant.split(":"), "", "", ""]
        if not is_ or not at or any(more):
            raise BadMapping(
                f"{word}: write PATH=STREAM:UNIT:SCALE:OFFSET, what is last may be left out.",
                f"{word}：写作 路径=数据流:单位:倍率:偏移，后面各项可省略。",
            )
        found.append(
            {"path": at, "stream": stream or None, "unit": unit or None, "scale": scale or 1,
             "offset": offset or 0}
        )  # fmt: skip
    if path is not None:
        found += _listed(path)
    for one in found:
        _row(one)
    return [{**one, "scale": float(one.get("scale", 1)), "offset": float(one.get("offset", 0))}
            for one in found]  # fmt: skip


def _listed(path: Path) -> list[dict[str, Any]]:
    """The entries of a file; SourceError for one that is no list of objects."""
    given = json_of(path)
    if not isinstance(given, list):
        raise SourceError(
            f"{path.name}: it is no JSON list of entries.", f"{path.name}：应为 JSON 列表。"
        )
    for number, one in enumerate(given, 1):
        if not isinstance(one, dict):
            raise SourceError(
                f"{path.name}, entry {number}: it is no object.",
                f"{path.name} 第 {number} 项：应为 JSON 对象。",
            )
    return given


def _row(place: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the map as a row."""
    unit = place.get("unit")
    if unit and not is_unit(str(unit)):
        raise BadMapping(f"{unit} is no unit of UCUM.", f"{unit} 不是 UCUM 计量单位。")
    try:
        scale, offset = float(place.get("scale", 1)), float(place.get("offset", 0))
        path = str(place["path"])
    except (KeyError, TypeError, ValueError) as error:
        raise _odd(place) from error
    if not (isfinite(scale) and isfinite(offset)):
        raise _odd(place)
    words = [place.get(name) for name in ("class", "device", "stream")]
    if not all(isinstance(word, str | None) for word in words):
        raise _odd(place)
    if words[0] and words[0] not in CLASSES:
        raise BadMapping(f"There is no class {words[0]}.", f"没有设备类别 {words[0]}。")
    texts = place.get("texts")
    return {
        "class": place.get("class"),
        "device": place.get("device"),
        "path": path,
        "stream": place.get("stream"),
        "unit": unit,
        "scale": scale,
        "offset": offset,
        "texts": json.dumps(texts, ensure_ascii=False) if texts else None,
    }


def _odd(place: Mapping[str, Any]) -> BadMapping:
    """What is wrong with an entry of the map."""
    return BadMapping(
        f"An entry of the map needs a path; class, device and stream are texts, scale and offset "
        f"are numbers: {dict(place)}",
        f"映射项须有 path；class、device、stream 为文本，scale 和 offset 为数值：{dict(place)}",
    )
