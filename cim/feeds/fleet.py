"""What a question about all devices names, class, vendor or area, must be there."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from cim.codes import LISTS
from cim.errors import InvalidQuery, NotFound
from cim.store.direct import Direct
from cim.store.queries.feeds import fleet

_NAMED = {"vendor": ("organisation", "机构"), "area": ("area", "区域")}


async def check(direct: Direct, by: Mapping[str, Any]) -> None:
    """InvalidQuery for a class that is on no list, NotFound for a vendor or area that is not there.

    No device of what is there is an answer; what is not there was misspelt.
    """
    check_class(by["class"])
    asked = {name: by[name] for name in _NAMED}
    if all(key is None for key in asked.values()):
        return
    row = await direct.row(fleet.known(**asked))
    for name, (en, zh) in _NAMED.items():
        if row is not None and not row[name]:
            key = asked[name]
            raise NotFound(
                f"{name}: no {en} has the id {key}.", f"{name}：没有编号为 {key} 的{zh}。"
            )


def check_class(code: str | None) -> None:
    """InvalidQuery for what is no class of devices, with those that are called almost so.

    >>> check_class("lift")
    >>> check_class("smok")
    Traceback (most recent call last):
    cim.errors.InvalidQuery: class: there is no class of devices smok; there are smoke.
    """
    known = [item["code"] for item in LISTS["device_class"]["items"]]
    if code is None or code in known:
        return
    near = get_close_matches(code, known, 3, 0.6) or known
    raise InvalidQuery(
        f"class: there is no class of devices {code}; there are {', '.join(near)}.",
        f"class：没有设备类别 {code}；可用：{'、'.join(near)}。",
    )
