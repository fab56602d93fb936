"""Files that people write for commands: device types, maps of payloads, lists of devices."""

import json
from pathlib import Path
from typing import Any

import pytest

from cim.codes import DEVICE_TYPES
from cim.errors import BadMapping, SourceError
from cim.feeds import adding, types
from cim.feeds.written import json_of, text_of


def written(folder: Path, value: Any, encoding: str = "utf-8") -> Path:
    path = folder / "types.json"
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    path.write_bytes(said.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_file_is_read_in_whatever_encoding_its_editor_saved_it(
    tmp_path: Path, encoding: str
) -> None:
    assert json_of(written(tmp_path, {"名称": "用电量"}, encoding)) == {"名称": "用电量"}
    assert text_of(written(tmp_path, "电表-1\n电表-2", encoding)).split() == ["电表-1", "电表-2"]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('[\n{"class": "bin",}]', r"types.json, line 2: this is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("", "line 1: this is no JSON"),
    ],
)
def test_what_is_no_json_is_said_with_its_line(tmp_path: Path, said: str, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence) as raised:
        json_of(written(tmp_path, said))
    assert "types.json" in raised.value.zh and "JSON" in raised.value.zh


def test_types_are_taken_over_as_they_are_kept_and_as_they_are_printed(tmp_path: Path) -> None:
    rows = types.read(written(tmp_path, DEVICE_TYPES))
    assert len(rows) == sum(len(one["streams"]) for one in DEVICE_TYPES)
    assert types.read(written(tmp_path, rows)) == rows  # the columns that --json prints


def test_a_unit_as_people_write_it_is_kept_as_ucum(tmp_path: Path) -> None:
    stream = {"name": "energy", "unit": "度"}
    (row,) = types.read(written(tmp_path, [{"class": "power_meter", "streams": [stream]}]))
    assert row["unit_ucum"] == "kW.h"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, r"\[1\]: class is missing"),
        ([{"class": "塔吊", "streams": []}], r"\[1\]: class cannot be '塔吊'"),
        ([{"class": ["bin"], "streams": []}], r"\[1\]: class cannot be"),
        ([{"class": "bin", "streams": {}}], r"\[1\]: streams is missing"),
        ([{"class": "bin", "streams": ["fill"]}], r"\[1\].streams\[1\]: name"),
        ([{"class": "bin", "name": "x", "unit": "香蕉"}], r"\[1\]: unit cannot be '香蕉'"),
        ([{"class": "bin", "name": "x", "type": "figure"}], r"\[1\]: type cannot be 'figure'"),
        ([{"class": "bin", "name": "x", "kind": ["gauge"]}], r"\[1\]: kind cannot be"),
        ([{"class": "bin", "name": "x", "low": "0"}], r"\[1\]: low cannot be '0'"),
    ],
)
def test_types_that_cannot_be_are_said_with_place_and_field(
    tmp_path: Path, said: Any, sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence):
        types.read(written(tmp_path, said if isinstance(said, list) else [said]))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"path": "P"}, SourceError),
        ([["path", "P"]], SourceError),
        ([{"stream": "power"}], BadMapping),
        ([{"path": "P", "stream": {"name": "power"}}], BadMapping),
        ([{"path": "P", "class": "塔吊"}], BadMapping),
        ([{"path": "P", "scale": "nan"}], BadMapping),
        ([{"path": "P", "unit": "香蕉"}], BadMapping),
    ],
)
def test_a_map_that_cannot_be_is_refused(tmp_path: Path, said: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        adding.places([], written(tmp_path, said))
