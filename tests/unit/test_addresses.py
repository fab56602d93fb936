"""Addresses in the habits of four cities come apart into the ladder; no text is too much."""

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.addresses import LADDER, canonical, full_text, join, normalise, parse
from cim.addresses.words import TOKENS

CASES = [
    ("广东省东莞市虎门镇大宁社区浦江路2号", "东莞市 虎门镇 大宁社区 浦江路 2号", ""),
    ("东莞市南城区天安数码城C1栋11层", "东莞市 南城街道 天安数码城 C1栋 11层", ""),
    ("东莞市东莞市虎门镇", "东莞市 东莞市 虎门镇", ""),
    ("东莞塘厦镇塘兴路８号", "东莞市 塘厦镇 塘兴路 8号", ""),
    ("东莞市虎门镇大宁社区上围村3组2巷5号", "东莞市 虎门镇 大宁社区 3组 上围村 2巷 5号", ""),
    ("芦村三组二巷五号", "芦村 3组 2巷 5号", ""),
    ("高埗镇冼沙村五巷12号之2", "高埗镇 冼沙村 5巷 12-2号", ""),
    ("松山湖园区科技路1号万科城3-2-803", "松山湖园区 科技路 1号 万科城 3栋 2单元 803", ""),
    ("丰泰花园3幢负一层12室", "丰泰花园 3栋 -1层 12", ""),
    ("丰泰花园12栋B1", "丰泰花园 12栋 -1层", ""),
    ("莞城街道运河东一路116号3楼(近市场)", "莞城街道 运河东一路 116号 3层", "近市场"),
    ("苏州工业园区星湖街328号创意园15-402室", "苏州工业园区 星湖街 328号 创意园 15栋 402", ""),
    ("苏州市姑苏区彩香新村3幢2-803", "苏州市 姑苏区 彩香新村 3栋 2单元 803", ""),
    ("江苏省苏州市昆山市花桥镇花安路12号", "苏州市 昆山市 花桥镇 花安路 12号", ""),
    ("黄石市黄石港区天虹小区五号楼1单元8楼801室", "黄石市 黄石港区 天虹小区 5栋 1单元 801", ""),
    ("淄博市张店区金乔小区12号楼3单元5层东户", "淄博市 张店区 金乔小区 12栋 3单元 东户", ""),
    ("上海市沪松公路1136弄1号楼10楼", "上海市 沪松公路 1136弄 1栋 10层", ""),
    ("万科城市花园3栋803", "万科城市花园 3栋 803", ""),
    ("3栋2单元803", "3栋 2单元 803", ""),
    ("虎门镇则徐路段金洲社区5号", "虎门镇 则徐路段 金洲社区 5号", ""),
    ("寮步镇凫山村松西街横巷8号", "寮步镇 凫山村 松西街 横巷 8号", ""),
    ("盛泽镇舜湖西路北侧", "盛泽镇 舜湖西路", "北侧"),
    ("阳新县综合大道南侧绿地城9栋", "阳新县 综合大道 绿地城 9栋", "南侧"),
    ("临淄区闻韶路48甲3号", "临淄区 闻韶路 48甲3号", ""),
    ("长安镇长中路165号 邮编523850", "长安镇 长中路 165号", "邮编523850"),
    ("邮编523000东莞市体育路2号", "东莞市 体育路 2号", "邮编523000"),
    ("世博广场A座2-1203 某先生13900000000", "世博广场 A栋 2单元 1203", "某先生13900000000"),
    (
        "Dongguan东莞市南城街道Hongfu Road鸿福路100号",
        "东莞市 南城街道 鸿福路 100号",
        "DONGGUAN HONGFUROAD",
    ),
    ("淄博市市辖区张店区太平路60号", "淄博市 张店区 太平路 60号", ""),
    ("黄石市开发区铁山区大王镇上街村8组", "黄石市 开发区 大王镇 上街村 8组", "铁山区"),
    ("虎门富民商业大厦5楼518档", "虎门富民商业大厦 5层 518档", ""),
    ("大朗镇贸易中心D区A12卡", "大朗镇 贸易中心D区 A12卡", ""),
    ("东城街道中侨大厦B座二楼B218号", "东城街道 中侨大厦 B栋 2层 B218", ""),
    ("横沥镇隔坑路3号之101", "横沥镇 隔坑路 3号 101", ""),
    ("横泾街道天鹅荡路2011号2幢底楼", "横泾街道 天鹅荡路 2011号 2栋 1层", ""),
    ("虎门镇南栅六区民昌路七巷6号", "虎门镇 南栅6区 民昌路 7巷 6号", ""),
    ("石碣镇水南村民丰西路9-11号", "石碣镇 水南村 民丰西路 9-11号", ""),
    ("世博广场C区一楼C1-15铺", "世博广场C区 1层 C1-15铺", ""),
    ("凤岗镇竹塘村凤平路浸校塘村3号", "凤岗镇 竹塘村 浸校塘村 凤平路 3号", ""),
    ("马尚镇九级塔村北首1号", "马尚镇 九级塔村 1号", "北首"),
    ("姑苏区人民路文化宫西弄堂12号", "姑苏区 人民路 文化宫西弄堂 12号", ""),
    ("2栋1单元负一层B1-023号车位", "2栋 1单元 -1层 B1-023车位", ""),
    ("姑苏区十全街吴衙场29-1号", "姑苏区 十全街 吴衙场 29-1号", ""),
    ("解放路老汽车站旁12号", "解放路 12号", "老汽车站旁"),
    ("西塞山工业园区牯牛洲村5组", "牯牛洲村 5组 西塞山工业园区", ""),
    ("金桥开发区金河镇新营子村3号", "金桥开发区 金河镇 新营子村 3号", ""),
    ("黄石港区江北管理区胜利村三队", "黄石港区 江北管理区 胜利村 3组", ""),
    ("石步村石龙坑小组二巷16号", "石步村 石龙坑小组 2巷 16号", ""),
    ("北栅社区陈村工业区一栋", "北栅社区 陈村工业区 1栋", ""),
    ("姑苏区平江历史街区平江路33号", "姑苏区 平江历史街区 平江路 33号", ""),
    ("白沙村工业区3号", "白沙村 工业区 3号", ""),
    ("塘厦村塘厦村委会西侧", "塘厦村", "西侧"),
    ("吴东城村村部", "吴东城村", "村部"),
    ("阇西村西三队6号", "阇西村 西3队 6号", ""),
    ("渔樑围村第四小组27号", "渔樑围村 4组 27号", ""),
    ("钟楼街道招村村中心街16号", "钟楼街道 招村村 中心街 16号", ""),
    ("坡子村村委会31号", "坡子村 31号", ""),
    ("马沥村村尾坊12号", "马沥村 村尾坊 12号", ""),
    ("周村区大街街道银子市街20号", "周村区 大街街道 银子市街 20号", ""),
    ("平江街道历史街区社区丁香巷37号", "平江街道 历史街区社区 丁香巷 37号", ""),
    ("家具大道与厚街大道交叉口", "家具大道", "与厚街大道交叉口"),
    ("石龙镇圩镇社区兴龙路3号", "石龙镇 圩镇社区 兴龙路 3号", ""),
    ("渔帆路12号商铺103", "渔帆路 12号 103铺", ""),
    ("万松山宿舍15#-2-402", "万松山宿舍 15栋 2单元 402", ""),
    ("沿湖路489号9栋3单元(4楼)", "沿湖路 489号 9栋 3单元 4层", ""),
]


