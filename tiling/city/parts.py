"""A part of the city as a tileset of its own: how it is asked for, named, and kept.

A part is a tileset of the city, its base, of some buildings alone: those whose centre lies in a box
or an area, or that are in some states.  platform.tileset keeps which; whatever builds, updates and
serves tilesets finds it there as a layer like the others.
"""

import re
from dataclasses import dataclass
from math import isfinite
from typing import Any

from sqlalchemy import Connection

from cim.codes.areas import trim
from cim.errors import InvalidQuery, NotFound
from cim.store.queries.tiles import parts as queries
from cim.store.queries.tiles.which import PLACES, STATES, Area, Which
from tiling.city.layers import LAYERS, TERRAIN, Layer

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
"""What a part may be called: what fits into an address and a folder."""

TAKEN = (*LAYERS, TERRAIN, "all", "current")
"""What no part may be called."""

WORDS = {"admin_area": ("area", "行政区"), "grid": ("grid", "网格"), "estate": ("estate", "小区")}
"""What the kinds of places are called."""

STATES_ZH = dict(zip(STATES, ("规划", "在建", "现状", "部分拆除", "已拆除"), strict=True))


@dataclass(frozen=True)
class Asked:
    """A part as somebody asks for it; None is what was not said."""

    bbox: str | None = None
    area: str | None = None
    state: str | None = None
    name: str | None = None

    def __bool__(self) -> bool:
        """Whether a part is asked for at all."""
        return any(one is not None for one in (self.bbox, self.area, self.state))


def chosen(connection: Connection, base: Layer, asked: Asked) -> Layer:
    """The part of a tileset that is asked for.

    Raises InvalidQuery or NotFound with what is wrong: a box that is none, a place or a state that
    nobody knows, a name that is another tileset's.
    """
    box = box_of(asked.bbox) if asked.bbox is not None else None
    area = area_of(connection, asked.area) if asked.area is not None else None
    states = states_of(asked.state) if asked.state is not None else base.which.states
    if asked.state is not None and base.which.states is not None:
        raise InvalidQuery(
            f"{base.name} is of one state: choose states of buildings, units or underground",
            f"{base.name} 只含一种状态：请对 buildings、units 或 underground 选择状态",
        )
    which = Which(states, box, area)
    name = asked.name or named(base.name, which, own=asked.state is not None)
    part = base.part(name, which)
    _free(connection, part)
    return part


def named(base: str, which: Which, *, own: bool) -> str:
    """What a part is called where nobody says it; `own` says whether states were chosen.

    >>> named("buildings", Which(area=Area("admin_area", "code", "320505")), own=False)
    'buildings-320505'
    >>> named("units", Which(("existing",), (113.7, 22.9, 113.75, 23.0)), own=True)
    'units-113.7_22.9_113.75_23-existing'
    """
    words = [base]
    if which.area:
        kind = "" if which.area.column == "code" else f"{WORDS[which.area.of][0]}-"
        words.append(f"{kind}{which.area.value}")
    if which.box:
        words.append("_".join(f"{side:g}" for side in which.box))
    if own and which.states:
        words += which.states
    return "-".join(words)


