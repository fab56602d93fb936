"""Construction projects and their sites."""

from typing import Final

from cim.load.fields import Field
from cim.load.kind import Kind
from cim.model.projects import project
from cim.store.incoming import places

STATES: Final = {
    "planned": "planned",
    "拟建": "planned",
    "筹建": "planned",
    "未开工": "planned",
    "building": "building",
    "在建": "building",
    "施工中": "building",
    "suspended": "suspended",
    "停工": "suspended",
    "completed": "completed",
    "完工": "completed",
    "竣工": "completed",
    "已竣工": "completed",
}
"""Words for the state of a project."""

FIELDS = (
    Field("name", "text", "项目名称", "name", ("名称", "工程名称", "project_name"), required=True),
    Field("national_code", "text", "项目代码", "code of the national register of projects",
          ("投资项目代码", "国家编码")),
    Field("kind", "text", "建设类型", "新建, 改建, 老旧小区改造, 加装电梯, 拆除",
          ("项目类型", "类别", "建设性质", "type")),
    Field("status", "code", "项目状态", "planned, building, suspended, completed",
          ("状态", "建设状态", "工程状态"), words=STATES),
)  # fmt: skip

KIND = Kind(
    name="projects",
    zh="建设项目",
    en="construction projects and their sites",
    table=project,
    object_type="project",
    fields=FIELDS,
    geometry="polygon",
    needs_geometry=False,
    adds={"admin_area_id": "int8"},
    key=("name",),
    key_names=("project_id", "项目编号", "工程编号"),
    place=places.within_areas,
)
