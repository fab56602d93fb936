"""What is subscribed to, as callers write it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from api.params import LARGEST_ID, Bounds, parse_bounds
from cim.errors import InvalidQuery
from cim.store.queries.feeds.live import MOST, NAMED

Alarms = Literal["all", "here", "none"]
NARROWED: Final = ("class", "property")
WORDS: Final = 50
"""Classes or properties of one subscription."""

KNOWN: Final = (*NAMED, *NARROWED, "bbox", "alarms")


@dataclass(frozen=True)
class Ask:
    """One subscription; equal ones are served together."""

    named: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Ids by what they are of: all of them together."""

    narrowed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Classes and properties: only these of them."""

    box: Bounds | None = None
    alarms: Alarms = "here"
    """All the caller may hear of, those of what is subscribed, or none."""

    @property
    def quiet(self) -> bool:
        """Whether no readings are asked for."""
        return not self.named and not self.narrowed and self.box is None

    def ids(self, name: str) -> frozenset[int]:
        """What is named of a kind."""
        return frozenset(dict(self.named).get(name, ()))


def asked(given: Mapping[str, Any]) -> Ask:
    """A subscription from parameters or a message; InvalidQuery names the one that is wrong.

    >>> asked({"unit": "201,202", "alarms": "none"})
    Ask(named=(('unit', (201, 202)),), narrowed=(), box=None, alarms='none')
    >>> asked({"datastream": [7, 5], "class": "lift"}).narrowed
    (('class', ('lift',)),)
    """
    wrong = sorted(set(given) - set(KNOWN))
    if wrong:
        raise InvalidQuery(
            f"{wrong[0][:40]} is not known; say some of {', '.join(KNOWN)}.",
            f"未知参数 {wrong[0][:40]}，可用：{'、'.join(KNOWN)}。",
        )
    alarms = given.get("alarms") or "here"
    if alarms not in get_args(Alarms):
        raise InvalidQuery(
            "alarms must be all, here or none.", "alarms 必须为 all、here、none 之一。"
        )
    named = tuple((name, _ids(name, given[name])) for name in NAMED if given.get(name))
    narrowed = tuple((name, _words(name, given[name])) for name in NARROWED if given.get(name))
    box = _box(given["bbox"]) if given.get("bbox") else None
    found = Ask(named, narrowed, box, cast(Alarms, alarms))
    only = {name for name, _ in narrowed} == {"property"}
    if (found.quiet and alarms != "all") or (only and not named and box is None):
        raise InvalidQuery(
            f"Say what of: {', '.join(NAMED)}, bbox or class; or alarms=all.",
            f"请指定 {'、'.join(NAMED)}、bbox 或 class，或使用 alarms=all。",
        )
    return found


def _listed(name: str, value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, int | str) for one in value):
        return [str(one) for one in value]
    if isinstance(value, int | str) and not isinstance(value, bool):
        return [word.strip() for word in str(value).split(",") if word.strip()]
    raise InvalidQuery(f"{name} must be a list.", f"{name} 必须为列表。")


def _ids(name: str, value: Any) -> tuple[int, ...]:
    words = _listed(name, value)
    good = all(word.isdecimal() and len(word) < 17 for word in words)
    found = sorted({int(word) for word in words}) if good else []
    if not found or len(found) > MOST or not 0 < found[0] <= found[-1] <= LARGEST_ID:
        raise InvalidQuery(
            f"{name} must be 1 to {MOST:,} ids with commas between.",
            f"{name} 必须为 1 至 {MOST:,} 个以逗号分隔的编号。",
        )
    return tuple(found)


def _words(name: str, value: Any) -> tuple[str, ...]:
    found = tuple(sorted(set(_listed(name, value))))
    if not found or len(found) > WORDS or not all(w.isprintable() and len(w) < 101 for w in found):
        raise InvalidQuery(
            f"{name} must be 1 to {WORDS} words with commas between.",
            f"{name} 必须为 1 至 {WORDS} 个以逗号分隔的词。",
        )
    return found


def _box(value: Any) -> Bounds:
    if isinstance(value, list) and all(isinstance(one, int | float) for one in value):
        value = ",".join(map(str, value))
    return parse_bounds(value if isinstance(value, str) else "")
