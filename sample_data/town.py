"""The files of places: areas, grids, streets, estates, buildings, floors, units."""

from collections.abc import Iterator

import numpy as np
import shapely

from sample_data import blocks, names, places, rooms
from sample_data.buildings import Buildings, build, estate_name
from sample_data.files import Columns
from sample_data.places import Community, Plan, to_degrees

STRUCTURES = {
    blocks.HOUSE: "混合结构", blocks.SLAB: "混合结构", blocks.HALL: "砖木结构",
    blocks.PAVILION: "木结构", blocks.FACTORY: "钢结构",
}  # fmt: skip
"""Role → structure where it is not reinforced concrete."""


def areas(plan: Plan) -> Iterator[Columns]:
    """The city, the pseudo-county in its county slot, its towns and their communities."""
    outlines = {c.code: places.outline(c) for c in plan.communities}
    whole = _merged(list(outlines.values()))
    rows = [
        ("4419", "东莞市", "东莞", 2, None, "市", "否", whole),
        ("441900", "东莞市", "东莞", 3, "4419", "市", "是", whole),
    ]
    for code in plan.towns:
        name, short = places.TOWNS[code][:2]
        inside = [outlines[c.code] for c in plan.communities if c.town == code]
        kind = "街道" if name.endswith("街道") else "镇"
        rows.append((code, name, short, 4, "441900", kind, "否", _merged(inside)))
    for c in plan.communities:
        short = c.name.removesuffix("社区")
        rows.append((c.code, c.name, short, 5, c.town, "社区", "否", _merged([outlines[c.code]])))
    heads = ("区划代码", "名称", "简称", "级别", "上级代码", "类别", "虚拟区划", "geometry")
    yield {head: list(column) for head, column in zip(heads, zip(*rows, strict=True), strict=True)}


def _merged(outlines: list[shapely.Geometry]) -> shapely.Geometry:
    merged = shapely.union_all(outlines)
    return merged if merged.geom_type == "MultiPolygon" else shapely.MultiPolygon([merged])


def grids(plan: Plan) -> Iterator[Columns]:
    """Management grids; those of a community tile it."""
    for community in plan.communities:
        cells = places.grids(community)
        yield {
            "grid_code": [f"{community.code}{n + 1:03d}" for n in range(len(cells))],
            "name": [f"{community.name}第{names.chinese(n + 1)}网格" for n in range(len(cells))],
            "kind": ["综合网格"] * len(cells),
            "area_code": [community.code] * len(cells),
            "geometry": cells,
        }


def avenue(which: int, along: str) -> str:
    """The name of a lattice line, `along` east or north."""
    turn, index = divmod(which * 2 + (along == "north") + 60, len(names.ROADS))
    return names.ROADS[(index * 7 + 3) % len(names.ROADS)] + ("大道" if turn % 2 == 0 else "大街")


def road(plan: Plan, buildings: Buildings, block: int) -> str:
    """The street on the south side of a block."""
    community = buildings.community
    row = block // community.blocks[0]
    if row == 0:
        return avenue(community.cell[1], "east")
    return names.road(community.index * (community.blocks[1] - 1) + row - 1)


def streets(plan: Plan) -> Iterator[Columns]:
    """Centre lines: avenues between communities, streets inside, lanes in the villages."""
    cells = {c.cell for c in plan.communities}
    for community in plan.communities:
        lines = [*_avenues(community, cells), *_inner(plan, community), *_lanes(plan, community)]
        yield {
            "街道编号": [f"R{community.code}{n + 1:04d}" for n in range(len(lines))],
            "名称": [name for name, _, _ in lines],
            "类别": [kind for _, kind, _ in lines],
            "区划代码": [community.code] * len(lines),
            "geometry": [shapely.LineString(to_degrees(line)) for _, _, line in lines],
        }


Line = tuple[str, str, "places.Floats"]


def _avenues(community: Community, cells: set[tuple[int, int]]) -> Iterator[Line]:
    a, b, c, d = community.corners
    i, j = community.cell
    yield avenue(j, "east"), "路", np.array([a, b])
    yield avenue(i, "north"), "路", np.array([a, d])
    if (i, j + 1) not in cells:
        yield avenue(j + 1, "east"), "路", np.array([d, c])
    if (i + 1, j) not in cells:
        yield avenue(i + 1, "north"), "路", np.array([b, c])


