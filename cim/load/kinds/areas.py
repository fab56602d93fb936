"""Administrative areas: province, city, county, town, village; with or without an outline."""

import numpy as np

from cim.codes import areas as codes
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.rows import Rows
from cim.model.places import admin_area
from cim.store.incoming import places

FIELDS = (
    Field("code", "text", "区划代码", "administrative code, 2 to 12 digits",
          ("行政区划代码", "代码", "area_code", "adcode", "xzqdm")),
    Field("name", "text", "名称", "full name", ("区划名称", "行政区名称", "area_name", "xzqmc"),
          required=True),
    Field("short_name", "text", "简称", "name as people say it"),
    Field("level", "integer", "级别", "1 province to 5 village", ("层级",), least=1, most=5,
          staged="int2"),
    Field("parent_code", "text", "上级代码", "code of the area above", ("上级区划代码",)),
    Field("kind", "text", "类别", "街道, 镇, 村, 社区 …", ("区划类别", "类型", "type")),
    Field("is_pseudo", "boolean", "虚拟区划", "fills the county slot", ("虚拟",)),
)  # fmt: skip


def ladder(rows: Rows, context: Context) -> None:
    """Codes in their shortest form; level and pseudo-county from the code where not said."""
    given = rows.words("code").tolist()
    short = [None if code is None else codes.trim(code) for code in given]
    odd = [g is not None and s is None for g, s in zip(given, short, strict=True)]
    rows.set_aside(np.array(odd, bool), "code", "not_a_value")
    rows.columns["code"] = np.array(short, dtype=object)
    said = rows.numbers("level")
    found = np.array([(code and codes.level(code)) or np.nan for code in short], np.float64)
    rows.columns["level"] = np.where(np.isnan(said), found, said)
    pseudo = rows.words("is_pseudo").tolist()
    rows.columns["is_pseudo"] = np.array(
        [p if p is not None else bool(code and codes.is_pseudo_county(code))
         for p, code in zip(pseudo, short, strict=True)], dtype=object,
    )  # fmt: skip


KIND = Kind(
    name="areas",
    zh="行政区划",
    en="administrative areas from province to village, by code or by name",
    table=admin_area,
    object_type="admin_area",
    fields=FIELDS,
    geometry="polygon",
    needs_geometry=False,
    checks=(ladder,),
    adds={"code": "text", "level": "int2", "is_pseudo": "bool"},
    key=("code", "name"),
    settle=places.settle_areas,
    finish=places.finish_areas,
)
