"""Made-up names, and numbers that anyone can see are not real.

The convention of the sample city:

* an identity number begins with the division 000000, which does not exist, and ends with a check
  character that is wrong;
* a telephone number begins with 1000, which no network has;
* a credit code begins with 00000000 and ends with a check character that is wrong.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FAMILY = (
    "陈 林 黄 张 李 王 吴 刘 蔡 杨 许 郑 谢 郭 洪 曾 邱 廖 赖 徐 周 叶 苏 庄 江 吕 何 罗 高 萧 "
    "潘 简 朱 钟 彭 游 詹 胡 施 沈 余 卢 梁 赵 颜 柯 翁 魏 孙 戴 范 方 宋 邓 杜 傅 侯 曹 薛 丁"
).split()
GIVEN = (
    "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 霞 平 刚 英 华 文 辉 力 健 世 广 志 义 "
    "兴 良 海 山 仁 波 宁 贵 福 生 龙 元 全 国 胜 学 祥 才 发 武 新 利 清 飞 彬 富 顺 信 子 康"
).split()

_COMMUNITY_FIRST = "新 东 西 南 北 上 下 大 中 长 福 金 石 白 青 莲 荔 榕 桂 河".split()
_COMMUNITY_SECOND = "基 塘 坑 岭 埔 湾 洲 围 涌 田 桥 沙 浦 庙 井".split()
ROADS = (
    "迎宾 振兴 建设 文明 和平 友谊 康乐 富民 教育 体育 兴业 科技 工业 环城 莲湖 荔景 榕树 桂香 "
    "沿河 新风 前进 团结 育才 银丰 金牛 元美 石竹 宏图 西平 白马"
).split()
ESTATES = (
    "莲湖花园 荔景湾 榕悦府 桂语山 金域豪庭 星河雅苑 翠堤春晓 锦绣半岛 御景名都 江南名苑 "
    "盛世华庭 阳光海岸 天悦广场 凤凰新城 碧水云天 景湖春天 东方华府 丽水佳园 森林湖畔 世纪城"
).split()
OLD_ESTATES = "新村 职工住宅区 花园新村 教师村 侨苑 兴华大院 幸福里 建设新村".split()
FIRMS = "宏达 永兴 鸿运 振华 联创 瑞丰 华信 金源 恒通 正大 万和 盛泰 精诚 力源 嘉美".split()
TRADES = "五金制品 电子科技 模具 塑胶制品 包装材料 针织服装 家具 玩具 自动化设备 印刷".split()
SHOPS = {
    "便利店": "小商铺",
    "肠粉店": "小商铺",
    "糖水铺": "小商铺",
    "理发店": "小商铺",
    "药房": "小商铺",
    "水果店": "小商铺",
    "烧腊饭店": "小商铺",
    "手机维修": "小商铺",
    "洗衣店": "小商铺",
    "车衣加工": "小作坊",
    "五金加工": "小作坊",
    "纸箱加工": "小作坊",
    "棋牌室": "小娱乐",
    "台球室": "小娱乐",
    "网吧": "小娱乐",
}
"""Kind of shop → its class among the three small ones (三小)."""

DIGITS = "零一二三四五六七八九"


def community(index: int) -> str:
    """The name of the index-th community of a town, without 社区.

    >>> community(0), community(1), len({community(i) for i in range(300)})
    ('新基', '东塘', 300)
    """
    first, second = len(_COMMUNITY_FIRST), len(_COMMUNITY_SECOND)
    shift = index // (first * second // 5)
    return _COMMUNITY_FIRST[index % first] + _COMMUNITY_SECOND[(index + shift) % second]


def road(index: int) -> str:
    """The name of the index-th street; it goes round with 一路, 二路 …

    >>> road(0), road(31)
    ('迎宾路', '振兴一路')
    """
    turn, which = divmod(index, len(ROADS))
    return ROADS[which] + (f"{chinese(turn)}路" if turn else "路")


def chinese(number: int) -> str:
    """A number below a thousand in Chinese numerals.

    >>> [chinese(n) for n in (3, 10, 12, 25, 105, 110, 200)]
    ['三', '十', '十二', '二十五', '一百零五', '一百一十', '二百']
    """
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    if hundreds:
        middle = f"{DIGITS[tens]}十" if tens else "零" if ones else ""
        return f"{DIGITS[hundreds]}百{middle}{DIGITS[ones] if ones else ''}"
    if not tens:
        return DIGITS[ones]
    return (DIGITS[tens] if tens > 1 else "") + "十" + (DIGITS[ones] if ones else "")


def full_width(text: str) -> str:
    """Latin letters and digits in their full-width forms.

    >>> full_width("3栋A")
    '３栋Ａ'
    """
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def people(rng: np.random.Generator, count: int) -> list[str]:
    """As many made-up names, family name first."""
    family = rng.integers(0, len(FAMILY), count)
    first, second = rng.integers(0, len(GIVEN), (2, count))
    short = rng.random(count) < 0.25
    return [
        FAMILY[f] + GIVEN[a] + ("" if s else GIVEN[b])
        for f, a, b, s in zip(family, first, second, short, strict=True)
    ]


_ID_WEIGHTS = [2 ** (17 - i) % 11 for i in range(17)]
_ID_CHECKS = "10X98765432"


def identity_numbers(years: NDArray[np.int64], sexes: Sequence[str], first: int) -> list[str]:
    """Identity numbers that cannot exist: division 000000 and a wrong check character.

    >>> identity_numbers(np.array([1980]), ["1"], 0)
    ['000000198001010012']
    """
    numbers = []
    for i, (year, sex) in enumerate(zip(years.tolist(), sexes, strict=True)):
        serial = first + i
        day = serial // 499 % 336
        order = serial % 499 * 2 + (1 if sex == "1" else 0)
        body = f"000000{year}{day // 28 + 1:02d}{day % 28 + 1:02d}{order:03d}"
        right = sum(int(c) * w for c, w in zip(body, _ID_WEIGHTS, strict=True)) % 11
        numbers.append(body + _ID_CHECKS[(right + 1) % 11])
    return numbers


def phone_numbers(first: int, count: int) -> list[str]:
    """Telephone numbers that cannot exist: they begin with 1000.

    >>> phone_numbers(41, 2)
    ['10000000041', '10000000042']
    """
    return [f"1000{(first + i) % 10**7:07d}" for i in range(count)]


_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def credit_codes(first: int, count: int) -> list[str]:
    """Credit codes that cannot exist: 00000000 in front and a wrong check character.

    >>> credit_codes(1, 1)
    ['000000000000000014']
    """
    codes = []
    for number in range(first, first + count):
        body = f"00000000{number:09d}"
        total = sum(_CREDIT.index(c) * pow(3, i, 31) for i, c in enumerate(body))
        codes.append(body + _CREDIT[(31 - total % 31 + 1) % 31])
    return codes
