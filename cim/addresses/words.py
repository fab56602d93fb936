"""The words that addresses are made of: what ends a level, and what may not follow it.

Every pattern is made of bounded pieces that give nothing back, so that trying it at one place of a
text costs no more than a constant.
"""

import re
from typing import Final

_NUM = r"(?<![0-9A-Z])[0-9A-Z]{1,6}+(?:-[0-9A-Z]{1,6}+){0,3}+"
_NAMED = r"(?![东南西北中上下]?(?:路|街|巷|大道|社区|村(?!民))|村?民委)"
"""After the name of an estate: not the beginning of a road's or a village's name."""

_FIRST = (
    "(0-9A-Z第负地甲乙丙丁特临东西南北中主附裙辅副社居村高经开旅度保出工产科创软园物批市小花家公新山雅名豪"
    "华大写广街镇乡省壮回维自县区右左前后胡路道横巷弄里"
)
"""Characters that a token may begin with: the pattern looks no further at any other."""

TOKENS: Final = re.compile(
    f"(?=[{_FIRST}])(?:"
    + "|".join(
        f"(?P<{name}>{pattern})"
        for name, pattern in {
            "aside": r"\([^()]{0,80}+\)",
            "building_name": rf"第?{_NUM}(?:号楼|号厂房|栋楼|栋|幢|座|棟)"
            r"|(?<!层)[东西南北主附裙辅副]楼(?!层)",
            "entrance_no": rf"第?(?:{_NUM}(?:单元|梯|门(?![口诊店面市街路]))|[东西南北中]单元)",
            "floor_no": r"(?:(?<![0-9A-Z])[0-9]{1,3}F(?![0-9A-Z])"
            r"|第?(?:负|地下|(?<![0-9A-Z])B|(?<![0-9A-Z]))[0-9]{1,3}+(?:-[0-9]{1,3}+)?(?:层|楼))",
            "room_no": rf"{_NUM}(?:号房|号室|室|房(?!地)|户|号铺|铺|号车位|车位)|[东西南北中]户",
            "squad": r"第?(?<![0-9A-Z])[0-9]{1,3}+(?:村民小组|居民小组|小组|组|队(?!部))",
            "lane": r"(?<![0-9A-Z])[0-9]{1,5}+(?:巷|弄|胡同|条(?=[0-9]))",
            "phase": rf"{_NUM}(?:期|区)(?!块)",
            "door_no": r"[甲乙丙丁特临]?(?<![0-9A-Z-])[0-9]{1,6}+(?:-[0-9]{1,4}+)?+号(?:院|大院)?"
            r"(?:[-附][0-9]{1,2}+号?(?![0-9A-Z-]|栋|幢|座|单元|梯|室|层|楼))?",
            "bare": _NUM,
            "village": r"社区居民委员会|社区居委会|居民委员会|村民委员会|居委会|村委会|村委|社区"
            r"|村(?!镇|[东南西北中上下]?(?:街|路|大道)|民|口|里)",
            "zone": r"(?:高新技术产业|高新技术|经济技术|经济|旅游)?开发区|旅游度假区|度假区|高新区"
            r"|经开区|保税区|出口加工区|工业园区|产业园区|科技园区|工业园|产业园|科技园|创业园|软件园"
            r"|工业区|工业城|物流园|园区|批发市场|市场",
            "estate": r"(?:小区|花园|花苑|家园|公寓|新城|新村|山庄|公馆|雅苑|名苑|豪庭|华庭)"
            + _NAMED,
            "tower": r"(?:大厦|大楼|写字楼|广场)(?!路|街|站)",
            "town": r"街道办事处|街道办|街道|镇(?!政府|[东南西北中]路)|乡(?![路村街])",
            "province": r"省|(?:壮族|回族|维吾尔)?自治区|特别行政区",
            "county": r"自治县|(?<![社小园])[区县]|自治旗|[右左中前后]旗",
            "city": r"自治州|地区|(?<!城)(?<![^成]都)市(?!场|政|民|区|中心|[东南西北]路)",
            "road": r"大道|大街|胡同|公路|路(?!口|村|社区|桥|镇)|街(?!道|村|社区|口|坊|镇)"
            r"|道(?=[0-9])",
            "alley": r"横巷|巷(?!口|村|社区)|弄(?!堂)|里(?=[0-9])",
        }.items()
    )
    + ")"
)
"""What ends a level, by the name of the step that decides on it; the first that fits counts."""

PROVINCES: Final = dict.fromkeys("北京 天津 上海 重庆".split(), "市") | dict.fromkeys(
    "河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 "
    "云南 陕西 甘肃 青海 台湾".split(),
    "省",
)
"""Short names that open an address → the word that is missing."""

CITIES: Final = ("东莞", "苏州", "黄石", "淄博", "中山", "深圳", "广州")
"""Cities whose name opens addresses without 市; loaded areas will make this list longer."""

_ROAD_NAME = (
    r"(?![省市]|自治|特别|[东南西北中]?[0-9一二三四五六七八九十]*[路街道桥]|大道|大厦|村|镇|里)"
)
OPENING: Final = re.compile(
    rf"(?:中国)?(?:(?P<province>{'|'.join(PROVINCES)})省?{_ROAD_NAME})?"
    rf"(?:(?P<city>{'|'.join(CITIES)}){_ROAD_NAME})?"
)
"""Province and city without their words, at the very start."""

FUNCTIONAL: Final = re.compile("松山湖(?:高新技术产业开发区|高新区|园区|管委会)?|东莞港|滨海湾新区")
"""Areas of Dongguan that stand in the place of a town."""

TOWERS: Final = tuple(
    "大厦 大楼 楼 中心 广场 厂 厂房 学校 小学 中学 幼儿园 医院 宿舍 酒店 商场 馆 亭".split()
)
"""How names of single buildings end."""

ESTATES: Final = tuple("小区 花园 苑 园 城 公寓 家园 新村 山庄 庭 湾 府 公馆 里".split())
"""How names of estates end."""