@pytest.mark.parametrize(("text", "expected", "remainder"), CASES)
def test_a_text_comes_apart(text: str, expected: str, remainder: str) -> None:
    found = parse(text)
    values = [found.levels[level] for level in LADDER if level in found.levels]
    for word in expected.split():
        assert word in values, found
    assert found.remainder == remainder


@pytest.mark.parametrize(
    "habits",
    [
        (
            "广东省东莞市虎门镇大宁社区浦江路2号丰泰花园3栋2单元803室",
            "东莞市东莞市虎门镇大宁社区居委会浦江路２号丰泰花园三幢二单元8层803",
            "东莞虎门镇大宁社区 浦江路2号 丰泰花园3号楼2梯803房",
            "广东东莞市虎门镇大宁社区，浦江路2号，丰泰花园3座2-803",
        ),
        ("丰泰花园3栋2单元803室", "丰泰花园三幢2-803", "丰泰花园3#楼2梯８０３房"),
        ("丰泰花园3栋负一层", "丰泰花园3号楼B1", "丰泰花园三座地下一层"),
        ("芦村村民委员会3组2巷5号之1", "芦村三队二巷5-1号", "芦村3村民小组2巷5号附1"),
        ("东莞市南城街道元美路8号", "广东东莞南城区元美路八号"),
    ],
)
def test_two_habits_of_one_address_join_to_one_text(habits: tuple[str, ...]) -> None:
    assert len({parse(text).norm_text for text in habits}) == 1, [parse(t) for t in habits]