def _inner(plan: Plan, community: Community) -> Iterator[Line]:
    across, up = community.blocks
    buildings = build(plan, community)
    ends = np.array([0.0, 1.0])
    for row in range(1, up):
        name = road(plan, buildings, row * across)
        yield name, "路", community.at(ends, np.full(2, row / up))
    first = len(plan.communities) * (up - 1)
    kinds = buildings.frames.kind
    for column in range(1, across):
        name = names.road(first + community.index * (across - 1) + column - 1)
        free = [j for j in range(up) if kinds[j * across + column] != "joined"]
        free = [j for j in free if kinds[j * across + column - 1] != "joined"]
        for low in free:
            yield (
                name,
                "路",
                community.at(np.full(2, column / across), np.array([low, low + 1]) / up),
            )


def _lanes(plan: Plan, community: Community) -> Iterator[Line]:
    buildings = build(plan, community)
    frames = buildings.frames
    number = 0
    for block, kind in enumerate(frames.kind):
        if kind != "village":
            continue
        a, b = frames.half[block].tolist()
        for y in blocks.lanes(b).tolist():
            number += 1
            line = frames.place(block, np.array([[-a, y], [a, y]]))
            yield f"{community.village}{names.chinese(number)}巷", "巷", line


def estates(plan: Plan) -> Iterator[Columns]:
    """Residential estates, new and old."""
    for community in plan.communities:
        buildings = build(plan, community)
        outlines = buildings.estate_outlines()
        first = [int(np.flatnonzero(buildings.estate == n)[0]) for n in range(len(outlines))]
        old = [int(buildings.role[i]) == blocks.SLAB for i in first]
        yield {
            "estate_id": estate_ids(community, len(outlines)),
            "小区名称": [estate_name(buildings, n) for n in range(len(outlines))],
            "类别": ["老旧" if is_old else "商品住宅" for is_old in old],
            "社区代码": [community.code] * len(outlines),
            "建成年份": [int(buildings.year[i]) for i in first],
            "封闭管理": ["否" if is_old else "是" for is_old in old],
            "geometry": [shapely.MultiPolygon([outline]) for outline in outlines],
        }


def estate_ids(community: Community, count: int) -> list[str]:
    """Keys of a community's estates in the source."""
    return [f"E{community.code}{n + 1:03d}" for n in range(count)]


def buildings(plan: Plan) -> Iterator[Columns]:
    """Footprints with floors, uses and what else a survey gives."""
    for community in plan.communities:
        found = build(plan, community)
        uses = np.array([blocks.USES[role] for role in range(len(blocks.USES))])[found.role]
        uses[found.shop_front] = "mixed"
        heights = found.height.copy()
        for i in rooms.showcase(found):
            heights[i] = rooms.height(found, i)
        podium = np.where(found.shop_front, 1, 0)
        yield {
            "编号": found.ids,
            "名称": found.names,
            "状态": found.state.tolist(),
            "用途": uses.tolist(),
            "结构": [STRUCTURES.get(role, "钢筋混凝土结构") for role in found.role.tolist()],
            "建成年份": found.year.astype(np.int32),
            "地上层数": found.floors.astype(np.int32),
            "地下层数": found.below.astype(np.int32),
            "裙楼层数": podium.astype(np.int32),
            "高度": heights,
            "每层户数": found.per_floor.astype(np.int32),
            "单元数": found.entrances.astype(np.int32),
            "电梯": np.where(found.has_lift, "有", "无").tolist(),
            "geometry": found.footprints(),
        }


def floors(plan: Plan) -> Iterator[Columns]:
    """The floor table of the showcase estate."""
    found = build(plan, plan.communities[0])
    ids = found.ids
    rows = [(ids[i], s) for i in rooms.showcase(found) for s in rooms.storeys(found, i)]
    yield {
        "幢编号": [key for key, _ in rows],
        "楼层": [storey.no for _, storey in rows],
        "楼层名称": [storey.label for _, storey in rows],
        "类别": [storey.kind for _, storey in rows],
        "层底标高": [storey.bottom for _, storey in rows],
        "层高": [storey.height for _, storey in rows],
    }


def units(plan: Plan) -> Iterator[Columns]:
    """The register of rooms of the showcase estate."""
    found = build(plan, plan.communities[0])
    ids = found.ids
    register = rooms.register(found, plan.seed)
    yield {
        "房屋编号": [room.key for room in register],
        "幢编号": [ids[room.building] for room in register],
        "单元": [room.entrance for room in register],
        "楼层": [room.storey for room in register],
        "房号": [room.number for room in register],
        "用途": [room.kind for room in register],
        "户型": [
            rooms.layout(room.area) if room.kind == "residential" else None for room in register
        ],
        "建筑面积": [room.area for room in register],
        "使用状态": [room.occupancy for room in register],
    }
