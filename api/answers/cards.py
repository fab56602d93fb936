"""From what one statement found to the answer: heights, addresses and residents are put in."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import orjson

from api.access import Caller
from cim.addresses.compose import building_words, compose, room_words, spaced, storey_words
from cim.crs.geoid import Geoid
from cim.security.rights import LIVING_READ, RESIDENTS_READ
from cim.store.queries.linked.pieces import Living, living

Json = dict[str, Any]

PEOPLE = frozenset({"residents", "tenure"})
"""Parts of an answer about persons: read in a transaction of their own, which is logged."""

ADDRESSED = frozenset({"address", "areas", "estate", "building", "entrance", "storey"})
"""What an address is composed of where none was loaded."""

PLACED = frozenset({"areas", "grid"})
"""What a right to see residents goes by."""

NEEDS: Mapping[str, frozenset[str]] = {
    "address": ADDRESSED,
    "residents": PLACED,
    "tenure": PLACED,
}
"""What a part is made of beside itself."""


def height_shift(geoid: Geoid, lon: float, lat: float) -> float:
    """Metres from the height datum up to the ellipsoid at a place in degrees."""
    if geoid.grid is None:
        return geoid.offset
    return float(geoid.height(np.array([lon]), np.array([lat]))[0])


def at_home(caller: Caller) -> Living:
    """Where a caller may know whether somebody is at home, as a statement takes it."""
    where = caller.where(LIVING_READ)
    if where is None:
        return living(None)
    return living((where.areas, where.grids))


def building_address(found: Json) -> str:
    """The text of a building's address: the loaded one, else composed of what it stands in."""
    if found["address"] is not None:
        text: str = found["address"]["text"]
        return text
    estate = (found["estate"] or {}).get("name") or ""
    areas = ((area["level"], area["name"]) for area in found["areas"])
    names = {
        "estate_name": estate,
        "building_name": building_words(found["name"] or "", estate),
    }
    return compose(areas, names)[0]


def unit_address(found: Json) -> Json:
    """The address of a unit: loaded, or composed on that of its entrance or building if loaded."""
    loaded = found["address"]
    if loaded is not None and loaded["type"] == "unit":
        return {"text": loaded["text"], "levels": loaded["levels"], "source": "loaded"}
    unit, entrance = found["unit"], found["entrance"] or {}
    steps = {
        "entrance_no": entrance.get("name"),
        "floor_no": storey_words(found["storey"]["label"]),
        "room_no": room_words(unit["room_no"], unit["kind"]["code"]),
    }
    if loaded is not None:
        if loaded["type"] == "entrance":
            del steps["entrance_no"]
        tail, below = compose([], steps)
        return {
            "text": spaced([loaded["text"], tail]),
            "levels": loaded["levels"] | below,
            "source": "composed",
        }
    estate = (found["estate"] or {}).get("name") or ""
    names = {
        "estate_name": estate,
        "building_name": building_words(found["building"]["name"] or "", estate),
    }
    areas = ((area["level"], area["name"]) for area in found["areas"])
    text, levels = compose(areas, names | steps)
    return {"text": text, "levels": levels, "source": "composed"}


def place_of(found: Json) -> tuple[list[int], int | None]:
    """The areas and the grid of a card, by their ids."""
    return [area["id"] for area in found["areas"]], (found["grid"] or {}).get("id")


def withheld(caller: Caller, areas: list[int], grid: int | None) -> Json | None:
    """Why this caller sees no residents there, as a sentence in two languages; None for who may.

    Of what lies in no area, only one who is not confined to any.
    """
    if not caller.may(RESIDENTS_READ):
        return {
            "en": "Residents are shown only to callers with the role `residents`.",
            "zh": "居民信息仅向具有“residents”角色的用户显示。",
        }
    if not caller.may_at(RESIDENTS_READ, areas, grid):
        return {
            "en": "Residents are shown only in the area or grid that the caller's role is for.",
            "zh": "居民信息仅限在授权的区域或网格内查看。",
        }
    if caller.purpose is None:
        return {
            "en": "Residents are shown only for a stated purpose; name it in the header X-Purpose.",
            "zh": "查看居民信息须说明用途，请在请求头 X-Purpose 中注明。",
        }
    return None


SOME_HIDDEN = {
    "en": "Some are not shown: children under 14, or records not meant for this purpose.",
    "zh": "部分居民未显示：未满 14 周岁的儿童，或不适用于该用途的记录。",
}


def residents(people: list[Json] | None, count: int | None, reason: Json | None) -> Json:
    """The part on residents; `people` and `count` are None where they may not be shown."""
    if people is not None and count is not None and len(people) < count:
        reason = SOME_HIDDEN
    return {
        "count": count,
        "shown": people is not None,
        "reason": reason,
        "people": people or [],
    }


def tenure(held: list[Json] | None, reason: Json | None) -> Json:
    """The part on who holds a unit: None where that may not be shown, and why not."""
    return {"shown": held is not None, "reason": reason, "items": held or []}


def needed(parts: Collection[str]) -> frozenset[str]:
    """The parts that a statement must find for these to be answered."""
    more = frozenset().union(*(NEEDS.get(part, frozenset()) for part in parts))
    return (frozenset(parts) | more) - PEOPLE


def finish_unit(found: Json, geoid: Geoid, parts: Collection[str]) -> Json:
    """A unit with the parts that were asked for, from what its statement found of those needed."""
    answer: Json = {"unit": found["unit"]}
    for part in found:
        if part in parts:
            answer[part] = found[part]
    if "centre" in parts:
        lon, lat, height = found["centre"]
        answer["centre"] = [lon, lat, round(height + height_shift(geoid, lon, lat), 3)]
    if "address" in parts:
        answer["address"] = unit_address(found)
    return answer


def finish_building(found: Json, linked: str | None, geoid: Geoid, caller: Caller) -> Json:
    """A building from what its statement found; `linked` are further parts of it as JSON.

    Its residents are told, in fives, to those who may know there whether somebody is at home.
    """
    if not caller.may_at(LIVING_READ, *place_of(found)):
        found["counts"]["residents"] = None
    found["address"] = building_address(found)
    found["height_shift"] = height_shift(geoid, *found["centre"])
    return found if linked is None else found | orjson.loads(linked)
