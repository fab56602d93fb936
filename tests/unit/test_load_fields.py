"""Values as officials write them, and columns as they name them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cim.errors import BadMapping
from cim.load import fields, mapping
from cim.load.fields import Field
from cim.load.kind import Context
from cim.load.kinds import KINDS, buildings
from cim.load.rows import Rows
from cim.load.source import Batch
from cim.settings import Settings

ANY = Field("any", "text", "任意", "anything")


def batch(**columns: list[Any]) -> Batch:
    return Batch(pa.RecordBatch.from_pydict(columns), None, 1)


def test_numbers_are_read_with_their_units_and_in_full_width() -> None:
    column = pa.array(["12.5", " 18层 ", "１８．５", "1,200 m", "", None, "很高", "1e400"])
    values, bad = fields.number(column, ANY)
    assert values[:4].tolist() == [12.5, 18.0, 18.5, 1200.0]
    assert np.isnan(values[4:]).all()
    assert bad.tolist() == [False] * 6 + [True, True]


def test_half_a_storey_is_no_number_of_storeys() -> None:
    values, bad = fields.integer(pa.array([5.0, 5.5, None]), ANY)
    assert bad.tolist() == [False, True, False]
    assert values[0] == 5


def test_keys_keep_their_zeros_and_lose_their_decimal_point() -> None:
    assert fields.text(pa.array(["007", " a "]), ANY)[0].tolist() == ["007", "a"]
    assert fields.text(pa.array([12345678.0, float("nan")]), ANY)[0].tolist() == ["12345678", None]


@pytest.mark.parametrize("word", ["2024-05-01", "2024/5/1", "20240501", "2024年5月1日"])
def test_days_are_read_in_every_habit(word: str) -> None:
    values, bad = fields.date(pa.array([word]), ANY)
    assert str(values[0]) == "2024-05-01"
    assert not bad[0]


def test_a_day_that_is_none_is_said_so() -> None:
    _, bad = fields.date(pa.array(["2024-02-31", "spring", None]), ANY)
    assert bad.tolist() == [True, True, False]


def test_years_come_from_numbers_and_dates() -> None:
    values, bad = fields.year(pa.array(["1998", "1998-05-01", "1998年", "0", "19", None]), ANY)
    assert values[:3].tolist() == [1998, 1998, 1998]
    assert bad.tolist() == [False, False, False, False, True, False]


def test_codes_are_known_by_code_and_by_either_name() -> None:
    field = next(item for item in buildings.FIELDS if item.name == "use_code")
    values, bad = fields.code(pa.array(["住宅", "RETAIL", "厂房", "魔法", None]), field)
    assert values.tolist() == ["residential", "retail", "industry", None, None]
    assert bad.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("column", ["层数", "Floor", "floors_ag", "building:levels", "地上 层数"])
def test_columns_are_recognised_in_chinese_and_english(column: str) -> None:
    settled = mapping.settle(buildings.FIELDS, [column], {}, batch(**{column: [1]}))
    assert settled.columns == {"floors_above": column}
    assert settled.guessed == ("floors_above",)


def test_a_column_that_does_not_tell_rows_apart_is_no_key() -> None:
    sample = batch(Id=[0, 0, 0], Floor=[1, 2, 3])
    settled = mapping.settle(KINDS["buildings"].all_fields, ["Id", "Floor"], {}, sample)
    assert "ext_id" not in settled.columns
    assert settled.rest == ("Id",)
    assert "Id" in settled.notes[0][0]


def test_what_was_said_wins_and_what_was_left_out_stays_out() -> None:
    sample = batch(height=[1.0], gd=[2.0])
    said = mapping.said(["height=gd", "name="])
    settled = mapping.settle(buildings.FIELDS, ["height", "gd"], said, sample)
    assert settled.columns == {"height": "gd"}
    assert settled.rest == ("height",)


@pytest.mark.parametrize("pair", ["hight=gd", "height=nothing", "height", "=gd"])
def test_a_wrong_mapping_is_refused_naming_what_there_is(pair: str) -> None:
    with pytest.raises(BadMapping) as refused:
        mapping.settle(buildings.FIELDS, ["gd"], mapping.said([pair]), batch(gd=[1.0]))
    assert refused.value.zh != str(refused.value)


def test_a_required_field_without_a_column_is_refused() -> None:
    with pytest.raises(BadMapping, match="no column for name"):
        mapping.settle(KINDS["estates"].all_fields, ["x"], {}, batch(x=["1"]))


def test_the_mapping_file_beside_the_data_is_found(tmp_path: Path) -> None:
    data = tmp_path / "楼.shp"
    text = json.dumps({"fields": {"height": "gd"}, "crs": "gcj02"})
    (tmp_path / "楼.shp.map.json").write_text(text, "utf-8")
    wish = mapping.written(data)
    assert wish.fields == {"height": "gd"}
    assert wish.options == {"crs": "gcj02"}


def check_heights(height: list[float | None], floors: list[float | None]) -> Rows:
    nan = float("nan")
    columns = {
        "height": np.array([nan if h is None else h for h in height]),
        "floors_above": np.array([nan if f is None else f for f in floors]),
    }
    rows = Rows(batch(x=[0] * len(height)), columns, None, np.ones(len(height), bool))
    buildings.heights(rows, Context(Settings(_env_file=None), frozenset(columns)))
    return rows


def test_height_and_floors_are_made_from_each_other_and_say_so() -> None:
    rows = check_heights([30.0, None, 31.0, None, 0.0], [10, 6, None, None, 3])
    assert rows.columns["height"].tolist() == [30, 18, 31, 3, 9]
    assert rows.columns["floors_above"].tolist() == [10, 6, 10, 1, 3]
    assert rows.columns["height_method"].tolist() == [
        "given", "floors", "given", "default", "floors"
    ]  # fmt: skip
    assert rows.columns["floors_method"].tolist() == [
        "given", "given", "height", "default", "given"
    ]  # fmt: skip
    assert rows.warnings["no_height_no_floors"] == 1


def test_negative_heights_are_set_aside_and_odd_ones_counted() -> None:
    rows = check_heights([-3.0, 100.0, 10.0], [1, 2, -1])
    assert rows.keep.tolist() == [False, True, False]
    assert rows.faults.reason == ["too_small", "too_small"]
    assert rows.warnings["height_per_floor"] == 1


def test_every_kind_names_its_fields_in_two_languages() -> None:
    for kind in KINDS.values():
        assert kind.zh
        names = [field.name for field in kind.all_fields]
        assert len(set(names)) == len(names)
        for field in kind.all_fields:
            assert field.zh
            assert field.en
            assert field.type in fields.PARSERS


def test_a_first_line_of_data_is_refused_and_not_repeated() -> None:
    people = KINDS["people"]
    columns = ["甲某", "990000199001010010"]
    sample = batch(**{name: ["乙某"] for name in columns})
    with pytest.raises(BadMapping, match="first line") as refused:
        mapping.settle(people.all_fields, columns, {}, sample)
    assert not any(name in str(refused.value) + refused.value.zh for name in columns)


def test_a_key_of_json_is_judged_by_its_text() -> None:
    column = pa.array(['{"a":1}', '{"a":2}'], pa.json_())
    sample = Batch(pa.RecordBatch.from_arrays([column], ["id"]), None, 1)
    settled = mapping.settle(KINDS["streets"].all_fields, ["id"], {}, sample)
    assert settled.columns["ext_id"] == "id"


def test_a_comma_stands_before_three_digits_or_is_no_comma_of_thousands() -> None:
    values, bad = fields.number(pa.array(["1,234,567.5", "1,0", "3,5", "12,34"]), ANY)
    assert values[0] == 1234567.5
    assert bad.tolist() == [False, True, True, True]
