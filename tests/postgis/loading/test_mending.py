"""What is set aside comes out, is mended, and comes in: nothing doubled, nothing lost."""

import csv
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from sqlalchemy import Connection, text

from cim.errors import BadMapping, SourceError
from cim.load import mapping, setaside
from cim.load.kinds import KINDS
from cim.load.mapping import BESIDE
from cim.load.pipeline import Request, load
from cim.load.report import Report
from cim.settings import Settings
from tests import citymodels

BOW_TIE = shapely.Polygon([(0, 0), (1e-3, 1e-3), (1e-3, 0), (0, 2e-3)])


class Office:
    """A data officer with her files: loads them, takes out what was set aside, mends it."""

    def __init__(self, connection: Connection, settings: Settings, folder: Path) -> None:
        self.connection, self.settings, self.folder = connection, settings, folder

    def load(self, path: Path, kind: str | None = None, **ask: Any) -> Report:
        self.connection.execute(text("DISCARD TEMP"))
        one = KINDS[kind or mapping.kind_of(path) or "?"]
        return load(self.connection, self.settings, one, path, Request(**ask))

    def export(self, name: str = "mend-me", **wanted: str) -> list[Path]:
        """The files of `cim quarantine export`."""
        found = setaside.names_of(name, setaside.bundles(self.connection, **wanted))
        for each, bundle in found.items():
            path = self.folder / each
            layout = setaside.layout(self.connection, self.settings, bundle)
            with path.open("w", encoding="utf-8-sig", newline="") as out:
                setaside.write(self.connection, self.settings, bundle, layout, out)
            content = setaside.mapping_of(bundle, layout)
            path.with_name(each + BESIDE).write_text(json.dumps(content), "utf-8")
        return [self.folder / each for each in found]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(text(sql))]

    @property
    def waiting(self) -> int:
        return int(
            self.rows("SELECT count(*) FROM platform.quarantine WHERE cleared_at IS NULL")[0][0]
        )


@pytest.fixture
def office(connection: Connection, settings: Settings, tmp_path: Path) -> Office:
    return Office(connection, settings, tmp_path)


