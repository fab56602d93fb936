"""Which kind of thing a file probably holds: by its name, its columns and its geometry."""

from collections.abc import Mapping

from cim.load import matching
from cim.load.inspection.outcome import Score
from cim.load.kind import Kind
from cim.load.kinds import KINDS
from cim.load.matching import Guess, values
from cim.load.source import Batch

LIKELY = 40
"""From here on a kind is proposed."""

_CALLED: dict[str, tuple[str, ...]] = {
    "areas": ("area", "town", "village", "division", "district", "admin", "province", "cities",
              "行政区", "区划", "镇街", "村居", "社区", "街道", "xzq"),
    "grids": ("grid", "网格", "wangge"),
    "estates": ("estate", "compound", "小区", "楼盘", "xiaoqu"),
    "streets": ("street", "road", "道路", "路网", "街路巷"),
    "buildings": ("building", "footprint", "bldg", "house", "建筑", "楼栋", "楼幢", "房屋面", "幢",
                  "jianzhu", "jzw", "bd_", "楼"),
    "floors": ("floor", "storey", "楼层", "分层"),
    "units": ("unit", "room", "flat", "户室", "房屋单元", "分户", "房号"),
    "addresses": ("addr", "地址", "门牌", "门楼牌", "dizhi"),
    "people": ("people", "person", "resident", "人口", "居民", "住户", "户籍"),
    "organisations": ("organisation", "organization", "company", "firm", "单位", "企业", "商户"),
    "facilities": ("facilit", "poi", "设施"),
    "projects": ("project", "construction", "工地", "建设项目", "工程"),
    "devices": ("device", "sensor", "camera", "设备", "摄像", "传感"),
    "readings": ("reading", "observation", "读数", "监测数据", "telemetry"),
}  # fmt: skip
"""Words in a file's or layer's name."""

_TELLING: dict[str, tuple[str, ...]] = {
    "areas": ("code", "level", "parent_code"),
    "grids": ("code", "kind"),
    "estates": ("gated", "committee_status", "renewal_state"),
    "streets": ("kind",),
    "buildings": ("height", "floors_above", "floors_below", "use_code", "structure_code"),
    "floors": ("building", "storey", "given_bottom", "given_height"),
    "units": ("building", "storey", "room_no", "area_inner"),
    "addresses": ("full_text", "door_no", "road", "std_code", "room_no"),
    "people": ("id_no", "sex_code", "phone", "residency_kind", "role"),
    "organisations": ("uscc", "small_place", "industry_code"),
    "facilities": ("class_code", "serves", "open_hours"),
    "projects": ("national_code",),
    "devices": ("streams", "bind_type", "class_code", "serial_no", "protocol"),
    "readings": ("device_ref", "at", "value"),
}
"""Fields that hardly any other kind has."""

_ENDINGS: dict[str, tuple[str, ...]] = {
    "areas": (*tuple("省市区县镇乡村"), "街道", "社区", "居委会", "村委会", "自治州", "地区"),
    "streets": (*tuple("路街道巷里弄"), " street", " road", " avenue", "strasse"),
    "estates": ("小区", "花园", "苑", "新村", "家园", "公寓", "广场"),
    "buildings": (*tuple("栋幢楼座"), "大厦", "号楼", "building", "tower"),
    "organisations": ("公司", "店", "厂", "局", "中心", "合作社", "事务所"),
    "grids": ("网格",),
}  # fmt: skip
"""What names of such things end in."""

_ENOUGH = 5
"""Names below which their endings say nothing."""

_SHAPES = {"polygon": ("Polygon", "MultiPolygon"), "line": ("LineString", "MultiLineString"),
           "point": ("Point", "MultiPoint")}  # fmt: skip


def score(
    name: str, columns: list[str], sample: Batch, geometry: Mapping[str, int]
) -> tuple[list[Score], dict[str, list[Guess]]]:
    """Every kind that the file may hold, the likeliest first, and the guesses for each."""
    guesses = {
        each.name: matching.propose(each.all_fields, sample, columns, {}, personal=each.personal)
        for each in KINDS.values()
    }
    called = {each: _called(each, name) for each in KINDS}
    longest = max(called.values())
    found = []
    for each in KINDS.values():
        points = _columns(each, guesses[each.name], sample) + _shape(each, geometry)
        points += 30 if called[each.name] == longest > 0 else 0
        points += 100 if sample.solids is not None and each.adds_of_solids else 0
        found.append(Score(each.name, round(max(min(points, 100), 0))))
    return sorted(found, key=lambda one: -one.score), guesses


def _columns(kind: Kind, guesses: list[Guess], sample: Batch) -> float:
    """What the columns say: the best of the telling ones weighs most."""
    found = {
        each.field.name: each.sure * _filled(sample, each.column)
        for each in guesses
        if each.column is not None
    }
    telling = sorted((found.get(field, 0.0) for field in _TELLING[kind.name]), reverse=True)
    points = sum(sure * weight for sure, weight in zip(telling, (0.3, 0.15, 0.1), strict=False))
    points += min(sum(found.values()) / 40, 10.0) + _speaking(kind, guesses, sample)
    lacking = [each for each in guesses if each.field.required and each.column is None]
    return points - 25 * len(lacking)


def _filled(sample: Batch, column: str) -> float:
    """How much a column weighs: fully from half of its rows on."""
    values = sample.columns.column(column)
    return min(2.0 * (len(values) - int(values.null_count)) / max(len(values), 1), 1.0)


def _speaking(kind: Kind, guesses: list[Guess], sample: Batch) -> float:
    """What the values of key columns say by themselves: codes of areas, names by their endings."""
    columns = {each.field.name: each.column for each in guesses if each.column is not None}
    points = 0.0
    if kind.name == "areas" and "code" in columns:
        points += 15
    endings = _ENDINGS.get(kind.name)
    if endings and "name" in columns:
        found = [text.lower() for text in values.sample_of(sample.columns.column(columns["name"]))]
        like = sum(text.endswith(endings) for text in found)
        points += 25 if len(found) >= _ENOUGH and like >= 0.6 * len(found) else 0
    return points


def _called(kind: str, name: str) -> int:
    """Letters of the longest word of a kind in a file's name; 0 where there is none."""
    key = name.lower()
    return max((len(word) for word in _CALLED[kind] if word in key), default=0)


def _shape(kind: Kind, geometry: Mapping[str, int]) -> float:
    """What the geometry says: of the wrong sort it speaks against a kind."""
    total = sum(geometry.values())
    if kind.geometry is None:
        return -40 if total else 5
    if not total:
        return -60 if kind.needs_geometry else 0
    right = sum(geometry.get(word, 0) for word in _SHAPES[kind.geometry]) / total
    if right <= 0.5:
        return -60 if kind.needs_geometry else -25
    return 25 * right if kind.needs_geometry else 12 * right
