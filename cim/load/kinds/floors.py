"""Floors: the storeys of buildings as surveyed, with or without a drawn outline."""

import numpy as np
import shapely

from cim import crs
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.rows import Rows
from cim.load.storeys import label_of, number_of
from cim.model.buildings import storey
from cim.store.incoming import rooms

BUILDING = (
    Field("building", "text", "幢编号", "key of the building in its source",
          ("建筑编号", "楼栋编号", "楼幢编号", "building_ext_id", "bldg_id", "building_code")),
    Field("building_id", "integer", "本库建筑", "our own id of the building", staged="int8"),
)  # fmt: skip
"""Which building a row belongs to: by its key in its source, or by our id."""

FIELDS = (
    *BUILDING,
    Field("storey", "text", "楼层", "storey: -1, 1, 2 …, B1, 负一层",
          ("层号", "楼层号", "no", "floor", "level", "lvl", "lc", "所在层"), required=True),
    Field("label", "text", "楼层名称", "as on the lift button", ("层名", "名称", "name")),
    Field("kind", "text", "类别", "标准, 架空, 转换, 设备, 避难, 地下, 夹层, 屋面",
          ("楼层类型", "类型", "type")),
    Field("given_bottom", "number", "层底标高", "floor above the building's ground, m",
          ("底标高", "elev_bottom", "bottom"), least=-200, most=1500),
    Field("given_height", "number", "层高", "storey height, m", ("height",), least=1, most=100),
)  # fmt: skip

LEVEL = 0.05
"""Metres by which the corners of a floor may lie higher than one another."""

_USUAL_KIND = {-1: "地下", 0: "夹层", 1: "标准"}

KINDS_OF_FLOOR = ("标准", "架空", "转换", "设备", "避难", "地下", "夹层", "屋面")


def housed(rows: Rows, context: Context) -> None:
    """Rows without a key of their building: by their place, where they have an outline."""
    named = np.array([word is not None for word in rows.words("building")], bool)
    lost = ~named & np.isnan(rows.numbers("building_id"))
    shapes = np.full(len(rows), None) if rows.geometry is None else rows.geometry
    drawn = ~shapely.is_missing(shapes)
    rows.set_aside(lost & ~drawn, "building", "missing")
    rows.columns["by_place"] = lost & drawn
    rows.columns["key_made"] = np.full(len(rows), "ext_id" not in context.mapped)


def levels_of_outlines(rows: Rows, context: Context) -> None:
    """The height at which an outline was drawn, where it has one and lies level."""
    found = np.full(len(rows), np.nan)
    if rows.geometry is not None and rows.batch.geometry is not None:
        shapes = shapely.from_wkb(rows.batch.geometry, on_invalid="ignore")
        points, row = shapely.get_coordinates(shapes, include_z=True, return_index=True)
        low, high = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
        known = np.isfinite(points[:, 2])
        np.minimum.at(low, row[known], points[known, 2])
        np.maximum.at(high, row[known], points[known, 2])
        level = high - low <= LEVEL  # where nothing is known, that is less than nothing
        level[row[~known]] = False
        found[level & (high >= low)] = low[level & (high >= low)]
    rows.columns["z"] = found


def named(rows: Rows, context: Context) -> None:
    """The storey's number and label, and its kind where none is said."""
    words = rows.words("storey").tolist()
    numbers = [None if word is None else number_of(word) for word in words]
    rows.set_aside(np.array([n is None for n in numbers], bool), "storey", "not_a_value")
    rows.columns["no"] = np.array([np.nan if n is None else n for n in numbers], np.float64)
    labels = zip(rows.words("label").tolist(), numbers, strict=True)
    rows.columns["label"] = np.array(
        [said or (None if n is None else label_of(n)) for said, n in labels], dtype=object
    )
    kinds = zip(rows.words("kind").tolist(), numbers, strict=True)
    rows.columns["kind"] = np.array(
        [
            (kind.removesuffix("层") if kind.removesuffix("层") in KINDS_OF_FLOOR else kind)
            if kind
            else _USUAL_KIND[int(np.sign(1 if n is None else n))]
            for kind, n in kinds
        ],
        dtype=object,
    )


def outline_areas(rows: Rows, context: Context) -> None:
    """Area of the drawn outline, m²."""
    if rows.geometry is not None:
        rows.columns["outline_area"] = crs.areas(rows.geometry)


KIND = Kind(
    name="floors",
    zh="楼层",
    en="storeys of buildings, with or without a drawn outline",
    table=storey,
    object_type="storey",
    fields=FIELDS,
    geometry="polygon",
    geometry_column="outline",
    needs_geometry=False,
    checks=(housed, named, outline_areas, levels_of_outlines),
    adds={
        "building_id": "int8",
        "by_place": "bool",
        "key_made": "bool",
        "z": "float8",
        "no": "int2",
        "label": "text",
        "kind": "text",
        "outline_area": "float8",
    },
    key=("building", "building_id", "no", "label"),
    key_kept=False,
    settle=rooms.settle_buildings,
    enter=rooms.enter_floors,
    derives=True,
)
