"""Residential estates and compounds (小区)."""

from cim.load.fields import Field
from cim.load.kind import Kind
from cim.model.places import estate
from cim.store.incoming import places

FIELDS = (
    Field("name", "text", "小区名称", "name as people say it",
          ("名称", "项目名称", "estate_name", "xqmc"), required=True),
    Field("kind", "text", "类别", "商品住宅, 老旧, 自建房片, 公寓, 园区",
          ("小区类型", "类型", "type")),
    Field("built_year_min", "year", "建成年份", "first year of building",
          ("建成年代", "built_year")),
    Field("built_year_max", "year", "建成年份止", "last year of building"),
    Field("gated", "boolean", "封闭管理", "closed to passers-by", ("是否封闭",)),
    Field("committee_status", "text", "业委会状态", "state of the owners' committee"),
    Field("committee_term_end", "date", "业委会届满", "end of the committee's term"),
    Field("renewal_state", "text", "改造状态", "state of renewal"),
    Field("rating_current", "text", "评级", "基础型, 成长型, 标杆型"),
)  # fmt: skip

KIND = Kind(
    name="estates",
    zh="小区",
    en="residential estates and compounds",
    table=estate,
    object_type="estate",
    fields=FIELDS,
    geometry="polygon",
    needs_geometry=False,
    adds={"admin_area_id": "int8"},
    key=("name",),
    key_names=("estate_id", "小区编号", "小区编码", "项目编号"),
    place=places.within_areas,
    finish=places.refresh_estates,
)
