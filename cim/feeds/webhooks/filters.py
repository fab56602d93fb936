"""Which alarms and which readings somebody is sent, and who may decide that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from cim.codes import LISTS
from cim.errors import InvalidQuery
from cim.feeds.alarms.rules import KINDS
from cim.security.rights import SECURITY, SYSTEM

ENTRIES: Final = ("begin", "again", "acknowledge", "note", "end", "false", "reopen")

CLASSES: Final = tuple(item["code"] for item in LISTS["device_class"]["items"])

MODES: Final = ("every", "changed", "latest")
"""Readings: each, those that say something else than the one before, of each message the last of
each datastream."""

LONGEST: Final = 3600
"""Most seconds for which readings are gathered."""


@dataclass(frozen=True)
class Filter:
    """What a webhook is sent; what is None is any."""

    kinds: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    entries: Sequence[str] | None = None
    severity: int | None = None
    area: int | None = None
    estate: int | None = None
    homes: bool | None = None
    """What devices in units say, too, and units from which something may have been thrown."""

    secrecy: int | None = None
    """And those of devices that are not public, up to this level."""

    alarms: bool | None = None
    """False: no alarms."""

    readings: str | None = None
    """Which readings, one of MODES; None is none."""

    properties: Sequence[str] | None = None
    """Readings of what is measured."""

    datastreams: Sequence[int] | None = None
    """Readings of these datastreams."""

    every_s: int | None = None
    """Seconds for which readings are gathered; 10 where it is not said."""


def filter_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """A filter as it is kept; InvalidQuery names what is wrong.

    >>> filter_of({"severity": 3, "homes": True})
    {'severity': 3, 'homes': True}
    >>> filter_of({"readings": "every", "classes": ["lift"], "every_s": 5})
    {'readings': 'every', 'classes': ['lift'], 'every_s': 5}
    >>> filter_of({"classes": ["lft"]})
    Traceback (most recent call last):
    ...
    cim.errors.InvalidQuery: filter.classes: there is no lft; there are lift, access, gate, ...
    """
    for name, value in said.items():
        if name not in Filter.__dataclass_fields__:
            known = ", ".join(Filter.__dataclass_fields__)
            name = name[:50] if name.isprintable() else "?"  # noqa: PLW2901 - as it may be told
            raise InvalidQuery(
                f"filter may hold {known}; {name} is none.", f"filter 可含 {known}；没有 {name}。"
            )
        kind = get_args(Filter.__annotations__[name])[0]
        if not _fits(value, kind):
            raise InvalidQuery(f"filter.{name} is not valid.", f"filter.{name} 无效。")
    named = ("kinds", KINDS), ("classes", CLASSES), ("entries", ENTRIES), ("readings", MODES)
    for name, among in named:
        given = said.get(name) or ()
        if strange := sorted(set((given,) if isinstance(given, str) else given) - set(among)):
            raise InvalidQuery(
                f"filter.{name}: there is no {strange[0]}; there are {', '.join(among)}.",
                f"filter.{name}：没有 {strange[0]}；可用：{'、'.join(among)}。",
            )
    kept = {name: value for name, value in said.items() if value is not None}
    _together(kept)
    return kept


def _together(kept: Mapping[str, Any]) -> None:
    """InvalidQuery for what makes no sense together."""
    every = kept.get("every_s")
    if every is not None and not 1 <= every <= LONGEST:
        raise InvalidQuery(
            f"filter.every_s is 1 to {LONGEST} seconds.", f"filter.every_s 须为 1 至 {LONGEST} 秒。"
        )
    of_readings = sorted({"properties", "datastreams", "every_s"} & set(kept))
    if of_readings and "readings" not in kept:
        raise InvalidQuery(
            f"filter.{of_readings[0]} is of readings: say which in filter.readings.",
            f"filter.{of_readings[0]} 用于读数：请同时指定 filter.readings。",
        )
    if kept.get("alarms") is False and "readings" not in kept:
        raise InvalidQuery(
            "Neither alarms nor readings: then nothing would be sent.",
            "既无告警也无读数：将不会发送任何内容。",
        )


def _fits(value: object, kind: Any) -> bool:
    """Whether a value is one of a field of this kind; true is no number."""
    if value is None:
        return True
    if kind is bool or isinstance(value, bool):
        return isinstance(value, bool) and kind is bool
    if kind in (int, str):
        return isinstance(value, kind) and (kind is str or 0 <= value < 2**53)
    if not isinstance(value, list) or not 0 < len(value) <= 1000:
        return False
    if get_args(kind)[0] is int:
        return all(_fits(one, int) and one is not None for one in value)
    return all(isinstance(one, str) and one.isprintable() for one in value)


def keeper(*filters: Mapping[str, Any]) -> str:
    """Which administrator decides on webhooks of these filters.

    What tells of homes, or is not public, is given by who gives rights; all else is how it runs.

    >>> keeper({"classes": ["lift"]}), keeper({}, {"homes": True}), keeper({"secrecy": 0})
    ('admin.system', 'admin.security', 'admin.system')
    """
    named = any(
        one.get("homes") or one.get("secrecy")
        or "门禁" in (one.get("kinds") or ()) or "access" in (one.get("classes") or ())
        for one in filters
    )  # fmt: skip
    return SECURITY if named else SYSTEM