ALPHABET = st.text(
    st.sampled_from(
        "东莞市县区镇街道社区村组路巷号栋幢座单元层楼室房负一二三十0123456789AB-－()之 #、第"
    )
    | st.characters()
)


@given(ALPHABET)
def test_no_character_is_lost(text: str) -> None:
    found = parse(text)
    assert "".join(words for _, words in found.pieces) == found.text == normalise(text)


@given(ALPHABET)
def test_levels_and_remainder_are_made_of_the_pieces(text: str) -> None:
    found = parse(text)
    assert {level for level, _ in found.pieces if level} == set(found.levels)
    left = "".join(words for level, words in found.pieces if not level)
    for char in found.remainder.replace(" ", ""):
        assert char in left
    assert not set("() ") & set(found.remainder.replace(" ", ""))


@given(ALPHABET)
def test_what_is_joined_comes_from_canonical_levels(text: str) -> None:
    found = parse(text)
    assert found.norm_text == join(found.levels)
    assert set(found.levels) <= set(LADDER)
    assert all(found.levels.values())


@given(ALPHABET, st.sampled_from([*LADDER]))
def test_a_canonical_level_stays_as_it_is(text: str, level: str) -> None:
    once = canonical(level, normalise(text))
    assert canonical(level, once) == once


@given(
    st.fixed_dictionaries(
        {
            "city": st.just("东莞市"),
            "town": st.sampled_from(["虎门镇", "南城街道"]),
            "road": st.sampled_from(["浦江路", "运河东一路", "长安大道"]),
            "door_no": st.integers(1, 999).map("{}号".format),
            "estate_name": st.sampled_from(["丰泰花园", "万科城", "天虹小区"]),
            "building_name": st.integers(1, 99).map("{}栋".format),
        },
        optional={
            "entrance_no": st.integers(1, 9).map("{}单元".format),
            "room_no": st.integers(101, 3404).map(str),
        },
    )
)
def test_the_written_ladder_is_read_back(levels: dict[str, str]) -> None:
    assert parse(full_text(levels)).levels == levels


HOSTILE = [
    "1",
    "一",
    "号",
    "市",
    "村",
    "社区",
    "(",
    "1-",
    "A1栋",
    "花园1期",
    "东单元",
    "路",
    "3巷",
    "之一",
    "大厦",
    "大街",
    "村委会",
    "段",
    "(1)",
    "1号门",
    "沿街",
    "A ",
    "校区大学",
    "号-一",
    "南侧",
    "虎门",
]


@pytest.mark.parametrize("word", HOSTILE)
def test_steps_grow_with_the_length_and_no_faster(word: str) -> None:
    """Each step costs no more than a constant: what waits for its level is bounded."""

    def steps(length: int) -> int:
        count = 0

        def step(frame: FrameType, event: str, arg: object) -> None:
            nonlocal count
            count += 1

        text = (word * length)[:length]
        sys.setprofile(step)
        try:
            parse(text)
        finally:
            sys.setprofile(None)
        return count

    assert steps(16_000) <= 8.5 * steps(2_000) + 500


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hundred_thousand_characters_come_apart_and_none_is_lost(word: str) -> None:
    text = (word * 100_000)[:100_000]
    found = parse(text)
    assert found.text == normalise(text)
    assert all(len(value) <= 140 for value in found.levels.values())


def test_no_pattern_repeats_without_bound() -> None:
    unbounded = TOKENS.pattern.replace("++", "").replace("}+", "}").replace("?+", "?")
    assert "*" not in unbounded
    assert "+" not in unbounded
