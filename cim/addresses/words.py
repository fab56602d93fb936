"""The words that addresses are made of: what ends a level, and what may not follow it.

Every pattern is made of bounded pieces that give nothing back, so that trying it at one place of a
text costs no more than a constant.
"""

import re
from typing import Final

_NUM = r"(?<![0-9A-Z])[0-9A-Z]{1,6}+(?:-[0-9A-Z]{1,6}+){0,3}+"
_VILLAGE_AGAIN = "村(?=$|[0-9(]|中心[路街]|[中大]街|村民?委)"
_SHOP = "(?:商铺|铺位|门面|门市)"
_ORDINAL = "(?:第?[一二三四五六七八九十]{1,2}|[东南西北中上下新])?"
_NAMED = rf"(?!{_ORDINAL}(?:路|街|巷|大道|社区|居委|村民?委))"
"""After the name of an estate: not the beginning of a road's or a village's name."""
_OFFICE = rf"(?!{_ORDINAL}(?:社区|居委|居民委|村民?委))"
"""After the name of a road: not the name of a community called after it."""

_FIRST = (
    "(0-9A-Z第负地甲乙丙丁特临东西南北中左右前后主附裙辅副社居村高经开旅度保出工产科创软园物批市小花家公新山雅"
    "名豪华大写广街镇乡省壮回维自县区旗胡路道横巷弄里办农州国城管服宿生校别首底夹顶架房商步门铺组医学段宾酒N排"
)
"""Characters that a token may begin with: the pattern looks no further at any other."""

_NUMBERED: Final = {
    "numbered_squad": r"\([0-9]{1,3}\)(?:村民小组|居民小组|小组|组|队)?",
    "aside": r"\([^()]{0,80}+\)",
    "gate": r"(?<![0-9A-Z])[0-9]{1,3}号门(?![口诊店面市街路])",
    "shed": rf"第?{_NUM}号(?:厂房|宿舍楼|教学楼|办公楼|综合楼|研发楼|仓库|车间)",
    "building_name": rf"第?(?:{_NUM}(?:号楼|栋楼|栋|幢|座|棟)"
    r"|(?<![0-9A-Z])[甲乙丙丁戊](?:栋|幢|座|号楼))"
    r"|(?<!层)[东西南北主附裙辅副前后]楼(?!层)",
    "entrance_no": rf"第?(?:{_NUM}(?:单元|梯|门(?![口诊店面市街路]))"
    r"|[东南西北中甲乙丙丁戊]单元)",
    "floor_no": r"(?:(?<![0-9A-Z])[0-9]{1,3}F(?![0-9A-Z])"
    r"|第?(?:负|地下|(?<![0-9A-Z])B|(?<![0-9A-Z]))[0-9]{1,3}+(?:-[0-9]{1,3}+)?(?:层|楼)"
    r"|(?:首|底|夹|顶|架空)层|底楼)",
    "room_no": rf"{_NUM}(?:号房(?!号)|号室|室|号?房间|房(?![地产屋号])|户"
    rf"|号?(?:{_SHOP}(?!{_NUM}(?!间))|铺面|铺(?!位)|档口|档|车位|卡|车间))"
    rf"|(?<![0-9A-Z])[A-Z]{{1,2}}[0-9]{{1,5}}号(?![楼厂门院])|[东南西北中左右]户|房号{_NUM}|{_SHOP}{_NUM}号?",
    "squad": r"第?(?<![0-9A-Z])[0-9]{1,3}+(?:村民小组|居民小组|小组|组|队(?!部))",
    "lane": r"(?:(?<![东南西北])[东南西北中前后])?(?<![0-9A-Z])[0-9]{1,5}+"
    r"(?:横?巷|弄(?!堂)|胡同|排|条(?=[0-9]))",
    "phase": rf"(?:{_NUM}|[东南西北中甲乙丙丁])(?:期|区)(?![块域间]|社区)",
    "door_no": r"(?:[甲乙丙丁特临]|NO)?(?<![0-9B-MP-Z])(?<![0-9A-Z号]-)"
    r"[0-9]{1,6}+(?:-[0-9]{1,4}+|[甲乙丙丁][0-9]{0,3}+)?+号(?:院(?![内落子里])|大院)?"
    r"(?:(?:-[0-9]{1,2}+|附[0-9]{1,4}+)(?:-[0-9]{1,3}+)?+(?:号(?![楼房室铺厂门])"
    r"|(?![0-9A-Z-]|号|栋|幢|座|单元|梯|室|层|楼|房|铺))"
    r"|[甲乙丙丁](?![栋幢座单区])(?:[0-9]{1,3}+号)?+)?|NO[0-9]{1,6}+",
    "bare": _NUM,
}
"""Tokens that begin with a number, or with what stands before one."""

