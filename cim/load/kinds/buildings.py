"""Buildings: footprints with heights, floors and use."""

from itertools import repeat

import numpy as np
import shapely

from cim import crs
from cim.crs import geoid
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.rows import Rows
from cim.model.buildings import building
from cim.model.places import admin_area, estate, grid
from cim.model.terrain import terrain
from cim.settings import Settings
from cim.store.incoming import merge, places, solids
from cim.store.incoming.straight import Terms

USES = {
    "apartments": "residential",
    "house": "residential",
    "detached": "residential",
    "terrace": "residential",
    "dormitory": "residential",
    "居住": "residential",
    "民居": "residential",
    "商业": "retail",
    "commercial": "retail",
    "supermarket": "retail",
    "hotel": "retail",
    "商务": "office",
    "school": "public",
    "university": "public",
    "hospital": "public",
    "public": "public",
    "教育": "public",
    "医疗": "public",
    "industrial": "industry",
    "factory": "industry",
    "warehouse": "industry",
    "工业": "industry",
    "厂房": "industry",
    "仓库": "industry",
    "商住": "mixed",
    "商住混合": "mixed",
    "yes": "other",
}
"""Words of other registers and of OpenStreetMap for codes of the list building_use."""

SORTS = {word: word for word in ("自然幢", "逻辑幢", "附属")}
"""What a building is in the register."""

STATES = {
    "planned": "planned",
    "规划": "planned",
    "拟建": "planned",
    "under_construction": "under_construction",
    "在建": "under_construction",
    "existing": "existing",
    "现状": "existing",
    "已建": "existing",
    "partly_demolished": "partly_demolished",
    "部分拆除": "partly_demolished",
    "demolished": "demolished",
    "已拆除": "demolished",
}
"""States of a building, and words for them."""

LEAST_AREA = 0.001
"""m²; a smaller outline encloses nothing."""

MOST_AREA = 10e6
"""m²; the largest buildings there are cover one or two km², so a larger outline is no building."""

TINY = 1.0
"""m²; a smaller outline comes in, and is counted as odd."""

FIELDS = (
    Field("name", "text", "名称", "name", ("建筑名称", "楼名", "name:zh", "bldg_name", "mc")),
    Field(
        "height", "number", "高度", "height above ground, m",
        ("建筑高度", "房屋高度", "楼高", "height_ag", "bldg_h", "hgt", "building:height", "gd",
         "measuredHeight", "building_height"),
        most=1000,
    ),
    Field(
        "floors_above", "integer", "地上层数", "storeys above ground",
        ("层数", "总层数", "楼层", "楼层数", "floor", "floors", "floors_ag", "storeys", "levels",
         "building:levels", "num_floors", "storeysAboveGround", "cs"),
        most=200, staged="int2",
    ),
    Field(
        "floors_below", "integer", "地下层数", "basement storeys",
        ("地下楼层", "floors_bg", "basements", "building:levels:underground", "storeysBelowGround"),
        least=0, most=20, staged="int2",
    ),
    Field(
        "use_code", "code", "用途", "use",
        ("使用用途", "房屋用途", "建筑用途", "使用性质", "use", "usage", "function", "building"),
        codes="building_use", words=USES,
    ),
    Field("built_year", "year", "建成年份", "year of completion",
          ("建成年代", "竣工年份", "建造年代", "year", "year_built", "start_date",
           "yearOfConstruction", "dateOfConstruction")),
    Field("ground_elev", "number", "地面高程", "ground in the height datum, m",
          ("地面标高", "高程", "ground", "base_elev", "TerrainHeight", "ground_height"),
          least=-500, most=9000),
    Field("units_per_floor", "integer", "每层户数", "units on a typical floor", ("一层户数",),
          least=0, most=500, staged="int2"),
    Field("entrance_count", "integer", "单元数", "entrances", ("entrances", "梯数"),
          least=0, most=100, staged="int2"),
    Field("podium_floors", "integer", "裙楼层数", "podium storeys", ("裙房层数", "podium"),
          least=0, most=50, staged="int2"),
    Field("units_total", "integer", "总户数", "units in all", ("户数", "套数"),
          least=0, most=20000, staged="int4"),
    Field("gross_area", "number", "建筑面积", "total floor area, m²",
          ("总建筑面积", "gfa", "floor_area"), least=0, most=1e8, staged="numeric(14,2)"),
    Field("has_lift", "boolean", "有电梯", "has a lift", ("电梯", "lift", "elevator")),
    Field("structure_code", "code", "结构", "structure", ("建筑结构", "房屋结构", "结构类型"),
          codes="structure"),
    Field("kind", "code", "幢类", "自然幢, 逻辑幢, 附属", ("幢类型",), words=SORTS),
    Field("state", "code", "状态", "planned, existing …", ("建筑状态",), words=STATES),
)  # fmt: skip


