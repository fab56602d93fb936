"""Management grids (网格): each kind tiles its communities."""

from cim.load.fields import Field
from cim.load.kind import Kind
from cim.model.places import grid
from cim.store.incoming import places

FIELDS = (
    Field("code", "text", "网格编码", "grid code",
          ("网格代码", "网格编号", "grid_code", "wgbm", "编码", "编号", "代码"), required=True),
    Field("name", "text", "网格名称", "name", ("名称", "grid_name", "wgmc")),
    Field("kind", "text", "网格类型", "综合网格, 城管片, 警务, 责任区", ("类别", "类型", "type")),
    Field("level", "integer", "层级", "depth in its own tree", ("级别",), least=0, most=20,
          staged="int2"),
    Field("parent_code", "text", "上级网格", "code of the grid above", ("上级网格编码",)),
    Field("manager_ref", "text", "责任岗位", "post in charge, never a name", ("岗位",)),
)  # fmt: skip

KIND = Kind(
    name="grids",
    zh="网格",
    en="management grids with their outlines",
    table=grid,
    object_type="grid",
    fields=FIELDS,
    geometry="polygon",
    adds={"admin_area_id": "int8"},
    key=("kind", "code"),
    settle=places.settle_grids,
    place=places.within_areas,
    finish=places.finish_grids,
)
