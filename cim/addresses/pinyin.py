"""Names as they are said, and letters as people type them instead of characters.

A name is read with the words in it (重庆, 厦门), which decides most of its characters; those that
are said otherwise in names of places, or one way here and another there, are kept in all readings,
so that whoever types one of them finds the name.
"""

from functools import lru_cache
from typing import Final

_USUAL: Final = {
    "长": "chang", "厦": "xia", "涌": "chong", "朝": "chao", "曾": "zeng", "栅": "zha",
    "莞": "guan", "埗": "bu", "滘": "jiao", "番": "pan", "陂": "bei", "蚌": "beng", "塱": "lang",
    "冚": "kan",
}  # fmt: skip
"""Characters as they are mostly said in names of places, whatever the words around them say."""

_WORDS: Final = {"大厦": "da sha", "商厦": "shang sha", "校长": "xiao zhang", "番茄": "fan qie"}
"""Words in which they are said otherwise."""

_ALSO: Final = {
    "长": "zhang", "厦": "sha", "涌": "yong", "朝": "zhao", "曾": "ceng", "栅": "shan", "番": "fan",
    "陂": "pi po", "蚌": "bang", "重": "chong zhong", "乐": "le yue", "行": "hang xing",
    "都": "du dou", "校": "xiao jiao", "单": "dan shan", "仇": "qiu chou", "盛": "sheng cheng",
    "查": "cha zha", "宿": "su xiu", "弄": "long nong", "埔": "pu bu", "传": "chuan zhuan",
    "降": "jiang xiang", "藏": "zang cang",
}  # fmt: skip
"""Characters that are said one way here and another there → their further readings."""

_MOST: Final = 4
"""Readings of one name that are kept."""

SYLLABLES: Final = frozenset(
    """a ai an ang ao ba bai ban bang bao bei ben beng bi bian biao bie bin bing bo bu ca cai can
    cang cao ce cen ceng cha chai chan chang chao che chen cheng chi chong chou chu chua chuai
    chuan chuang chui chun chuo ci cong cou cu cuan cui cun cuo da dai dan dang dao de den deng di
    dian diao die ding diu dong dou du duan dui dun duo e ei en eng er fa fan fang fei fen feng fo
    fou fu ga gai gan gang gao ge gei gen geng gong gou gu gua guai guan guang gui gun guo ha hai
    han hang hao he hei hen heng hong hou hu hua huai huan huang hui hun huo ji jia jian jiang jiao
    jie jin jing jiong jiu ju juan jue jun ka kai kan kang kao ke ken keng kong kou ku kua kuai
    kuan kuang kui kun kuo la lai lan lang lao le lei leng li lia lian liang liao lie lin ling liu
    lo long lou lu luan lun luo lv lve ma mai man mang mao me mei men meng mi mian miao mie min
    ming miu mo mou mu na nai nan nang nao ne nei nen neng ni nian niang niao nie nin ning niu nong
    nou nu nuan nun nuo nv nve o ou pa pai pan pang pao pei pen peng pi pian piao pie pin ping po
    pou pu qi qia qian qiang qiao qie qin qing qiong qiu qu quan que qun ran rang rao re ren reng
    ri rong rou ru rua ruan rui run ruo sa sai san sang sao se sen seng sha shai shan shang shao
    she shen sheng shi shou shu shua shuai shuan shuang shui shun shuo si song sou su suan sui sun
    suo ta tai tan tang tao te teng ti tian tiao tie ting tong tou tu tuan tui tun tuo wa wai wan
    wang wei wen weng wo wu xi xia xian xiang xiao xie xin xing xiong xiu xu xuan xue xun ya yan
    yang yao ye yi yin ying yo yong you yu yuan yue yun za zai zan zang zao ze zei zen zeng zha
    zhai zhan zhang zhao zhe zhen zheng zhi zhong zhou zhu zhua zhuai zhuan zhuang zhui zhun zhuo
    zi zong zou zu zuan zui zun zuo""".split()
)
"""Every syllable, without its tone; ü is v, as on a keyboard."""