def from_solids(rows: Rows, context: Context) -> None:
    """Height and ground of the solid, where the row has one and does not say them itself."""
    if rows.batch.solids is None:
        return
    _to_city(rows, context.settings, rows.batch.solids.above)
    base, top = rows.numbers("base"), rows.numbers("top")
    height, ground = rows.numbers("height"), rows.numbers("ground_elev")
    with np.errstate(invalid="ignore"):
        rows.columns["height"] = np.where(~(height > 0) & (top > base), top - base, height)
    rows.columns["ground_elev"] = np.where(np.isnan(ground), base, ground)
    known = ~np.isnan(rows.numbers("ground_elev"))
    rows.columns["ground_method"] = np.where(known, "given", "default").astype(object)


def _to_city(rows: Rows, settings: Settings, above: str | None) -> None:
    """Heights of solids into the city's datum, each building by what they differ at its middle."""
    if above is None or rows.geometry is None:
        return
    middle = shapely.centroid(rows.geometry)
    here = np.flatnonzero(~shapely.is_missing(rows.geometry))
    lon, lat = shapely.get_x(middle[here]), shapely.get_y(middle[here])
    shift = np.zeros(len(rows))
    shift[here] = geoid.to_city(settings, above)(lon, lat)
    solids = shapely.from_wkb(rows.columns["solid"])
    points, row = shapely.get_coordinates(solids, include_z=True, return_index=True)
    points[:, 2] += shift[row]
    moved = shapely.set_coordinates(solids, points)
    rows.columns["solid"] = np.array(shapely.to_wkb(moved), dtype=object)
    for end in ("base", "top"):
        rows.columns[end] = rows.numbers(end) + shift


def heights(rows: Rows, context: Context) -> None:
    """Height and floors: one from the other where one is missing, both assumed where both are.

    Zero and NaN are none; a negative number is set aside.  Under 1.5 m or over 20 m a floor the
    two do not go together: both come in as given, and are counted as odd.
    """
    height, floors = rows.numbers("height"), rows.numbers("floors_above")
    with np.errstate(invalid="ignore", divide="ignore"):
        rows.set_aside(height < 0, "height", "too_small")
        rows.set_aside(floors < 0, "floors_above", "too_small")
        has_height, has_floors = height > 0, floors > 0
        each = height / floors
        both = has_height & has_floors
        rows.warn(both & ((each < 1.5) | (each > 20)), "height_per_floor")
    storey = storey_heights(rows, context.settings)
    usual = float(context.settings.default_floors)
    counted = np.where(has_height, np.maximum(np.round(np.nan_to_num(height) / storey), 1), usual)
    floors_known = np.where(has_floors, np.nan_to_num(floors), counted)
    rows.columns["floors_above"] = floors_known
    rows.columns["floors_method"] = _method(has_floors, has_height, "height")
    rows.columns["height"] = np.where(has_height, np.nan_to_num(height), floors_known * storey)
    rows.columns["height_method"] = _method(has_height, has_floors, "floors")
    rows.warn(~has_height & ~has_floors, "no_height_no_floors")