def mend(path: Path, right: dict[tuple[str, int], dict[str, Any]]) -> None:
    """Put the right values into the cells, as somebody types them: the rest stays as it is."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        for name, value in right.get((line["file"], int(line["row_no"])), {}).items():
            if name in line:
                line[name] = "" if value is None else str(value)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)


BUILDINGS = """
    SELECT CASE WHEN ext_id LIKE '@%' THEN split_part(ext_id, '#', 1) ELSE ext_id END, name,
           height, height_method, floors_above, floors_method, attrs::text, ST_AsText(footprint)
    FROM city.building WHERE ended_at IS NULL ORDER BY 1, 2, 3, 5, 7"""

NAMES = st.sampled_from(["1栋", "=1+1", "'quoted", "-x", "@home", "a,b", 'say "A"', "两\n行", None])
FAULTS = st.sampled_from([None, None, "height", "floors", "shape", "gone", "key", "twin"])
HOUSE = st.tuples(
    NAMES, st.integers(1, 40), st.integers(0, 5), st.sampled_from([None, 7, 2.5]), FAULTS
)


def houses(
    path: Path, rows: list[tuple[Any, ...]], *, keyed: bool, good: bool
) -> dict[int, dict[str, Any]]:
    """Houses as GeoJSON, as they are or as they should be; what each row should be."""
    features, right = [], {}
    for number, (name, floors, place, extra, fault) in enumerate(rows):
        x = 113.5 + 0.03 * (number if keyed else place)
        shape = shapely.box(x, 23.0, x + 3e-4, 23.0004)
        row = {"名称": name, "层数": floors, "高度": floors * 3.1, "备注": name, "年份": extra}
        row |= {"编号": f"B{number}"} if keyed else {}
        typed = {name: row[name] for name in row if name in ("编号", "高度", "层数")}
        right[number + 1] = typed | {"geometry": shapely.to_wkt(shape, rounding_precision=-1)}
        bad: dict[str, Any] = {"height": {"高度": -1.0}, "floors": {"层数": 5.5},
                               "key": {"编号": None}, "twin": {"编号": "B0"}}  # fmt: skip
        if not good:
            row |= {k: v for k, v in bad.get(fault, {}).items() if k in row}
            shape = (
                shapely.transform(BOW_TIE, lambda p, x=x: p + np.array([x, 23.0]))
                if fault == "shape"
                else shape
            )
        gone = fault == "gone" and not good
        geometry = None if gone else shapely.geometry.mapping(shape)
        features.append({"type": "Feature", "properties": row, "geometry": geometry})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return right


@pytest.mark.parametrize("keyed", [True, False])
@given(rows=st.lists(HOUSE, min_size=1, max_size=7))
@examples(
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_was_wrong_the_mended_city_is_that_of_the_right_file(
    office: Office, keyed: bool, rows: list[tuple[Any, ...]]
) -> None:
    path = office.folder / "houses.geojson"
    fields = {"name": "名称", "floors_above": "层数", "height": "高度"}
    fields |= {"ext_id": "编号"} if keyed else {}
    right = houses(path, rows, keyed=keyed, good=True)
    with office.connection.begin_nested() as point:
        office.load(path, "buildings", fields=fields)
        wanted = office.rows(BUILDINGS)
        point.rollback()
    with office.connection.begin_nested() as point:
        houses(path, rows, keyed=keyed, good=False)
        first = office.load(path, "buildings", fields=fields)
        for out in office.export():
            mend(out, {("houses.geojson", n): row for n, row in right.items()})
            report = office.load(out)
            assert report.mended == first.set_aside
            again = office.load(out)
            assert (again.counts.new, again.counts.changed) == (0, 0)
        assert office.waiting == 0
        found = office.rows(BUILDINGS)
        point.rollback()
    assert sorted(found, key=str) == sorted(wanted, key=str)


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(n for row in rows for n in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


SQUARE = "POLYGON((113.75 23.02,113.7502 23.02,113.7502 23.0202,113.75 23.0202,113.75 23.02))"


def test_an_outline_that_was_no_outline_comes_out_as_it_was_written(office: Office) -> None:
    rows = [{"编号": "A1", "wkt": SQUARE}, {"编号": "A2", "wkt": "POLYGON((1 2,"}]
    office.load(table(office.folder / "b.csv", rows), "buildings", crs="EPSG:4490")
    (out,) = office.export()
    assert "POLYGON((1 2," in out.read_text("utf-8-sig")
    mend(out, {("b.csv", 3): {"geometry": SQUARE}, ("b.csv", 2): {"geometry": SQUARE}})
    assert office.load(out).exit_code == 0
    assert office.waiting == 0
    assert office.rows("SELECT count(*) FROM city.building") == [(2,)]


def test_rows_that_are_still_wrong_wait_on(office: Office) -> None:
    rows = [{"编号": f"A{n}", "高度": -n, "wkt": SQUARE} for n in (1, 2)]
    office.load(table(office.folder / "b.csv", rows), "buildings", crs="EPSG:4490")
    (out,) = office.export()
    out.write_text(out.read_text("utf-8-sig").replace("-1,", "5,", 2), "utf-8")
    assert office.load(out).exit_code == 1
    assert office.waiting == 1
    (again,) = office.export("again")
    mend(again, {("mend-me.csv", n): {"高度": 6} for n in (2, 3)})
    assert office.load(again).exit_code == 0
    assert office.waiting == 0
    assert office.rows("SELECT ext_id, height FROM city.building ORDER BY 1") == [
        ("A1", 5.0), ("A2", 6.0)
    ]  # fmt: skip


def test_a_second_row_of_a_key_does_not_overwrite_the_first_by_being_loaded_again(
    office: Office,
) -> None:
    rows = [{"小区编号": "E1", "名称": "甲苑"}, {"小区编号": "E1", "名称": "乙苑"}]
    office.load(table(office.folder / "estates.csv", rows), "estates")
    (out,) = office.export()
    assert office.load(out).set_aside == 1
    assert office.rows("SELECT name FROM city.estate") == [("甲苑",)]
    (out,) = office.export("again")
    mend(out, {("mend-me.csv", 2): {"小区编号": "E2"}})
    office.load(out)
    assert office.rows("SELECT ext_id, name FROM city.estate ORDER BY 1") == [
        ("E1", "甲苑"), ("E2", "乙苑")
    ]  # fmt: skip
    assert office.waiting == 0


def test_pieces_of_one_building_wait_for_each_other(office: Office) -> None:
    other = SQUARE.replace("113.75", "113.7502").replace("113.75022", "113.7504")
    rows = [{"编号": "A1", "wkt": SQUARE}, {"编号": "A1", "wkt": "POLYGON((0 0,"}]
    office.load(table(office.folder / "b.csv", rows), "buildings", crs="EPSG:4490")
    assert office.rows("SELECT count(*) FROM city.building") == [(0,)]
    (out,) = office.export(reason="broken_geometry")
    mend(out, {("b.csv", 3): {"geometry": other}})
    assert office.load(out).merged == 1
    assert office.rows("SELECT count(*) FROM city.building") == [(1,)]
    assert office.waiting == 0


def test_several_kinds_come_out_as_a_file_each(office: Office) -> None:
    office.load(table(office.folder / "a.csv", [{"名称": "甲", "级别": 9}]), "areas")
    office.load(table(office.folder / "e.csv", [{"小区编号": "E1", "名称": ""}]), "estates")
    assert [path.name for path in office.export()] == ["mend-me.areas.csv", "mend-me.estates.csv"]


def test_addresses_go_out_and_come_back(office: Office) -> None:
    long = "虎门镇浦江路2号" + "很长" * 200
    rows = [{"地址编号": "D1", "地址": "虎门镇浦江路1号"}, {"地址编号": "D2", "地址": long}]
    office.load(table(office.folder / "addresses.csv", rows), "addresses")
    (out,) = office.export()
    right = {("addresses.csv", 3): {"地址": "虎门镇浦江路2号"}}
    mend(out, right | {("addresses.csv", 2): {"地址": "虎门镇浦江路2号"}})
    assert office.load(out).exit_code == 0
    assert office.waiting == 0
    assert office.rows("SELECT ext_id, full_text FROM city.std_address WHERE ext_id = 'D2'") == [
        ("D2", "虎门镇浦江路2号")
    ]


def test_people_come_out_in_columns_and_come_back(office: Office) -> None:
    office.connection.execute(
        text("""INSERT INTO city.source_system (id, name) VALUES (100, 'register');
        INSERT INTO city.building (id, source_id, ext_id, footprint, footprint_area, height,
            height_method, floors_above, floors_method)
        VALUES (1, 100, 'B1', ST_Multi(ST_MakeEnvelope(113.7, 23, 113.7005, 23.0005, 4490)), 2500,
                24, 'given', 8, 'given')""")
    )
    rows = [
        {"人员编号": f"P{n}", "姓名": f"测试甲{n}", "幢编号": "B1" if n else "没有"} for n in (0, 1)
    ]
    office.load(table(office.folder / "people.csv", rows), "people")
    (out,) = office.export()
    head, line = out.read_text("utf-8-sig").splitlines()
    assert "姓名" in head
    assert "测试甲0" in line
    number = int(line.split(",")[1])
    mend(out, {("people.csv", number): {"幢编号": "B1"}})
    assert office.load(out).exit_code == 0
    assert office.waiting == 0
    assert office.rows("SELECT count(*) FROM pii.residency WHERE building_id = 1") == [(2,)]


def test_a_row_that_was_thrown_out_of_the_file_waits_on(office: Office) -> None:
    rows = [{"高度": -n, "wkt": SQUARE} for n in (1, 2)]
    office.load(table(office.folder / "b.csv", rows), "buildings", crs="EPSG:4490")
    (out,) = office.export()
    lines = out.read_text("utf-8-sig").splitlines()
    out.write_text("\n".join(lines[:2]).replace("-1,", "5,") + "\n", "utf-8")
    office.load(out)
    assert office.waiting == 1


def test_what_is_mended_may_be_said_in_the_request_instead_of_beside_the_file(
    office: Office,
) -> None:
    rows = [{"编号": "A1", "高度": -1, "wkt": SQUARE}]
    office.load(table(office.folder / "b.csv", rows), "buildings", crs="EPSG:4490")
    (out,) = office.export()
    beside = mapping.written(out)
    out.with_name(out.name + BESIDE).unlink()
    mend(out, {("b.csv", 2): {"高度": 5}})
    asked = {"source": "b", "crs": "EPSG:4490", "fields": beside.fields, "mends": beside.mends}
    assert office.load(out, "buildings", **asked).mended == 1
    assert office.waiting == 0
    assert office.rows("SELECT attrs FROM city.building") == [(None,)]
    with pytest.raises(BadMapping):
        office.load(out, "buildings", full=True, **asked)


def test_keys_that_a_spreadsheet_has_rounded_are_refused_and_the_rows_wait_on(
    office: Office,
) -> None:
    rows = [{"编号": f"44190000000{n}", "高度": -1, "wkt": SQUARE} for n in (1, 2)]
    office.load(table(office.folder / "b.csv", rows), "buildings", crs="EPSG:4490")
    (out,) = office.export()
    mend(out, {("b.csv", 3): {"编号": "4.42E+11", "高度": 5}})
    with pytest.raises(SourceError, match="row 3: a spreadsheet has rounded 编号"):
        office.load(out)
    assert office.waiting == 2


def test_a_rounded_key_in_a_file_of_its_own_waits_with_its_row(office: Office) -> None:
    rows = [{"编号": key, "高度": 3, "wkt": SQUARE} for key in ("4.42E+11", "441900000002")]
    report = office.load(table(office.folder / "b.csv", rows), "buildings", crs="EPSG:4490")
    assert (report.counts.new, report.aside) == (1, {"rounded": 1})
    assert [(row.row_no, row.value) for row in report.first] == [(2, "4.42E+11")]


def test_a_rounded_code_of_the_building_is_no_other_building(office: Office) -> None:
    houses = [{"编号": key, "高度": 3, "wkt": SQUARE} for key in ("441900000001", "441900000002")]
    office.load(table(office.folder / "b.csv", houses[:1]), "buildings", crs="EPSG:4490")
    rows = [
        {"编号": str(n), "房号": f"{n}01", "楼层": 1, "幢编号": key}
        for n, key in enumerate(("4.42E+11", "441900000001"))
    ]
    report = office.load(table(office.folder / "u.csv", rows), "units", source="b")
    assert report.aside == {"rounded": 1}
    assert [(row.row_no, row.field, row.value) for row in report.first] == [
        (2, "building", "4.42E+11")
    ]


SOLIDS = """
    SELECT b.ext_id, b.height, b.ground_elev, g.lod, g.is_current, ST_AsText(g.geom, 9)
    FROM city.building b JOIN city.building_geom g ON g.building_id = b.id ORDER BY 1, 4"""

SAID = {"floors_above": "verdiepingen"}


def model_with(office: Office, floors: str) -> Path:
    """Three houses, the second of so many storeys as its column says."""
    path = citymodels.houses(office.folder / "delft.city.json")
    model = json.loads(path.read_text("utf-8"))
    model["CityObjects"]["H1"]["attributes"]["verdiepingen"] = floors
    path.write_text(json.dumps(model), "utf-8")
    return path


def test_a_mended_building_has_the_solid_that_it_came_with(office: Office) -> None:
    report = office.load(model_with(office, "many"), "buildings", fields=SAID)
    assert (report.counts.new, report.set_aside) == (2, 1)
    (path,) = office.export()
    mend(path, {("delft.city.json", 2): {"verdiepingen": 2}})
    report = office.load(path)
    assert (report.counts.new, report.mended, office.waiting) == (1, 1, 0)
    assert not [en for en, _ in report.notes if "solid" in en]
    mended = office.rows(SOLIDS)
    office.connection.execute(text("TRUNCATE city.building, platform.quarantine CASCADE"))
    office.load(model_with(office, "2"), "buildings", fields=SAID)
    assert mended == office.rows(SOLIDS)


def test_a_building_that_is_wrong_again_keeps_its_solid_until_it_is_right(office: Office) -> None:
    office.load(model_with(office, "many"), "buildings", fields=SAID)
    (path,) = office.export()
    mend(path, {("delft.city.json", 2): {"verdiepingen": "lots"}})
    assert office.load(path).set_aside == 1
    (path,) = office.export("again")
    mend(path, {("mend-me.csv", 2): {"verdiepingen": 2}})
    assert office.load(path).counts.new == 1
    assert [row[0] for row in office.rows(SOLIDS)] == ["H0", "H1", "H2"]


def test_a_solid_that_cannot_come_back_is_named(office: Office) -> None:
    office.load(model_with(office, "many"), "buildings", fields=SAID)
    (path,) = office.export()
    outline = shapely.to_wkt(shapely.box(474_900, 2_546_800, 474_910, 2_546_810))
    mend(path, {("delft.city.json", 2): {"verdiepingen": 2, "geometry": outline}})
    report = office.load(path)
    assert report.counts.new == 1
    assert [en for en, _ in report.notes if "solid" in en] == [
        "1 without the solid it came with: its outline lies elsewhere now"
    ]
    assert [row[0] for row in office.rows(SOLIDS)] == ["H0", "H2"]