_NUMBER_FIRST = "(0-9A-Z第负地甲乙丙丁戊特临东西南北中左右前后主附裙辅副首底夹顶架房商门铺"

_NAMING: Final = {
    "group": r"村民小组|居民小组|小组(?!长)|(?<!小)组(?![织建合团装])",
    "village": r"社区居民委员会|社区居委会|居民委员会|村民委员会|居委会|村委会|村委|社区"
    rf"|管理区|村(?!民?委|民小组|口|里|落|部|{_VILLAGE_AGAIN})",
    "zone": r"(?:高新技术产业|高新技术|经济技术|经济|旅游)?开发区|旅游度假区|度假区|高新区"
    r"|经开区|保税区|出口加工区|工业园区|产业园区|科技园区|工业园|产业园|科技园|创业园|软件园"
    r"|创新园|工业区|工业坊|工业城|物流园|园区|(?<=历史|文化)街区(?!社区)"
    r"|(?:服装城|批发市场|市场)(?!路|街|社区|步行街|商业街)",
    "estate": r"(?:小区|花园|花苑|家园|公寓|新城|新村|山庄|公馆|雅苑|名苑|豪庭|华庭|别院"
    r"|宿舍(?!楼)|生活区|家属[区院]|别墅区)" + _NAMED,
    "school": r"(?:校区|[中小大]学(?![生府])|学院|学校|医院)(?=[东南西北中]?校区|[^路街社])"
    + _NAMED,
    "tower": r"(?:大厦|大楼|写字楼|广场|宾馆|酒店)(?![东南西北中]?路|街|站|社区)",
    "town": r"街道办事处|街道办|街道|办事处|镇(?!政府|街道|镇|社区(?!卫|服)|[东南西北中]路)"
    r"|乡(?![路村街镇])|农场管理区|农场(?!路)",
    "province": r"省(?!道)|(?:壮族|回族|维吾尔)?自治区|特别行政区",
    "county": r"自治县|(?<![社小园活校街])区|县(?!道(?:[0-9]|$))|自治旗|[右左中前后]旗",
    "city": r"自治州|地区|(?<!城)(?<![^成]都)市(?!场|政|民|区|中心|[东南西北中]?[路街]|镇)",
    "road": rf"步行街|商业街|(?:大道|大街(?!街道)){_OFFICE}|胡同|公路{_OFFICE}|[国省县]道"
    rf"|路(?!口|村|桥|镇|街道|办事处|步行街|[东南西北]$){_OFFICE}"
    rf"|(?<![沿临])街(?!道|村|口|坊|镇|街道|区|大道){_OFFICE}|道(?=[0-9])",
    "section": r"段(?![家氏庄村])",
    "alley": r"横巷|巷(?!村|街道|[上下里前])" + _OFFICE + r"|弄堂|弄|里(?=[0-9])",
}
"""Tokens that end a name."""


def _either(patterns: dict[str, str]) -> str:
    return "|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items())


