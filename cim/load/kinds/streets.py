"""Streets, lanes and alleys, by their centre lines."""

from cim.load.fields import Field
from cim.load.kind import Kind
from cim.model.places import street
from cim.store.incoming import places

FIELDS = (
    Field("name", "text", "名称", "name", ("街路巷名称", "道路名称", "路名", "street_name")),
    Field("kind", "text", "类别", "路, 巷, 里", ("道路类别", "类型", "type", "highway")),
)

KIND = Kind(
    name="streets",
    zh="街路巷",
    en="streets, lanes and alleys by their centre lines",
    table=street,
    object_type="street",
    fields=FIELDS,
    geometry="line",
    adds={"admin_area_id": "int8"},
    key_names=("street_id", "街道编号", "道路编号"),
    place=places.within_areas,
)