def box_of(text: str) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees; raises InvalidQuery where it is no box.

    >>> box_of("120.5,31.2, 120.6,31.3")
    (120.5, 31.2, 120.6, 31.3)
    """
    try:
        west, south, east, north = (float(word) for word in re.split(r"[,，\s]+", text.strip()))
    except ValueError:
        raise _no_box(text, "four numbers are wanted", "需要四个数") from None
    if not all(map(isfinite, (west, south, east, north))):
        raise _no_box(text, "four numbers are wanted", "需要四个数")
    if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        raise _no_box(
            text,
            "it is not on Earth; longitude comes before latitude",
            "超出范围；经度在前，纬度在后",
        )
    if west >= east:
        raise _no_box(text, f"west {west:g} is not west of east {east:g}", "西边界不在东边界以西")
    if south >= north:
        raise _no_box(
            text, f"south {south:g} is not south of north {north:g}", "南边界不在北边界以南"
        )
    return west, south, east, north


def _no_box(text: str, en: str, zh: str) -> InvalidQuery:
    return InvalidQuery(
        f"{text!r} is no box west,south,east,north in degrees: {en}",
        f"“{text}”不是“西,南,东,北”（度）形式的范围：{zh}",
    )


def states_of(text: str) -> tuple[str, ...]:
    """States of buildings, in the order of their lives; raises InvalidQuery for any other word.

    >>> states_of("existing, under_construction")
    ('under_construction', 'existing')
    """
    words = {word for word in re.split(r"[,，\s]+", text.strip()) if word}
    codes = {zh: code for code, zh in STATES_ZH.items()}
    found = {codes.get(word, word) for word in words}
    strange = sorted(found - set(STATES))
    if strange or not found:
        listed = "、".join(f"{code}（{zh}）" for code, zh in STATES_ZH.items())
        raise InvalidQuery(
            f"{', '.join(strange) or 'nothing'} is no state of a building: {', '.join(STATES)}",
            f"“{'、'.join(strange)}”不是建筑状态：{listed}",
        )
    return tuple(state for state in STATES if state in found)


def area_of(connection: Connection, text: str) -> Area:
    """The administrative area, grid or estate of a code or name, or KIND:ID as errors name it.

    Raises NotFound where there is none, InvalidQuery where several are meant or it has no outline.
    """
    text = text.strip()
    direct = re.fullmatch(rf"({'|'.join(PLACES)}):(\d{{1,18}})", text)
    if direct:
        rows = connection.execute(queries.numbered(direct[1], int(direct[2]))).all()
    else:
        rows = connection.execute(queries.called(text, trim(text))).all()
    if not rows:
        raise NotFound(
            f"no administrative area, grid or estate is called {text!r}",
            f"没有编码或名称为“{text}”的行政区、网格或小区",
        )
    first, *others = [row for row in rows if row.rank == rows[0].rank]
    if others:
        listed = ", ".join(f"{row.of}:{row.id} {row.code} {row.name}" for row in rows[:9])
        raise InvalidQuery(
            f"{text!r} may be several places, say which: {listed}",
            f"“{text}”可指多处，请指明其一：{listed}",
        )
    if not first.drawn:
        raise InvalidQuery(
            f"{first.name} {first.code} has no outline", f"{first.name} {first.code} 没有边界"
        )
    if first.of == "admin_area":
        return Area(first.of, "code", first.code, first.name)
    return Area(first.of, "id", first.id, " ".join(filter(None, (first.code, first.name))))


def layers(connection: Connection) -> dict[str, Layer]:
    """Every tileset by its name: those of the whole city, and the parts that were built."""
    found = dict(LAYERS)
    for row in connection.execute(queries.recorded()):
        found[row.name] = LAYERS[row.base].part(row.name, read(row.selection))
    return found


def layer(connection: Connection, name: str) -> Layer | None:
    """The tileset of that name, None where there is none."""
    if name in LAYERS:
        return LAYERS[name]
    row = connection.execute(queries.recorded(name)).first()
    return LAYERS[row.base].part(name, read(row.selection)) if row else None


def known(connection: Connection, name: str) -> Layer:
    """The tileset of that name; raises NotFound where there is none."""
    found = layer(connection, name)
    if found is None:
        names = ", ".join(layers(connection))
        raise NotFound(
            f"there is no tileset {name}: there are {names}",
            f"没有瓦片集 {name}：现有 {names}",
        )
    return found


def written(which: Which) -> dict[str, Any]:
    """Which buildings, as platform.tileset keeps it."""
    found: dict[str, Any] = {}
    if which.states is not None:
        found["states"] = list(which.states)
    if which.box:
        found["box"] = list(which.box)
    if which.area:
        area = which.area
        found["area"] = {"of": area.of, area.column: area.value, "name": area.name}
    return found


def read(selection: dict[str, Any]) -> Which:
    """What `written` wrote.

    >>> area = Area("estate", "id", 7, "Lakeside")
    >>> read(written(Which(("existing",), (1, 2, 3, 4), area)))
    Which(states=('existing',), box=(1, 2, 3, 4), area=Area(of='estate', column='id', value=7, \
name='Lakeside'))
    """
    states, box, area = (selection.get(name) for name in ("states", "box", "area"))
    column = "code" if area and "code" in area else "id"
    return Which(
        tuple(states) if states is not None else None,
        (box[0], box[1], box[2], box[3]) if box else None,
        Area(area["of"], column, area[column], area["name"]) if area else None,
    )


def said(part: Layer) -> tuple[str, str]:
    """What a part is, in English and in Chinese."""
    which, en, zh = part.which, [f"part of {part.base}"], [f"{part.base} 的一部分"]
    if which.area:
        kinds, area = WORDS[which.area.of], which.area
        code = f"{area.value} " if area.column == "code" else ""
        en.append(f"{kinds[0]} {code}{area.name}".strip())
        zh.append(f"{kinds[1]} {code}{area.name}".strip())
    if which.box:
        sides = ", ".join(f"{side:g}" for side in which.box)
        en.append(f"{sides}°")
        zh.append(f"{sides}°")
    if which.states is not None:
        en.append(" or ".join(which.states))
        zh.append("或".join(STATES_ZH.get(state, state) for state in which.states))
    return ": ".join((en[0], ", ".join(en[1:]))), "：".join((zh[0], "，".join(zh[1:])))


def _free(connection: Connection, part: Layer) -> None:
    """See that a name is nobody else's."""
    if not NAME.fullmatch(part.name) or part.name in TAKEN:
        raise InvalidQuery(
            f"a part cannot be called {part.name!r}: small letters, digits, '_', '.' and '-', and "
            f"not {', '.join(TAKEN)}",
            f"名称“{part.name}”不可用：限小写字母、数字、“_”、“.”和“-”，"
            f"且不能是 {'、'.join(TAKEN)}",
        )
    there = layer(connection, part.name)
    if there and (there.base, there.which) != (part.base, part.which):
        en, zh = said(there)
        raise InvalidQuery(
            f"there is another tileset {part.name} ({en}): choose a name by --as, or remove it by "
            f"`cim tile remove {part.name}`",
            f"已有另一个瓦片集 {part.name}（{zh}）：请用 --as 另取名称，"
            f"或用 `cim tile remove {part.name}` 删除",
        )
