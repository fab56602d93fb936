"""In which coordinate system a file is: as said, as it says itself, never as it merely looks."""

from dataclasses import dataclass

import numpy as np
import shapely

from cim import crs
from cim.crs import zones
from cim.crs.zones import Bounds
from cim.errors import MissingCrs, SourceError
from cim.load.source import Batch, Source

_ENOUGH = 20
"""Rows from which on the odd one does not tell what the file is in."""

_APPROXIMATE = (
    "the shift of this old datum to CGCS2000 is not public: places may be off by some hundred "
    "metres; have the survey office convert the file",
    "该旧坐标系与 CGCS2000 之间的转换参数不公开：位置可能偏差百米左右；请由测绘部门转换后再导入",
)


_DEFAULTS = ("GeoJSON", "GeoJSONSeq", "KML", "LIBKML")
"""Formats that are in WGS 84 by definition, whatever those who wrote them did."""

_PERHAPS_SHIFTED = (
    "degrees taken as WGS 84, as the format has it; if they come from AMap, Tencent or Baidu, "
    "say --crs gcj02 or bd09",
    "经纬度按该格式的规定视为 WGS 84；若来自高德、腾讯或百度地图，请用 --crs gcj02 或 bd09 指定",
)


@dataclass(frozen=True)
class Proposal:
    """A system that coordinates may be in: what `--crs` takes, how likely (0-100), and why."""

    code: str
    sure: int
    en: str
    zh: str


def propose(bounds: Bounds) -> list[Proposal]:
    """Systems that numbers in these bounds may be in, likeliest first; never more than a proposal.

    >>> [(item.code, item.sure) for item in propose((38474000, 2546000, 38475000, 2547000))]
    [('EPSG:4526', 70), ('EPSG:2362', 20), ('EPSG:2414', 8)]
    >>> [item.code for item in propose((113.7, 23.0, 113.8, 23.1))]
    ['EPSG:4490', 'gcj02', 'bd09']
    >>> [item.code for item in propose((23.0, 113.7, 23.1, 113.8))]
    ['EPSG:4490/yx', 'gcj02/yx', 'bd09/yx']
    >>> propose((float("nan"),) * 4)
    []
    """
    if not np.isfinite(bounds).all():
        return []
    if zones.swapped(bounds):
        west, south, east, north = bounds
        return [
            Proposal(
                item.code + crs.SWAPPED,
                item.sure,
                f"{item.en}; northing or latitude stands first",
                f"{item.zh}；纵坐标（纬度）在前",
            )
            for item in propose((south, west, north, east))
        ]
    if zones.are_degrees(bounds):
        return _degrees(bounds)
    return sorted([*_zones(bounds), *_mercator(bounds)], key=lambda item: -item.sure)


def _degrees(bounds: Bounds) -> list[Proposal]:
    if not zones.in_china(bounds):
        return [Proposal("EPSG:4326", 90, "degrees: WGS 84", "经纬度：WGS 84")]
    return [
        Proposal(
            "EPSG:4490", 60, "degrees: CGCS2000 or WGS 84", "经纬度：CGCS2000 或 WGS 84"
        ),
        Proposal(
            "gcj02", 25,
            "degrees of AMap or Tencent, shifted by some 500 m: the numbers do not show it, "
            "where they come from does",
            "高德、腾讯地图的经纬度（偏移约 500 米）：从数值看不出来，要看数据来源",
        ),
        Proposal(
            "bd09", 10, "degrees of Baidu, shifted by some 1,000 m",
            "百度地图的经纬度（偏移约 1000 米）",
        ),
    ]  # fmt: skip


