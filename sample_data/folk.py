"""Residents and organisations: made-up names, numbers that cannot exist."""

from collections.abc import Iterator

import numpy as np

from sample_data import blocks, names, rooms
from sample_data.addressing import of_room
from sample_data.buildings import Buildings, build, estate_name
from sample_data.files import Columns
from sample_data.places import Plan

FIRST_SERIAL = 100_000
"""Serial numbers of one community start this far after those of the one before."""

Home = tuple[str, str | None, str, bool]
"""Building, room key where the register has one, room number, let or not."""


def people(plan: Plan) -> Iterator[Columns]:
    """Households of the showcase estate, and tenants in one village house in eight."""
    for community in plan.communities:
        found = build(plan, community)
        rng = community.rng(2, plan.seed)
        homes = [*_flats(plan, found), *_village_homes(found, rng)]
        sizes = rng.choice(np.arange(1, 6), len(homes), p=[0.22, 0.28, 0.28, 0.16, 0.06])
        owners = [home for home, size in zip(homes, sizes, strict=True) for _ in range(size)]
        places = np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, int)])
        count = len(owners)
        let = np.array([home[3] for home in owners], bool)
        adult = places < 2
        years = np.where(adult, rng.integers(1952, 2004, count), rng.integers(2004, 2025, count))
        sexes = rng.choice(["1", "2"], count).tolist()
        serial = community.index * FIRST_SERIAL
        moved = rng.integers(2008, 2026, count)
        yield {
            "人员编号": [f"P{serial + n:09d}" for n in range(count)],
            "姓名": names.people(rng, count),
            "证件类型": ["居民身份证"] * count,
            "证件号码": names.identity_numbers(years, sexes, serial),
            "性别": ["男" if sex == "1" else "女" for sex in sexes],
            "出生年份": years,
            "联系电话": _phones(serial, adult),
            "幢编号": [home[0] for home in owners],
            "房屋编号": [home[1] for home in owners],
            "房号": [home[2] for home in owners],
            "居住关系": np.where(let, "租客", np.where(places == 0, "户主", "成员")).tolist(),
            "居住类别": np.where(let, "流动", rng.choice(["户籍", "常住"], count)).tolist(),
            "入住日期": [f"{max(y, b)}-{m:02d}-01" for y, b, m in zip(
                moved.tolist(), years.tolist(), rng.integers(1, 10, count).tolist(), strict=True)],
        }  # fmt: skip


def _phones(serial: int, adult: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[str | None]:
    numbers = names.phone_numbers(serial, len(adult))
    return [number if grown else None for number, grown in zip(numbers, adult, strict=True)]


def _flats(plan: Plan, buildings: Buildings) -> Iterator[Home]:
    """Occupied flats of the register."""
    if buildings.community.index:
        return
    keys = buildings.ids
    for room in rooms.register(buildings, plan.seed):
        if room.kind == "residential" and room.occupancy in ("自住", "出租"):
            yield keys[room.building], room.key, room.number, room.occupancy == "出租"


def _village_homes(buildings: Buildings, rng: np.random.Generator) -> Iterator[Home]:
    """Rooms let in village houses, by building and room number alone."""
    houses = np.flatnonzero(buildings.role == blocks.HOUSE)
    keys = buildings.ids
    for i in houses[rng.random(len(houses)) < 0.125].tolist():
        for floor in range(2, min(int(buildings.floors[i]), 4) + 1):
            yield keys[i], None, f"{floor}01", True


def organisations(plan: Plan) -> Iterator[Columns]:
    """Small shops on ground floors, firms, property companies, schools."""
    heads = (
        "单位编号", "单位名称", "单位类别", "三小类型", "状态", "幢编号", "房屋编号", "房号",
        "地址", "地址类型", "统一社会信用代码",
    )  # fmt: skip
    for community in plan.communities:
        found = build(plan, community)
        rng = community.rng(3, plan.seed)
        rows = [*_shops(plan, found, rng), *_podium(plan, found, rng), *_firms(plan, found, rng)]
        serial = community.index * FIRST_SERIAL
        codes = names.credit_codes(serial, len(rows))
        full = [
            (f"O{serial + n:09d}", *row, "经营地", code)
            for n, (row, code) in enumerate(zip(rows, codes, strict=True))
        ]
        columns = zip(*full, strict=True) if full else [()] * len(heads)
        yield {head: list(column) for head, column in zip(heads, columns, strict=True)}


Firm = tuple[str, str, str | None, str, str | None, str | None, str | None, str | None]
"""Name, kind, class of small place, state, building, room key, room number, address."""


def _shop_name(short: str, rng: np.random.Generator) -> tuple[str, str]:
    trade = list(names.SHOPS)[int(rng.integers(len(names.SHOPS)))]
    first = names.FIRMS[int(rng.integers(len(names.FIRMS)))]
    return f"{short}{first}{trade}", names.SHOPS[trade]


def _shops(plan: Plan, buildings: Buildings, rng: np.random.Generator) -> Iterator[Firm]:
    """A small shop on the ground floor of every second house that has a front for one."""
    short = buildings.community.name.removesuffix("社区")
    keys = buildings.ids
    fronts = np.flatnonzero(buildings.shop_front)
    for turn, i in enumerate(fronts[rng.random(len(fronts)) < 0.5].tolist()):
        name, small = _shop_name(short, rng)
        address = of_room(plan, buildings, i, "101") if turn % 4 == 0 else None
        yield name, "个体", small, "active", keys[i], None, "101", address


def _podium(plan: Plan, buildings: Buildings, rng: np.random.Generator) -> Iterator[Firm]:
    """The shops of the showcase estate, by the register's keys."""
    if buildings.community.index:
        return
    keys = buildings.ids
    for room in rooms.register(buildings, plan.seed):
        if room.kind == "shop" and room.occupancy == "出租":
            name, small = _shop_name(estate_name(buildings, 0), rng)
            kind = "企业" if rng.random() < 0.3 else "个体"
            yield name, kind, small, "active", keys[room.building], room.key, room.number, None


def _firms(plan: Plan, buildings: Buildings, rng: np.random.Generator) -> Iterator[Firm]:
    """Works, offices, schools, service centres, and the property company of each estate."""
    short = buildings.community.name.removesuffix("社区")
    keys, called = buildings.ids, buildings.names
    for i in np.flatnonzero(np.isin(buildings.role, [blocks.FACTORY, blocks.OFFICE])).tolist():
        for floor in range(1, int(buildings.floors[i]) + 1, 2):
            first = names.FIRMS[int(rng.integers(len(names.FIRMS)))]
            trade = names.TRADES[int(rng.integers(len(names.TRADES)))]
            yield (
                f"东莞市{short}{first}{trade}有限公司", "企业", None, "active", keys[i], None,
                f"{floor}01", None,
            )  # fmt: skip
    for i in np.flatnonzero(np.isin(buildings.role, [blocks.SCHOOL, blocks.CENTRE])).tolist():
        if buildings.role[i] == blocks.CENTRE or buildings.number[i] % 2:
            yield called[i], "机关", None, "active", keys[i], None, "101", None
    for estate in range(int(buildings.estate.max(initial=-1)) + 1):
        i = int(np.flatnonzero(buildings.estate == estate)[0])
        name = f"{estate_name(buildings, estate)}物业服务中心"
        yield name, "物业", None, "active", keys[i], None, None, None
