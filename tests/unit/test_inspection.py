"""A file looked at before it is loaded: what is shown, what is odd, what is proposed."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely

from cim.codes.identifiers import invented_citizen_id, invented_phone
from cim.errors import SourceError
from cim.load import mapping, matching
from cim.load.inspection import Inspection, inspect
from cim.load.kinds import KINDS
from cim.load.matching import names, values
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.load.source import Batch
from cim.settings import Settings
from cim.store.incoming.stage import Counts


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Inspection]:
    """Write columns as CSV, or as GeoJSON with one square a row, and inspect them."""

    def inspected(
        columns: dict[str, list[Any]], kind: str | None = None, name: str = "file",
        at: list[tuple[float, float]] | None = None, **ask: Any,
    ) -> Inspection:  # fmt: skip
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if at is None:
            path = tmp_path / f"{name}.csv"
            lines = [",".join(columns)]
            lines += [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
            path.write_text("\n".join(lines) + "\n", "utf-8")
        else:
            path = tmp_path / f"{name}.geojson"
            shapes = [shapely.box(x, y, x + 2e-4, y + 2e-4) for x, y in at]
            features = [
                {"type": "Feature", "properties": row, "geometry": shapely.geometry.mapping(shape)}
                for row, shape in zip(rows, shapes, strict=True)
            ]
            content = {"type": "FeatureCollection", "features": features}
            path.write_text(json.dumps(content), "utf-8")
        settings = Settings(_env_file=None, data_dir=tmp_path)
        return inspect(settings, path, kind, Request(**ask))

    return inspected


def said(found: Inspection) -> str:
    odd = [*found.oddities, *(o for column in found.columns for o in column.oddities)]
    return "\n".join(f"{o.en}: {o.count} {o.rows}" for o in odd)


def proposed(columns: dict[str, list[Any]], kind: str = "buildings") -> dict[str, str]:
    batch = Batch(pa.RecordBatch.from_pydict(columns), None, 1)
    guesses = matching.propose(KINDS[kind].all_fields, batch, list(columns), {})
    return {each.field.name: each.column for each in guesses if each.column is not None}


def used(columns: dict[str, list[Any]], kind: str = "buildings") -> dict[str, str]:
    batch = Batch(pa.RecordBatch.from_pydict(columns), None, 1)
    return mapping.settle(KINDS[kind].all_fields, list(columns), {}, batch).columns


FLOORS = [6, 18, 3, 6, 11, 2]


@pytest.mark.parametrize(
    "column", ["louceng", "FLOORS_ABO", "层数(层)", "Floor", "地上 层数", "building:levels"]
)
def test_what_a_name_surely_means_is_used_unasked(column: str) -> None:
    assert used({column: FLOORS}) == {"floors_above": column}


@pytest.mark.parametrize("column", ["房屋层数", "zcs", "dscs", "floor_total", "flors_above"])
def test_what_a_name_may_mean_is_only_proposed(column: str) -> None:
    assert proposed({column: FLOORS}) == {"floors_above": column}
    assert used({column: FLOORS}) == {}


def test_values_decide_where_a_name_is_a_coincidence() -> None:
    columns = {"kind": ["building", "building_part"] * 3, "height": ["tall", "low"] * 3}
    assert proposed(columns) == {}
    sample = Batch(pa.RecordBatch.from_pydict(columns), None, 1)
    settled = mapping.settle(KINDS["buildings"].all_fields, list(columns), {}, sample)
    assert any("kind" in en for en, _ in settled.notes)


def test_a_column_in_another_unit_is_not_taken_for_metres() -> None:
    assert used({"height_cm": [1800, 5400, 900, 1800, 3300, 600]}) == {}


def test_values_alone_propose_storeys_beside_heights_a_key_an_address_and_codes() -> None:
    columns = {
        "a": FLOORS,
        "b": [n * 3.0 for n in FLOORS],
        "c": [f"T-{n}" for n in range(6)],
        "d": ["住宅", "商业", "住宅", "办公", "工业", "住宅"],
    }
    found = {"floors_above": "a", "height": "b", "ext_id": "c", "use_code": "d"}
    assert proposed(columns) == found
    assert used(columns) == {}
    places = [f"虎门镇浦江路{n}号3栋" for n in range(6)]
    assert proposed({"x": places}, "addresses")["full_text"] == "x"


def test_no_column_is_two_fields_and_no_field_two_columns() -> None:
    columns = {"名称": list("abcdef"), "name": list("ghijkl"), "建筑名称": list("mnopqr")}
    found = proposed(columns)
    assert len(set(found.values())) == len(found)
    assert found["name"] == "name"


def test_initials_and_units_are_read_in_names() -> None:
    fields = {field.name: field for field in KINDS["buildings"].all_fields}
    assert names.match("jzmc", fields["name"], deep=True) is not None
    assert names.match("地下室层数", fields["floors_above"], deep=True) is None
    assert names.bare("建筑面积（㎡）")[:2] == ("建筑面积", "m²")


def test_the_look_at_a_file_shows_rows_extent_kind_and_columns(
    look: Callable[..., Inspection],
) -> None:
    at = [(113.75 + n * 1e-3, 23.02) for n in range(6)]
    found = look({"编号": list("abcdef"), "层数": FLOORS, "高度": [n * 3.0 for n in FLOORS]}, at=at)
    assert (found.rows, found.kind, found.crs) == (6, "buildings", "EPSG:4326")
    assert found.extent == pytest.approx((113.75, 23.02, 113.7552, 23.0202))
    assert found.geometry == {"Polygon": 6}
    assert found.footprints is not None
    assert len(found.footprints["features"]) == 6
    assert [c.distinct for c in found.columns] == [6, 5, 5]
    assert found.missing == ()
    preview = json.loads(json.dumps(found.as_json()))["preview"]
    assert preview["rows"][0][0] == "a"
    assert len(preview["numbers"]) == len(preview["rows"])


def test_suspicious_values_are_named_with_their_rows(look: Callable[..., Inspection]) -> None:
    columns = {
        "编号": ["A1", "A1", "A3", None, "A5", "A6", "A7"],
        "层数": [0, 6, 300, 6, 6, 6, 6],
        "高度": ["18 m", "18", "18", "-3", "abc", "18", "18"],
        "名称": ["正常", "ï¿½ï¿½", "锟斤拷", "c", "d", "e", "f"],
        "竣工": ["2020-01-01", "2199-01-01", "2001-05-05", None, "2000-01-01", None, None],
    }
    at = [(113.75, 23.02)] * 5 + [(100.0, 30.0), (0.0, 0.0)]
    found = said(look(columns, "buildings", at=at))
    for words in ("no floors at all (0): 1 (1,)", "wrong encoding: 2", "in the future: 1 (2,)",
                  "numbers written with their unit: 1", "rows whose key", "too large",
                  "too small", "far away from all the others: 1 (6,)"):  # fmt: skip
        assert words in found, (words, found)


def test_heights_in_centimetres_are_suspected(look: Callable[..., Inspection]) -> None:
    at = [(113.75 + n * 1e-3, 23.02) for n in range(6)]
    columns = {"层数": FLOORS, "高度": [n * 300 for n in FLOORS]}
    assert "centimetres" in said(look(columns, "buildings", at=at))


def test_personal_data_are_shown_nowhere(look: Callable[..., Inspection]) -> None:

    people = {
        "姓名": [f"测试甲{n}" for n in range(6)],
        "证件号码": [invented_citizen_id(n, date(1980, 1, 1)) for n in range(6)],
        "备用": [invented_phone(n) for n in range(6)],
    }
    for kind in ("people", None, "buildings"):
        shown = look(people, kind)
        text = json.dumps(shown.as_json(), ensure_ascii=False)
        assert not any(word in text for column in people.values() for word in column)
    assert shown.kind == "buildings"
    assert "personal data do not belong here" in said(shown)
    assert look(people).kind == "people"


def test_a_first_line_of_somebodys_data_is_refused_and_not_repeated(
    look: Callable[..., Inspection],
) -> None:
    number = invented_phone(3)
    with pytest.raises(SourceError) as refused:
        look({"测试甲": ["测试乙"], number: ["x"]})
    assert number not in str(refused.value)


def test_an_unsaid_coordinate_system_is_a_question_with_proposals(tmp_path: Path) -> None:
    path = tmp_path / "buildings.csv"
    path.write_text("id,geometry\n1,\"POLYGON((38474000 2546000,38474010 2546000,38474010 2546010,"
                    '38474000 2546000))"\n', "utf-8")  # fmt: skip
    settings = Settings(_env_file=None, data_dir=tmp_path)
    found = inspect(settings, path)
    assert (found.crs, found.extent, found.footprints) == (None, None, None)
    assert found.crs_proposals[0].code == "EPSG:4526"
    sure = inspect(settings, path, None, Request(crs="EPSG:4526"))
    assert sure.extent is not None
    assert 113 < sure.extent[0] < 114


def test_a_large_file_is_sampled_and_says_so(
    look: Callable[..., Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cim.load.inspection.run.WHOLE", 10)
    count = 40_000
    found = look({"地址": [f"浦江路{n}号" for n in range(count)]}, "addresses")
    assert found.rows == count
    assert found.sampled


def test_another_file_under_the_same_name_is_doubted() -> None:
    def doubts(**counts: int) -> str:
        report = Report("buildings", "buildings.shp", "buildings", counts=Counts(**counts))
        return "".join(en for en, _ in report.doubts)

    assert "hardly any row" in doubts(new=300, missing=500)
    assert "almost every known row" in doubts(changed=300, missing=20)
    assert "more than half" in doubts(unchanged=200, missing=500)
    assert doubts(unchanged=300, missing=20) == ""
    assert doubts(new=300) == ""


def test_addresses_are_told_from_names() -> None:
    assert values.is_address(pa.array([f"东城街道东城中路{n}号" for n in range(9)]))
    assert not values.is_address(pa.array([f"紫荆公寓{c}" for c in "甲乙丙丁戊己"]))


def test_oddities_name_the_rows_as_a_spreadsheet_does_blank_ones_counted(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text(
        "编号,名称,层数,经度,纬度\n"
        "B1,一号楼,6,113.75,23.02\n"
        "\n\n\n"
        "B2,锟斤拷,6,113.75,23.02\n"
        "\n"
        "B1,三号楼,6,0,0\n",
        "utf-8",
    )
    settings = Settings(_env_file=None, data_dir=tmp_path)
    found = inspect(settings, tmp_path / "houses.csv", "facilities")
    assert "wrong encoding: 1 (6,)" in said(found)
    assert "no place was known: 1 (8,)" in said(found)
    assert "another row has: 1 (8,)" in said(found)
    assert found.preview["numbers"] == [2, 6, 8]