def _zones(bounds: Bounds) -> list[Proposal]:
    found = zones.numbered_zones(bounds)
    if zones.are_mercator(bounds):  # 13 to 20 million are metres of web maps more often than zones
        found = [(zone, share // 3) for zone, share in found]
    plain = [(zone, share) for zone, share in zones.plain_zones(bounds) if share >= 4]
    return [_zone(zone, share) for zone, share in [*found, *plain]]


def _zone(zone: zones.Zone, share: int) -> Proposal:
    width, meridian, datum = zone.family.width, zone.meridian, zone.family.datum
    named = {"Xian 1980": "西安80", "Beijing 1954": "北京54"}.get(datum, datum)
    if zone.prefixed:
        return Proposal(
            zone.code,
            share,
            f"{datum}, {width}° zone {zone.number} (central meridian {meridian}°): "
            "the eastings begin with the zone",
            f"{named} {width} 度带第 {zone.number} 带（中央经线 {meridian}°）：横坐标带有带号",
        )
    return Proposal(
        zone.code,
        share,
        f"{datum}, {width}° zone of central meridian {meridian}°",
        f"{named} {width} 度带，中央经线 {meridian}°",
    )


def _mercator(bounds: Bounds) -> list[Proposal]:
    west, south, east, north = bounds
    if not zones.are_mercator(bounds) or zones.plain_zones(bounds):
        return []
    china = west >= 8.0e6 and east <= 15.1e6 and south >= 3e5 and north <= 7.2e6
    return [
        Proposal(
            "EPSG:3857", 65 if china else 40, "metres of web maps (Web Mercator)",
            "网络地图的米制坐标（Web 墨卡托）",
        )
    ]  # fmt: skip


def settle(name: str, source: Source, sample: Batch, said: str | None) -> str | None:
    """The system of a file's coordinates; None where it has no geometry.

    Raises MissingCrs where neither the user nor the file says it, with the systems that the numbers
    may be in; SourceError where what was said cannot be true.
    """
    if sample.geometry is None:
        return None
    bounds = extent(sample)
    system = said or source.crs
    if system is None:
        raise _unsaid(name, bounds)
    system = crs.canonical(system)
    if bounds is not None and not (source.solids and _wide(sample)):
        _plausible(name, system, bounds)
    if crs.is_approximate(system):
        source.notes.append(_APPROXIMATE)
    by_default = said is None and source.format in _DEFAULTS and crs.is_ours(system)
    if by_default and bounds is not None and zones.in_china(bounds):
        source.notes.append(_PERHAPS_SHIFTED)
    return system


def _wide(sample: Batch) -> bool:
    """Whether buildings are wider than a degree, so that small numbers are metres all the same."""
    boxes = shapely.bounds(shapely.from_wkb(sample.geometry, on_invalid="ignore"))
    return bool(np.nanmedian(boxes[:, 2] - boxes[:, 0]) > 1)


def extent(sample: Batch) -> Bounds | None:
    """Where the coordinates of some rows lie, in the file's numbers; None where there are none.

    Of many rows the outermost hundredth on each side is left out: one row at (0, 0) says nothing
    about the others.
    """
    if sample.geometry is None:
        return None
    boxes = shapely.bounds(shapely.from_wkb(sample.geometry, on_invalid="ignore"))
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return None
    cut = 1.0 if len(boxes) >= _ENOUGH else 0.0
    west, south = np.percentile(boxes[:, :2], cut, axis=0).tolist()
    east, north = np.percentile(boxes[:, 2:], 100 - cut, axis=0).tolist()
    return west, south, max(east, west), max(north, south)


def _numbers(bounds: Bounds) -> str:
    west, south, east, north = bounds
    return f"x {west:.8g} – {east:.8g}, y {south:.8g} – {north:.8g}"


def _advice(bounds: Bounds, known: str | None = None) -> tuple[str, str]:
    """What the numbers may be in, and what to type, as the end of a sentence."""
    if known:
        return f"say --crs {known}", f"请用 --crs {known}"
    likely = propose(bounds)[:3]
    if not likely:
        return "say --crs with the system it is in", "请用 --crs 指定实际的坐标系"
    en = "; ".join(f"{item.code} ({item.en})" for item in likely)
    zh = "；".join(f"{item.code}（{item.zh}）" for item in likely)
    if zones.plain_zones(bounds):
        en += "; such eastings do not tell their zone, the city's longitude does"
        zh += "；横坐标不含带号，须按城市所在经度确定"
    return (
        f"it may be {en}. Say --crs {likely[0].code}, or whichever it is",
        f"可能是 {zh}。请用 --crs {likely[0].code} 等参数指定",
    )


def _unsaid(name: str, bounds: Bounds | None) -> MissingCrs:
    if bounds is None:
        return MissingCrs(
            f"{name} does not say its coordinate system; say --crs",
            f"{name} 没有说明坐标系；请用 --crs 指定",
        )
    en, zh = _advice(bounds)
    return MissingCrs(
        f"{name} does not say its coordinate system ({_numbers(bounds)}); {en}",
        f"{name} 没有说明坐标系（{_numbers(bounds)}）；{zh}",
    )


def _plausible(name: str, system: str, bounds: Bounds) -> None:
    """Refuse what cannot be: metres for degrees, degrees for metres, exchanged axes, zones."""
    west, south, east, north = bounds
    if system.endswith(crs.SWAPPED):
        west, south, east, north = south, west, north, east
    projected = crs.is_projected(system)
    turned = (west, south, east, north)
    fault, code = _not_metres(turned) if projected else _not_degrees(turned), None
    if fault is None and projected:
        fault, code = _wrong_zone(system, turned)
    if fault is None:
        return
    en, zh = _advice(bounds, code)
    raise SourceError(
        f"{name} is said to be in {_short(system)}, but {fault[0]} ({_numbers(bounds)}); {en}",
        f"{name} 声明为 {_short(system)}，但{fault[1]}（{_numbers(bounds)}）；{zh}",
    )


def _short(system: str) -> str:
    """A system in a word: its code, or the name that stands in its definition."""
    return system if len(system) < 40 else system.split('"')[1] if '"' in system else system[:40]


def _not_metres(bounds: Bounds) -> tuple[str, str] | None:
    west, south, east, north = bounds
    small = max(abs(west), abs(east)) <= 180 and max(abs(south), abs(north)) <= 180
    if small and (east - west > 1e-9 or abs(west) > 1):
        return (
            "that is metres and the coordinates are degrees",
            "该坐标系以米为单位，而坐标看起来是经纬度",
        )
    if zones.swapped(bounds):
        return (
            "the coordinates have their axes exchanged: northing first",
            "坐标轴顺序相反：纵坐标（北向）在前",
        )
    return None


def _not_degrees(bounds: Bounds) -> tuple[str, str] | None:
    if min(abs(bounds[0]), abs(bounds[2])) > 360:
        return (
            "that is degrees and the coordinates are metres",
            "该坐标系以度为单位，而坐标看起来是米",
        )
    if zones.swapped(bounds):
        return (
            "the coordinates have their axes exchanged: latitude first",
            "坐标轴顺序相反：纬度在前",
        )
    return None


def _wrong_zone(system: str, bounds: Bounds) -> tuple[tuple[str, str] | None, str | None]:
    """Eastings with a zone number under a plain zone, without under a numbered one, or another.

    The fault in both languages, and the system that it would be none in, where there is one.
    """
    swapped = crs.SWAPPED if system.endswith(crs.SWAPPED) else ""
    zone = zones.known(system.removesuffix(crs.SWAPPED))
    number = zones.prefix(bounds)
    if zone is None:
        return None, None
    if not zone.prefixed and number is not None:
        code = zone.other().code + swapped if number == zone.number else None
        return (
            f"its eastings begin with a zone number, {number}",
            f"横坐标带有带号 {number}",
        ), code
    if zone.prefixed and number is None and 0 < bounds[0] <= bounds[2] < zones.MILLION:
        return (
            f"its eastings lack the zone number {zone.number}",
            f"横坐标没有带号 {zone.number}",
        ), zone.other().code + swapped
    if zone.prefixed and number is not None and number != zone.number:
        return (
            f"its eastings begin with another zone number, {number} for {zone.number}",
            f"横坐标的带号是 {number}，而不是 {zone.number}",
        ), None
    return None, None