def storey_heights(rows: Rows, settings: Settings) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Usual storey height by use, metres."""
    usual = {
        "retail": settings.storey_height_retail,
        "office": settings.storey_height_office,
        "public": settings.storey_height_office,
        "industry": settings.storey_height_retail,
    }
    uses = rows.words("use_code").tolist()
    heights = map(usual.get, uses, repeat(settings.storey_height_residential))
    return np.fromiter(heights, np.float64, len(uses))


def _method(
    given: np.ndarray[tuple[int], np.dtype[np.bool_]],
    other: np.ndarray[tuple[int], np.dtype[np.bool_]],
    word: str,
) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.where(given, "given", np.where(other, word, "default")).astype(object)


def footprint_areas(rows: Rows, context: Context) -> None:
    """Area on the ellipsoid, m², and a point inside by which the building is placed."""
    if rows.geometry is not None:
        rows.columns["footprint_area"] = crs.areas(rows.geometry)
        inside = shapely.point_on_surface(rows.geometry)
        rows.columns["lon"], rows.columns["lat"] = shapely.get_x(inside), shapely.get_y(inside)


def standing_in(rows: Rows, context: Context) -> None:
    """The area, grid and estate that hold the point by which the building is placed."""
    if "lon" in rows.columns:
        lon, lat = rows.numbers("lon"), rows.numbers("lat")
        for column, outlines in context.standing.items():
            rows.columns[column] = outlines.holding(lon, lat)


def on_ground(rows: Rows, context: Context) -> None:
    """The ground: as the row gives it, else its lowest place under the outline in the terrain."""
    given = np.isfinite(rows.numbers("ground_elev"))
    if context.ground is not None and rows.geometry is not None:
        under = context.ground.under(rows.geometry)
        rows.columns["ground_low"], rows.columns["ground_high"] = under.low, under.high
        lowest = under.low
    elif "ground_elev" in rows.columns:
        lowest = np.full(len(rows), np.nan)
    else:
        return
    rows.columns["ground_method"] = _method(given, np.isfinite(lowest), "terrain")
    rows.columns["ground_elev"] = np.where(given, rows.numbers("ground_elev"), lowest)


KIND = Kind(
    name="buildings",
    zh="建筑",
    en="building footprints with heights, floors and use",
    table=building,
    object_type="building",
    fields=FIELDS,
    geometry="polygon",
    geometry_column="footprint",
    checks=(from_solids, heights, footprint_areas, standing_in, on_ground),
    standing=True,
    key_names=(
        "幢编号",
        "楼栋编号",
        "楼幢编号",
        "建筑编号",
        "建筑物编号",
        "栋编号",
        "自然幢编号",
        "building_id",
        "building_code",
    ),
    adds={
        "height": "float8",
        "height_method": "text",
        "floors_above": "int2",
        "floors_method": "text",
        "footprint_area": "float8",
        "lon": "float8",
        "lat": "float8",
        "admin_area_id": "int8",
        "grid_id": "int8",
        "estate_id": "int8",
    },
    adds_of_solids=solids.STAGED | {"ground_elev": "float8", "ground_method": "text"},
    adds_on_terrain={
        "ground_elev": "float8",
        "ground_method": "text",
        "ground_low": "float4",
        "ground_high": "float4",
    },
    enter=solids.by_source,
    repeated=merge.pieces_join,
    place=lambda stage: places.of_stage(
        stage, least_area=LEAST_AREA, most_area=MOST_AREA, tiny=TINY
    ),
    guarded={
        "height": "height_method",
        "floors_above": "floors_method",
        "ground_elev": "ground_method",
    },
    derives=True,
    again=(admin_area, grid, estate, terrain),
    straight=Terms(
        odd=f"NOT (t.footprint_area BETWEEN {TINY} AND {MOST_AREA})",
        lost={
            "lon": "ST_X(ST_PointOnSurface(t.footprint))",
            "lat": "ST_Y(ST_PointOnSurface(t.footprint))",
        },
        all_again=places.changed,
    ),
)