TOKENS: Final = re.compile(
    f"(?=[{_FIRST}])(?:(?=[{_NUMBER_FIRST}])(?:{_either(_NUMBERED)})|{_either(_NAMING)})"
)
"""What ends a level, by the name of the step that decides on it; the first that fits counts."""

VILLAGE_GOES_ON: Final = re.compile(r"[镇区]|大道|[路街]")
"""What makes 村 a part of a longer name: of a town, a county or a road."""

VILLAGE_PARK: Final = re.compile("第?[一二三四]?(?:工业|产业园|科技园)")
"""What makes 村 below a village a part of a park's name: 陈村工业区."""

VILLAGE_AGAIN: Final = re.compile(_VILLAGE_AGAIN)
"""The word behind a name that ends in 村 itself: 招村村."""

VILLAGE_SIDE: Final = re.compile("[东南西北中上下](?:路|街|大道)")
"""What is a road beside a village, or a road called after it."""

PROVINCES: Final = dict.fromkeys("北京 天津 上海 重庆".split(), "市") | dict.fromkeys(
    "河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 "
    "云南 陕西 甘肃 青海 台湾".split(),
    "省",
)
"""Short names that open an address → the word that is missing."""

CITIES: Final = ("东莞", "苏州", "黄石", "淄博", "中山", "深圳", "广州")
"""Cities whose name opens addresses without 市; loaded areas will make this list longer."""

COUNTY_CITIES: Final = frozenset({"昆山市", "常熟市", "张家港市", "太仓市", "吴江市", "大冶市"})
"""Cities in a city, which stand at the county's level; loaded areas make this list longer."""

_ROAD_NAME = (
    r"(?![省市]|自治|特别|[东南西北中]?[0-9一二三四五六七八九十]*[路街道桥]|大道|大厦|村|镇|里"
    r"|港区)"
)
OPENING: Final = re.compile(
    r"(?P<label>(?:邮政?编码?)?[0-9]{6}(?![0-9A-Z])|(?:[一-龥]{2})?(?:地址|住址))?[ -]?"
    rf"(?:中国)?(?:(?P<province>{'|'.join(PROVINCES)})省?{_ROAD_NAME})?"
    rf"(?:(?P<city>{'|'.join(CITIES)}){_ROAD_NAME})?"
)
"""Province and city without their words, at the very start."""

FUNCTIONAL: Final = re.compile(
    "松山湖(?:高新技术产业开发区|高新区|科技产业园区|园区|管委会)?|(?:东莞)?滨海湾新区|东莞港|东莞生态园"
)
"""Areas of Dongguan that stand in the place of a town."""

GENERIC: Final = re.compile(
    "(?:沿街|临街|路[东南西北]|[东南西北左右前后]侧|[东南西北]首|院内|院里|出租屋|自建房|民房|平房|门面|商铺|门市|地下车库"
    "|地下停车场|地库|旁边|对面|后面|前面|附近|隔壁|写字楼(?![一-龥])|内|旁|[ -]){1,4}"
)
"""What says on which side or what kind of place, and names none."""

SIDE: Final = re.compile("(?:沿街|临街|[东南西北]侧|旁边|对面|附近|隔壁)+")
"""What says on which side before a name."""

NUMBER_OF: Final = re.compile("(?:邮编|邮政编码|电话|手机|TEL|QQ|微信)$")
"""What makes the number behind it none of a room."""

TOWERS: Final = tuple("大厦 大楼 楼 中心 广场 厂 厂房 宿舍 酒店 宾馆 商场 馆 亭 MALL 阁 轩".split())
"""How names of single buildings end."""

ESTATES: Final = tuple(
    "小区 花园 苑 园 城 公寓 别墅 家园 新村 山庄 庭 湾 府 公馆 里 学校 小学 中学 大学 学院 幼儿园 "
    "医院".split()
)
"""How names of estates end."""

HAMLETS: Final = tuple("湾 围 坊 庄 屋 垴 垸 寨 坞 浜 塘 冲 坳 畈".split())
"""How names of hamlets end."""