_BEGINNINGS: Final = frozenset(
    syllable[:length] for syllable in SYLLABLES for length in range(1, len(syllable) + 1)
)
_INITIALS: Final = frozenset({item[0] for item in SYLLABLES} | {"zh", "ch", "sh"})

LONGEST: Final = 40
"""Letters that are looked at as one run."""

_WAYS: Final = 8


@lru_cache(maxsize=65_536)
def readings(name: str) -> tuple[str, ...]:
    """How a name is said: syllables with a space between, the likeliest reading first.

    What is no Chinese stays as it is, in small letters.

    >>> readings("虎门镇"), readings("长安镇"), readings("塘厦镇")
    (('hu men zhen',), ('chang an zhen', 'zhang an zhen'), ('tang xia zhen', 'tang sha zhen'))
    >>> readings("重庆路")[0], readings("丰泰3期"), readings("")
    ('chong qing lu', ('feng tai 3 qi',), ('',))
    """
    from pypinyin import lazy_pinyin  # noqa: PLC0415 - a third of a second that few need

    said = [part.strip().lower() for part in lazy_pinyin(name)]
    chars = _aligned(name, said)
    said = [_USUAL.get(char or "", part) for char, part in zip(chars, said, strict=True)]
    for at in range(len(chars) - 1):
        whole = _WORDS.get(f"{chars[at]}{chars[at + 1]}")
        if whole:
            said[at : at + 2] = whole.split()
    found = [said]
    for at, char in enumerate(chars):
        others = f"{_USUAL.get(char or '', '')} {_ALSO.get(char or '', '')}".split()
        found += [[*said[:at], other, *said[at + 1 :]] for other in others]
    told = [" ".join(part for part in each if part) for each in found]
    return tuple(dict.fromkeys(told))[:_MOST]


def _aligned(name: str, said: list[str]) -> list[str | None]:
    """The character of each syllable; None for a run that is no Chinese."""
    chars: list[str | None] = []
    at = 0
    for _ in said:
        char = name[at] if at < len(name) else None
        if char is not None and "㐀" <= char <= "鿿":
            chars.append(char)
            at += 1
        else:
            chars.append(None)
            while at < len(name) and not "㐀" <= name[at] <= "鿿":
                at += 1
    return chars


def initials(said: str) -> str:
    """The first letters of the syllables of a reading; figures stay whole.

    >>> initials("feng tai hua yuan"), initials("feng tai 12 qi"), initials("")
    ('fthy', 'ft12q', '')
    """
    return "".join(part if part[0].isdigit() else part[0] for part in said.split())


@lru_cache(maxsize=4096)
def ways(letters: str) -> tuple[tuple[str, ...], ...]:
    """The ways to divide typed letters into syllables and initials, the fewest parts first.

    The last part may be a syllable that is still being typed.  None where no Chinese is typed so.

    >>> ways("hmz"), ways("humen")[0], ways("fength")[0]
    ((('h', 'm', 'z'),), ('hu', 'men'), ('feng', 't', 'h'))
    >>> ways("xian")[:2], ways("uv"), ways("")
    ((('xian',), ('xi', 'an')), (), ())
    """
    if len(letters) > LONGEST:
        return ()
    whole: list[list[tuple[str, ...]]] = [[()]]
    for end in range(1, len(letters) + 1):
        here: list[tuple[str, ...]] = []
        for begin in range(max(0, end - 6), end):
            part = letters[begin:end]
            known = part in SYLLABLES or part in _INITIALS
            if known or (end == len(letters) and part in _BEGINNINGS):
                here += [(*way, part) for way in whole[begin]]
        here.sort(key=len)
        whole.append(here[:_WAYS])
    return tuple(whole[-1]) if letters else ()


def pattern(way: tuple[str, ...]) -> str:
    """A regular expression that a reading begins with which can be typed so.

    >>> pattern(("feng", "t", "hua"))
    '^feng t[a-z]* hua[a-z]*'
    """
    whole = [part if part in SYLLABLES and len(part) > 1 else f"{part}[a-z]*" for part in way[:-1]]
    return "^" + " ".join([*whole, f"{way[-1]}[a-z]*"])
