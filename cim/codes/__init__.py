"""Code lists and code schemes as data files, and validators of official codes.

A new list is one JSON file in `lists/`; a migration seeds the database from `LISTS`.
"""

import json
from importlib.resources import files
from typing import Any, NotRequired, TypedDict


class Item(TypedDict):
    """One code of a list, with its names in Chinese and English."""

    code: str
    zh: str
    en: str
    parent: NotRequired[str]


class CodeList(TypedDict):
    """A named list of codes, in the order in which a screen shows them."""

    title_zh: str
    title_en: str
    items: list[Item]


class Scheme(TypedDict):
    """An official coding rule: what its codes look like is a setting, never a truth."""

    code: str
    title: str
    issuer: str | None
    regex: str | None
    applies_to: str


def _lists() -> dict[str, CodeList]:
    folder = files(__name__) / "lists"
    found = sorted((entry for entry in folder.iterdir()), key=lambda entry: entry.name)
    return {
        entry.name.removesuffix(".json"): json.loads(entry.read_text("utf-8"))
        for entry in found
        if entry.name.endswith(".json")
    }


LISTS: dict[str, CodeList] = _lists()
"""Every code list by its short name, such as `building_use`."""

SCHEMES: list[Scheme] = json.loads((files(__name__) / "schemes.json").read_text("utf-8"))
"""The coding rules that official codes are filed under."""


DEVICE_TYPES: list[dict[str, Any]] = json.loads(
    (files(__name__) / "device_types.json").read_text("utf-8")
)
"""Classes of devices with the streams that one of each has; a city may say otherwise."""

ALARM_RULES: list[dict[str, Any]] = json.loads(
    (files(__name__) / "alarm_rules.json").read_text("utf-8")
)
"""Alarm rules that a city begins with; what it makes of them is its own."""

RETENTION: list[tuple[str, int, str, str]] = [
    ("short", 30, "短期", "short"),
    ("normal", 90, "一般", "normal"),
    ("long", 400, "长期", "long"),
]
"""How many days raw readings are kept, by class; a city may say otherwise."""


def names(list_code: str) -> dict[str, Item]:
    """The items of a list by their code.

    >>> names("unit_kind")["shop"]["zh"]
    '商铺'
    """
    return {item["code"]: item for item in LISTS[list_code]["items"]}


def code_of(list_code: str, text: str) -> str | None:
    """The code that a cell of a file means: the code itself, or its Chinese or English name.

    >>> code_of("building_use", "住宅"), code_of("building_use", " Retail ")
    ('residential', 'retail')
    >>> code_of("building_use", "城堡") is None
    True
    """
    wanted = text.strip().casefold()
    for item in LISTS[list_code]["items"]:
        if wanted in (item["code"].casefold(), item["zh"], item["en"].casefold()):
            return item["code"]
    return None
