"""Addresses in every habit: ladders in columns, and texts as people write them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sample_data import blocks, names, places, rooms
from sample_data.buildings import Buildings, build, estate_name, word
from sample_data.files import Columns
from sample_data.places import Plan, to_degrees
from sample_data.town import road

LADDER = (
    "省", "市", "镇街", "社区", "村民小组", "自然村", "街路巷", "巷", "门牌号", "小区", "楼栋",
    "单元", "楼层", "户室",
)  # fmt: skip
"""Columns of the ladder, from the widest."""

Row = dict[str, Any]


def addresses(plan: Plan) -> Iterator[Columns]:
    """One address a building; every room of the showcase estate and of a few other towers."""
    heads = ("地址编号", "地址全文", *LADDER, "幢编号", "房屋编号", "经度", "纬度")
    for community in plan.communities:
        found = build(plan, community)
        rows = [*_buildings(plan, found), *_register(plan, found), *_towers(plan, found)]
        yield {head: [row.get(head) for row in rows] for head in heads}


def door(buildings: Buildings, i: int) -> int:
    """The door number of a building on its street."""
    block = int(buildings.block[i])
    return block % buildings.community.blocks[0] * 40 + int(buildings.number[i]) * 2 + 1


def estate_door(buildings: Buildings, estate: int) -> int:
    """The door number of an estate's gate."""
    block = int(buildings.block[buildings.estate == estate][0])
    return block % buildings.community.blocks[0] * 40 + 20


def squad(buildings: Buildings, i: int) -> int:
    """The village group (村民小组) of a house: three lanes each."""
    return (int(buildings.lane[i]) - 1) // 3 + 1


def ladder(plan: Plan, buildings: Buildings, i: int) -> Row:
    """The ladder down to a building."""
    community = buildings.community
    row: Row = {
        "省": "广东省",
        "市": "东莞市",
        "镇街": places.TOWNS[community.town][0],
        "社区": community.name,
    }
    estate = int(buildings.estate[i])
    if buildings.role[i] == blocks.HOUSE:
        return row | {
            "村民小组": f"{names.chinese(squad(buildings, i))}组",
            "自然村": community.village,
            "巷": f"{names.chinese(int(buildings.lane[i]))}巷",
            "门牌号": f"{int(buildings.number[i])}号",
        }
    row["街路巷"] = road(plan, buildings, int(buildings.block[i]))
    if estate < 0:
        return row | {"门牌号": f"{door(buildings, i)}号", "楼栋": buildings.names[i]}
    return row | {
        "门牌号": f"{estate_door(buildings, estate)}号",
        "小区": estate_name(buildings, estate),
        "楼栋": _block_of(buildings, i),
    }


def _block_of(buildings: Buildings, i: int) -> str:
    number = int(buildings.number[i])
    if buildings.role[i] == blocks.PODIUM:
        return f"S{number}{word(buildings, int(buildings.estate[i]))}"
    if buildings.role[i] == blocks.NURSERY:
        return "幼儿园"
    return f"{number}{word(buildings, int(buildings.estate[i]))}"


def text(row: Row, habit: int = 0) -> str:
    """A ladder as somebody would write it; there are five habits.

    >>> row = {"省": "广东省", "市": "东莞市", "镇街": "南城街道", "社区": "新基社区",
    ...        "街路巷": "迎宾路", "门牌号": "20号", "小区": "荔景湾", "楼栋": "12栋"}
    >>> for habit in range(5):
    ...     print(text(row, habit))
    广东省东莞市南城街道新基社区迎宾路20号荔景湾12栋
    东莞市南城街道新基社区迎宾路20号荔景湾12栋
    东莞市南城街道迎宾路２０号荔景湾１２栋
    南城街道荔景湾十二栋
    东莞市 南城街道 新基社区 迎宾路 20号 荔景湾 12栋
    """
    words = {head: row[head] for head in LADDER if row.get(head)}
    if habit == 1:
        words.pop("省")
    elif habit == 2:
        words.pop("省")
        words.pop("社区")
        return "".join(names.full_width(word) for word in words.values())
    elif habit == 3:
        for head in ("省", "市", "社区", "街路巷", "门牌号") if "小区" in words else ("省",):
            words.pop(head, None)
        if "楼栋" in words:
            words["楼栋"] = _spelt(words["楼栋"])
    elif habit == 4:
        words.pop("省")
        return " ".join(words.values())
    return "".join(words.values())


def _spelt(name: str) -> str:
    """The leading number of a name in Chinese numerals."""
    digits = name[: len(name) - len(name.lstrip("0123456789"))]
    return names.chinese(int(digits)) + name[len(digits) :] if digits else name


def _buildings(plan: Plan, buildings: Buildings) -> Iterator[Row]:
    """Every existing building: a third as ladders, the rest as text in one habit or another."""
    points = to_degrees(buildings.centre)
    for i, key in enumerate(buildings.ids):
        if buildings.state[i] == "planned":
            continue
        row = ladder(plan, buildings, i)
        showcase = not buildings.community.index and buildings.estate[i] == 0
        given: Row = {
            "地址编号": f"A{key[1:]}",
            "幢编号": key,
            "经度": points[i, 0],
            "纬度": points[i, 1],
        }
        if showcase or i % 3 == 0:
            yield given | row | {"地址全文": text(row)}
        else:
            yield given | {"地址全文": text(row, i % 5)}


def _register(plan: Plan, buildings: Buildings) -> Iterator[Row]:
    """Every room of the showcase estate, as a ladder with its key."""
    keys = buildings.ids
    above: dict[int, Row] = {}
    for room in rooms.register(buildings, plan.seed):
        i = room.building
        row = dict(above.setdefault(i, ladder(plan, buildings, i)))
        if room.entrance:
            row["单元"] = f"{room.entrance}单元"
        row["楼层"] = f"{room.storey}层" if room.storey > 0 else "负一层"
        row["户室"] = room.number
        yield row | {
            "地址编号": f"A{room.key[1:]}",
            "地址全文": text(row),
            "幢编号": keys[i],
            "房屋编号": room.key,
        }


def _towers(plan: Plan, buildings: Buildings) -> Iterator[Row]:
    """Rooms of two towers of other estates, as text alone: 单元 and 梯, full-width, numerals."""
    if buildings.community.index > 3:
        return
    towers = np.flatnonzero((buildings.role == blocks.TOWER) & (buildings.estate == 1))[:2]
    for turn, i in enumerate(towers.tolist()):
        above = ladder(plan, buildings, i)
        entrances = int(buildings.entrances[i])
        each = int(buildings.per_floor[i]) // entrances
        for floor in range(2, int(buildings.floors[i]) + 1):
            for n in range(entrances * each):
                entrance, flat = divmod(n, each)
                row = dict(above)
                if entrances > 1:
                    row["单元"] = f"{entrance + 1}{'梯' if turn else '单元'}"
                row["户室"] = f"{floor}{flat + 1:02d}{'室' if turn else '房'}"
                yield {
                    "地址编号": f"A{buildings.ids[i][1:]}-{entrance + 1}-{floor}{flat + 1:02d}",
                    "地址全文": text(row, 1 + turn + n % 2 * 2),
                }


def of_room(plan: Plan, buildings: Buildings, i: int, number: str) -> str:
    """The address of a room as text."""
    return text(ladder(plan, buildings, i) | {"户室": number}, 1)
