"""Why a feature has no mesh, or not the one that it might have."""

from enum import IntEnum


class Reason(IntEnum):
    """Why a feature has no mesh."""

    FINE = 0
    NO_OUTLINE = 1
    NO_ELEVATION = 2
    NO_HEIGHT = 3
    NO_AREA = 4
    NO_ROOF = 5
    TOO_WIDE = 6
    NOWHERE = 7
    TOO_HIGH = 8
    NO_STOREYS = 9
    NO_SOLID = 20
    SOLID_UNREADABLE = 21
    SOLID_UNEVEN = 22
    SOLID_CROSSED = 23
    SOLID_FLAT = 24
    SOLID_OPEN = 25

    @property
    def drawn(self) -> bool:
        """Whether the feature is drawn all the same: as a prism, not as the solid it has."""
        return self > Reason.NO_SOLID


REASONS: dict[Reason, tuple[str, str]] = {
    Reason.NO_OUTLINE: ("it has no outline", "没有轮廓"),
    Reason.NO_ELEVATION: ("its elevation is not known", "缺少高程"),
    Reason.NO_HEIGHT: ("its top is not above its bottom", "顶部不高于底部"),
    Reason.NO_AREA: ("its outline has no area", "轮廓面积为零"),
    Reason.NO_ROOF: ("its outline crosses itself", "轮廓自相交"),
    Reason.TOO_WIDE: ("its outline reaches across tens of kilometres", "轮廓跨越数十千米"),
    Reason.NOWHERE: (
        "its outline has corners that are nowhere on Earth, or lies across the 180th meridian",
        "轮廓含有地球上不存在的坐标，或跨越 180° 经线",
    ),
    Reason.TOO_HIGH: ("it reaches more than 20 km up or down", "高程超出 ±20 千米"),
    Reason.NO_STOREYS: (
        "all of it is below the ground, and its storeys are not made yet: cim units build",
        "全部在地下，尚未生成楼层：请运行 cim units build",
    ),
    Reason.SOLID_UNREADABLE: (
        "drawn as a prism: its solid cannot be read, or is far away or very high",
        "按棱柱绘制：实体无法读取，或位置、高程不合理",
    ),
    Reason.SOLID_UNEVEN: (
        "drawn as a prism: a surface of its solid is out of its plane by over half a metre",
        "按棱柱绘制：实体的某个面偏离平面超过半米",
    ),
    Reason.SOLID_CROSSED: (
        "drawn as a prism: surfaces of its solid cross themselves",
        "按棱柱绘制：实体的面自相交",
    ),
    Reason.SOLID_FLAT: (
        "drawn as a prism: its solid encloses nothing",
        "按棱柱绘制：实体没有体积",
    ),
    Reason.SOLID_OPEN: (
        "drawn as a prism: its solid lacks walls or the roof",
        "按棱柱绘制：实体缺少墙面或屋面",
    ),
}
"""The sentences of each reason, in English and in Chinese."""
