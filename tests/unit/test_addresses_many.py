"""Many addresses at once come apart as each does alone."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cim.addresses import LADDER, deepest, parse, parse_many
from cim.addresses.columns import BATCH, SHAPES, Columns, _layouts


def equal(texts: list[str | None], found: Columns) -> bool:
    assert {len(column) for column in found.values()} == {len(texts)}
    for row, text in enumerate(texts):
        address = parse(text or "")
        levels = {name: found[name][row] for name in LADDER if found[name][row] is not None}
        assert levels == address.levels, text
        assert found["norm_text"][row] == address.norm_text, text
        assert found["remainder"][row] == address.remainder, text
        assert found["level"][row] == deepest(address.levels), text
    return True


WORDS = st.sampled_from(
    [
        *"省市县区镇乡村组路街巷弄里号栋幢座梯层楼室房户铺院期负甲附之东西 -－()#、第Bab\0",
        *"0123456789０５一二三十",
        *("东莞", "虎门", "南城", "街道", "社区", "大道", "花园", "大厦", "单元", "广场", "工业区"),
        *("号楼", "地下", "12", "803", "1楼", "小区", "村委会", "芦村", "丰泰", "%s", "松山湖"),
        *(
            "一号3栋",
            "三号",
            "底楼",
            "房号",
            "商铺",
            "〇二三",
            "之三",
            "号-一",
            "附",
            "NO",
            "段",
            "侧",
        ),
    ]
)
TEXTS = st.lists(WORDS, max_size=14).map("".join) | st.text(max_size=8)


@given(st.lists(TEXTS | st.none(), max_size=12))
def test_many_equal_each(texts: list[str | None]) -> None:
    assert equal(texts, parse_many(texts))


@given(TEXTS, st.lists(st.text("0123456789", min_size=80, max_size=80), min_size=2, max_size=5))
def test_figures_do_not_decide_where_a_text_comes_apart(text: str, draws: list[str]) -> None:
    def other(draw: str) -> str:
        figures = iter(draw * (len(text) // 80 + 1))
        return "".join(next(figures) if "0" <= char <= "9" else char for char in text)

    texts: list[str | None] = [text, *map(other, draws)]
    assert equal(texts, parse_many(texts))


def test_arrow_arrays_and_missing_texts_are_read() -> None:
    texts = ["东莞市虎门镇浦江路2号", None, ""]
    for given_texts in (pa.array(texts), pa.chunked_array([texts[:1], texts[1:]])):
        assert equal(texts, parse_many(given_texts))
    assert parse_many([])["town"].tolist() == []
    assert parse_many([])["level"].dtype == np.int16


def test_rows_of_all_batches_come_in_their_order() -> None:
    texts: list[str | None] = [f"虎门镇浦江路{n}号" for n in range(BATCH + 3)]
    assert parse_many(texts)["door_no"].tolist() == [f"{n}号" for n in range(BATCH + 3)]


def test_the_memory_of_shapes_is_bounded() -> None:
    texts: list[str | None] = [chr(0x4E00 + n % 20_000) + chr(0x4E00 + n // 20_000) + "路2号"
                               for n in range(SHAPES + 5)]  # fmt: skip
    parse_many(texts)
    assert len(_layouts) <= SHAPES
