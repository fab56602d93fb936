"""Files into a real store: an update by key, whole or not at all, nothing lost without a reason."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from sqlalchemy import Connection, text

from cim.errors import BadMapping, MissingCrs, SourceError
from cim.load import pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings

Loader = Callable[..., Report]


def square(x: float, y: float, side: float = 2e-4) -> shapely.Polygon:
    return shapely.box(x, y, x + side, y + side)


HOUSES = {
    "编号": ["A1", "A2", "A3"],
    "名称": ["1栋", "2栋", "3栋"],
    "层数": [6, 18, 3],
    "高度": [18.5, 54.0, 9.0],
    "屋主": ["甲", "乙", None],
}
PLACES = [square(113.75 + n * 1e-3, 23.02) for n in range(3)]


def write(
    path: Path,
    columns: dict[str, list[Any]],
    shapes: list[shapely.Geometry | None],
    crs: str | None = "EPSG:4490",
) -> Path:
    geometry = shapely.to_wkb(np.array(shapes, dtype=object))
    values = [np.array(column) for column in columns.values()]
    pyogrio.raw.write(path, geometry, values, list(columns), geometry_type="Unknown", crs=crs)
    return path


@pytest.fixture
def load(connection: Connection, settings: Settings) -> Loader:
    def run(kind: str, path: Path, **options: Any) -> Report:
        return pipeline.load(connection, settings, KINDS[kind], path, Request(**options))

    return run


def one(connection: Connection, sql: str) -> Any:
    return connection.execute(text(sql)).scalar_one()


def houses(folder: Path, **changes: list[Any]) -> Path:
    folder.mkdir(exist_ok=True)
    return write(folder / "houses.gpkg", HOUSES | changes, PLACES)


def test_loading_again_doubles_nothing(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    path = houses(tmp_path)
    assert load("buildings", path).counts.new == 3
    again = load("buildings", path)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 3)
    assert again.exit_code == 0
    assert one(connection, "SELECT count(*) FROM city.building") == 3
    assert one(connection, "SELECT count(*) FROM platform.change") == 3


def test_what_changed_is_updated_and_the_feed_keeps_what_it_was(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path))
    before = one(connection, "SELECT id FROM city.building WHERE ext_id = 'A2'")
    report = load("buildings", houses(tmp_path / "later", 高度=[18.5, 60.0, 9.0]))
    assert (report.counts.changed, report.counts.unchanged) == (1, 2)
    row = connection.execute(text("SELECT id, height FROM city.building WHERE ext_id = 'A2'")).one()
    assert (row.id, row.height) == (before, 60.0)
    kept = one(connection, "SELECT before FROM platform.change WHERE op = 'update'")
    assert kept == {"height": 54.0}


def test_a_file_without_floors_does_not_undo_floors_that_were_given(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path))
    columns = {"编号": HOUSES["编号"], "高度": [99.0, 54.0, 9.0]}
    report = load("buildings", write(tmp_path / "h.gpkg", columns, PLACES), source="houses")
    row = connection.execute(
        text("SELECT height, floors_above, floors_method FROM city.building WHERE ext_id = 'A1'")
    ).one()
    assert tuple(row) == (99.0, 6, "given")
    assert report.counts.changed == 1
    owner = "SELECT attrs ->> '屋主' FROM city.building WHERE ext_id = 'A1'"
    assert one(connection, owner) == "甲"
    again = load("buildings", tmp_path / "h.gpkg", source="houses")
    assert again.counts.unchanged == 3


def test_a_zipped_shapefile_is_read_in_its_place(load: Loader, tmp_path: Path) -> None:
    folder = tmp_path / "shp"
    folder.mkdir()
    write(folder / "houses.shp", {"id": ["A1"], "height": [9.0]}, PLACES[:1])
    archive = shutil.make_archive(str(tmp_path / "houses"), "zip", folder)
    report = load("buildings", Path(archive))
    assert (report.counts.new, report.crs) == (1, "EPSG:4490")


def test_a_moved_outline_is_a_change(load: Loader, tmp_path: Path) -> None:
    load("buildings", houses(tmp_path))
    moved = [square(113.7501, 23.02), *PLACES[1:]]
    report = load("buildings", write(tmp_path / "houses.gpkg", HOUSES, moved))
    assert (report.counts.changed, report.counts.unchanged) == (1, 2)


def test_what_a_full_file_lacks_has_ended_and_comes_back(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path))
    fewer = {name: column[:2] for name, column in HOUSES.items()}
    path = write(tmp_path / "fewer.gpkg", fewer, PLACES[:2])
    partial = load("buildings", path, source="houses")
    assert (partial.counts.missing, partial.counts.ended) == (1, 0)
    full = load("buildings", path, source="houses", full=True)
    assert (full.counts.missing, full.counts.ended) == (1, 1)
    ended = "SELECT count(*) FROM city.building WHERE ended_at IS NOT NULL"
    assert one(connection, ended) == 1
    back = load("buildings", houses(tmp_path))
    assert (back.counts.changed, back.counts.new) == (1, 0)
    assert one(connection, ended) == 0


def test_columns_that_no_field_takes_are_kept(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path))
    found = connection.execute(text("SELECT ext_id, attrs FROM city.building ORDER BY 1")).all()
    assert dict(map(tuple, found)) == {"A1": {"屋主": "甲"}, "A2": {"屋主": "乙"}, "A3": None}


def test_bad_rows_are_set_aside_with_field_value_and_reason(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    bow_tie = shapely.Polygon([(113, 23), (113.1, 23.1), (113.1, 23), (113, 23.1)])
    columns = HOUSES | {"高度": ["18.5", "很高", "9"]}
    path = write(tmp_path / "bad.gpkg", columns, [bow_tie, PLACES[1], PLACES[2]])
    report = load("buildings", path)
    assert report.came_in == 1
    assert report.exit_code == 1
    rows = connection.execute(
        text("SELECT * FROM platform.quarantine ORDER BY row_no")
    ).mappings().all()  # fmt: skip
    assert [(r["row_no"], r["field"], r["reason"]) for r in rows] == [
        (1, "geometry", "invalid_geometry"),
        (2, "height", "not_a_value"),
    ]
    assert rows[1]["value"] == "很高"
    assert rows[1]["record"]["编号"] == "A2"
    assert rows[1]["reason_zh"] == "值无法按该字段解析"
    assert shapely.from_wkb(bytes(rows[0]["geom"])).equals(bow_tie)


def test_the_mended_row_clears_its_quarantine(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    wrong = houses(tmp_path, 高度=[18.5, -54.0, 9.0])
    assert load("buildings", wrong).set_aside == 1
    still = load("buildings", wrong)
    assert still.counts.missing == 0
    opened = "SELECT count(*) FROM platform.quarantine WHERE cleared_at IS NULL"
    assert one(connection, opened) == 1
    assert load("buildings", houses(tmp_path)).exit_code == 0
    assert one(connection, opened) == 0
    assert one(connection, "SELECT count(*) FROM platform.quarantine") == 2


def test_a_full_file_does_not_end_what_it_holds_wrongly(load: Loader, tmp_path: Path) -> None:
    load("buildings", houses(tmp_path))
    report = load("buildings", houses(tmp_path, 高度=[18.5, -54.0, 9.0]), full=True)
    assert (report.set_aside, report.counts.ended) == (1, 0)


def test_pieces_of_one_key_become_one_building(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    columns = {"编号": ["A", "A", "B"], "层数": [5, 9, 3]}
    shapes = [square(113.75, 23.02), square(113.7502, 23.02, 4e-4), square(113.76, 23.02)]
    report = load("buildings", write(tmp_path / "pieces.gpkg", columns, shapes))
    assert (report.counts.new, report.merged) == (2, 1)
    row = connection.execute(
        text(
            "SELECT floors_above, ST_NumGeometries(footprint) AS parts, footprint_area, "
            "ST_Area(footprint::geography) AS exact FROM city.building WHERE ext_id = 'A'"
        )
    ).one()
    assert (row.floors_above, row.parts) == (9, 1)
    assert row.footprint_area == pytest.approx(row.exact)
    assert load("buildings", tmp_path / "pieces.gpkg").counts.unchanged == 2


def test_one_key_in_two_places_is_no_building(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    columns = {"编号": ["A", "A"], "层数": [5, 9]}
    path = write(tmp_path / "far.gpkg", columns, [square(113.75, 23.02), square(113.9, 23.02)])
    report = load("buildings", path)
    assert report.aside == {"scattered": 1}
    kept = one(connection, "SELECT record FROM platform.quarantine")
    assert kept == {"编号": "A", "层数": 9}


def test_without_a_key_the_place_is_the_key(load: Loader, tmp_path: Path) -> None:
    shapes = [square(113.75, 23.02), square(113.75, 23.02), square(113.76, 23.02)]
    path = write(tmp_path / "nokey.gpkg", {"层数": [5, 6, 7]}, shapes)
    assert load("buildings", path).counts.new == 3
    assert load("buildings", path).counts.unchanged == 3


def test_metres_of_a_zone_stand_where_they_should(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    shape = shapely.box(474_373.087, 2_546_774.325, 474_393.087, 2_546_784.325)
    load("buildings", write(tmp_path / "zone.gpkg", {"编号": ["Z"]}, [shape], "EPSG:4547"))
    corner = "SELECT round(ST_XMin(footprint)::numeric, 4)::text FROM city.building"
    assert one(connection, corner) == "113.7500"
    area = one(connection, "SELECT footprint_area FROM city.building")
    assert area == pytest.approx(200, rel=2e-3)


@pytest.mark.parametrize(
    ("shape", "declared", "word"),
    [
        (square(113.75, 23.02), "EPSG:4547", "degrees"),
        (shapely.box(474_000, 2_546_000, 474_020, 2_546_020), "EPSG:4490", "metres"),
        (shapely.box(38_474_000, 2_546_000, 38_474_020, 2_546_020), "EPSG:4547", "EPSG:4526"),
    ],
)
def test_coordinates_that_belie_their_system_are_refused(
    load: Loader, tmp_path: Path, shape: shapely.Polygon, declared: str, word: str
) -> None:
    path = write(tmp_path / "lie.gpkg", {"编号": ["Z"]}, [shape], declared)
    with pytest.raises(SourceError, match=word):
        load("buildings", path)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_a_file_that_does_not_say_its_system_is_asked_about(load: Loader, tmp_path: Path) -> None:
    path = write(tmp_path / "mute.gpkg", {"编号": ["Z"]}, [square(113.75, 23.02)], None)
    with pytest.raises(MissingCrs, match="gcj02") as refused:
        load("buildings", path)
    assert "--crs" in refused.value.zh
    assert load("buildings", path, crs="gcj02").came_in == 1


def test_buildings_know_their_area_grid_and_estate_whichever_came_first(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    whole = square(113.74, 23.01, 0.02)
    areas = {"区划代码": ["4419", "441900", "441900004"], "名称": ["东莞市", "东莞市", "南城街道"]}
    estate = write(tmp_path / "estates.gpkg", {"小区名称": ["花园"]}, [whole])
    load("areas", write(tmp_path / "areas.gpkg", areas, [whole] * 3))
    load("buildings", houses(tmp_path))
    assert load("estates", estate).warnings["reassigned"] == 3
    grid = {"code": ["G1"], "name": ["一"]}
    load("grids", write(tmp_path / "grids.gpkg", grid, [whole]))
    row = connection.execute(
        text(
            "SELECT DISTINCT a.level, a.code, e.name, g.code AS grid FROM city.building b "
            "JOIN city.admin_area a ON a.id = b.admin_area_id "
            "JOIN city.estate e ON e.id = b.estate_id JOIN city.grid g ON g.id = b.grid_id"
        )
    ).all()
    assert [tuple(one) for one in row] == [(4, "441900004", "花园", "G1")]


def test_towns_hang_on_the_pseudo_county_of_their_city(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "areas.csv"
    path.write_text(
        "code,name\n441900004001,新基社区\n441900004,南城街道\n441900,东莞市\n4419,东莞市\n44,广东省\n",
        "utf-8-sig",
    )
    assert load("areas", path).counts.new == 5
    found = connection.execute(
        text(
            "SELECT t.code, p.code FROM city.admin_area t "
            "LEFT JOIN city.admin_area p ON p.id = t.parent_id ORDER BY 1"
        )
    ).all()
    assert dict(map(tuple, found)) == {
        "44": None, "4419": "44", "441900": "4419",
        "441900004": "441900", "441900004001": "441900004",
    }  # fmt: skip
    pseudo = one(connection, "SELECT string_agg(code, ',') FROM city.admin_area WHERE is_pseudo")
    assert pseudo == "441900"


def test_outlines_find_their_area_by_name(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "areas.csv").write_text("code,name\n441900004,南城街道\n", "utf-8")
    load("areas", tmp_path / "areas.csv")
    shapes = write(
        tmp_path / "towns.gpkg",
        {"name": ["南城街道", "无名镇"]},
        [square(113, 23), square(114, 23)],
    )
    report = load("areas", shapes)
    assert (report.counts.changed, report.aside) == (1, {"unknown_area": 1})
    assert one(connection, "SELECT count(*) FROM city.admin_area WHERE geom IS NOT NULL") == 1
    assert load("areas", shapes).counts.unchanged == 1


def test_floors_and_rooms_find_their_building(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path), source="register")
    floors = tmp_path / "floors.csv"
    floors.write_text("幢编号,楼层,层高\nA1,1,4.5\nA1,B1,3.9\nA9,1,3\n", "gb18030")
    report = load("floors", floors)
    assert (report.counts.new, report.aside) == (2, {"no_building": 1})
    assert load("floors", floors).counts.unchanged == 2
    labels = "SELECT string_agg(no || label || kind, ',' ORDER BY no) FROM city.storey"
    assert one(connection, labels) == "-1B1地下,11标准"
    units = tmp_path / "units.csv"
    units.write_text(
        "房屋编号,幢编号,楼层,单元,房号,用途,建筑面积\n"
        "U1,A1,1,1单元,101,商铺,88.5\nU2,A1,3,2,301,住宅,90\nU3,A1,3,2,301,住宅,91\n",
        "utf-8",
    )
    report = load("units", units)
    assert (report.counts.new, report.aside) == (2, {"room_taken": 1})
    again = load("units", units)
    assert (again.counts.unchanged, again.counts.changed) == (2, 0)
    made = "SELECT count(*) FROM city.storey WHERE status = 'generated'"
    assert one(connection, made) == 1


def test_a_key_of_two_sources_is_ambiguous_until_the_source_is_said(
    load: Loader, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path), source="one")
    load("buildings", houses(tmp_path), source="two")
    floors = tmp_path / "floors.csv"
    floors.write_text("幢编号,楼层\nA1,1\n", "utf-8")
    assert load("floors", floors).aside == {"ambiguous_building": 1}
    assert load("floors", floors, source="two").counts.new == 1


def test_drawn_floors_that_are_alike_share_one_plan(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    load("buildings", houses(tmp_path), source="r")
    columns = {"幢编号": ["A1", "A1", "A1"], "楼层": ["1", "2", "3"]}
    shapes = [square(113.75, 23.02), square(113.75, 23.02, 1e-4), square(113.75, 23.02, 1e-4)]
    path = write(tmp_path / "floors.gpkg", columns, shapes)
    assert load("floors", path, source="r").counts.new == 3
    assert one(connection, "SELECT count(*) FROM city.floor_plan WHERE kind = 'drawn'") == 2
    load("floors", path, source="r")
    assert one(connection, "SELECT count(*) FROM city.floor_plan") == 2


def test_a_first_load_leaves_every_index_and_key_as_it_was(
    load: Loader, connection: Connection, tmp_path: Path
) -> None:
    facts = (
        "SELECT array_agg(d ORDER BY d) FROM (SELECT pg_get_indexdef(indexrelid) AS d "
        "FROM pg_index WHERE indrelid = 'city.building'::regclass UNION ALL SELECT conname || "
        "pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'city.building'::regclass) x"
    )
    before = one(connection, facts)
    count = 10_500
    shapes = [square(113 + n % 100 * 3e-4, 23 + n // 100 * 3e-4) for n in range(count)]
    columns = {"编号": [f"N{n}" for n in range(count)], "层数": [3] * count}
    report = load("buildings", write(tmp_path / "many.gpkg", columns, shapes))
    assert report.counts.new == count
    assert one(connection, facts) == before


def test_a_wrong_mapping_names_the_columns_there_are(load: Loader, tmp_path: Path) -> None:
    with pytest.raises(BadMapping, match="屋主"):
        load("buildings", houses(tmp_path), fields={"height": "高"})


def test_a_key_too_long_for_any_index_is_set_aside(load: Loader, tmp_path: Path) -> None:
    keys = np.random.default_rng(0).integers(0x4E00, 0x9FFF, 9000)
    path = write(tmp_path / "keys.gpkg", {"编号": ["".join(map(chr, keys)), "A2"]}, [*PLACES[:2]])
    report = load("buildings", path)
    assert (report.counts.new, report.aside) == (1, {"too_long": 1})
