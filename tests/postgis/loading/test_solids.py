"""City models into the store: buildings with their solids, again, in part, and set aside."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cim.load import inspection, pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings
from tests.citymodels import corners, document, houses, lines, solid


@pytest.fixture
def load(connection: Connection, settings: Settings) -> Any:
    def run(path: Path, **ask: Any) -> Report:
        connection.execute(text("DISCARD TEMP"))
        return pipeline.load(connection, settings, KINDS["buildings"], path, Request(**ask))

    return run


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql))]


SOLIDS = """SELECT b.ext_id, g.lod, g.is_current, ST_NumGeometries(g.geom)
            FROM city.building_geom g JOIN city.building b ON b.id = g.building_id
            ORDER BY 1, 2"""


def test_a_house_stands_on_its_solids_foot_and_is_as_high_as_it(
    connection: Connection, load: Any, tmp_path: Path
) -> None:
    report = load(houses(tmp_path / "delft.city.json", 2), fields={"name": "naam"})
    assert (report.counts.new, report.set_aside) == (2, 0)
    assert ("solids: 2 in LoD2.2", "实体模型：LoD2.2 2 幢") in report.notes
    kept = rows(
        connection,
        """
        SELECT name, height, height_method, ground_elev, floors_above, attrs ->> 'bouwjaar',
               ST_ZMin(geom), ST_ZMax(geom), ST_Covers(ST_Buffer(footprint, 1e-7), geom)
        FROM city.building b JOIN city.building_geom g ON g.building_id = b.id ORDER BY ext_id""",
    )
    assert kept[0] == ("Huis 0", 8.0, "given", 20.0, 3, "1990", 20.0, 28.0, True)


def test_what_the_columns_say_wins_over_the_solid(
    connection: Connection, load: Any, tmp_path: Path
) -> None:
    said = {"measuredHeight": 7.5, "storeysAboveGround": 2, "ground_height": 19.0}
    item = {"type": "Building", "attributes": said, "geometry": [solid()]}
    load(document(tmp_path / "said.json", {"B": item}, corners()))
    kept = rows(connection, "SELECT height, floors_above, ground_elev FROM city.building")
    assert kept == [(7.5, 2, 19.0)]


def test_the_same_model_again_changes_nothing_in_whichever_form(
    connection: Connection, load: Any, tmp_path: Path
) -> None:
    path = houses(tmp_path / "delft.city.json")
    load(path, source="delft")
    before = rows(connection, "SELECT id, xmin::text FROM city.building_geom ORDER BY id")
    again = load(lines(tmp_path / "delft.city.jsonl", path), source="delft").counts
    assert (again.new, again.changed, again.unchanged) == (0, 0, 3)
    assert rows(connection, "SELECT id, xmin::text FROM city.building_geom ORDER BY id") == before


def test_a_house_whose_roof_alone_is_another_is_a_changed_house(
    connection: Connection, load: Any, tmp_path: Path
) -> None:
    path = houses(tmp_path / "delft.city.json")
    load(path)
    model = json.loads(path.read_text())
    model["vertices"][7 + 1][1] += 500  # an end of the first ridge, half a metre north
    path.write_text(json.dumps(model))
    counts = load(path).counts
    assert (counts.new, counts.changed, counts.unchanged) == (0, 1, 2)
    feed = rows(
        connection,
        """
        SELECT b.ext_id, c.op FROM platform.change c JOIN city.building b ON b.id = c.object_id
        WHERE c.op <> 'insert'""",
    )
    assert feed == [("H0", "update")]
    assert len(rows(connection, SOLIDS)) == 3


def test_every_level_is_kept_and_one_is_shown(
    connection: Connection, load: Any, tmp_path: Path
) -> None:
    def model(*levels: str) -> Path:
        geometry = [solid(0, lod) for lod in levels]
        item = {"type": "Building", "geometry": geometry}
        return document(tmp_path / "lods.json", {"B": item}, corners())

    load(model("1", "2.2", "3"))
    kept = [("B", "1", False, 7), ("B", "2.2", True, 7), ("B", "3", False, 7)]
    assert rows(connection, SOLIDS) == kept
    assert load(model("1")).counts.changed == 1
    kept = [("B", "1", True, 7), ("B", "2.2", False, 7), ("B", "3", False, 7)]
    assert rows(connection, SOLIDS) == kept
    assert load(model("1")).counts.unchanged == 1


def test_a_building_that_cannot_be_read_waits_and_the_others_come_in(
    connection: Connection, load: Any, tmp_path: Path
) -> None:
    broken = {"type": "Solid", "lod": "2", "boundaries": [[[[0, 1, 99]]]]}
    objects = {
        "good": {"type": "Building", "geometry": [solid()]},
        "bad": {"type": "Building", "attributes": {"naam": "Huis"}, "geometry": [broken]},
        "bare": {"type": "Building"},
    }
    report = load(document(tmp_path / "some.json", objects, corners()))
    assert (report.counts.new, report.aside) == (1, {"broken_geometry": 1, "no_geometry": 1})
    kept = rows(connection, "SELECT ext_id, row_no, reason, record ->> 'naam' "
                            "FROM platform.quarantine ORDER BY row_no")  # fmt: skip
    assert kept == [("bad", 2, "broken_geometry", "Huis"), ("bare", 3, "no_geometry", None)]


def test_heights_above_the_ellipsoid_are_brought_to_the_citys_datum(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    path = document(
        tmp_path / "degrees.json", {"B": {"type": "Building", "geometry": [solid()]}}, corners(),
        transform={"scale": [1e-8, 1e-8, 1e-3], "translate": [113.75, 23.02, 0.0]},
        metadata={"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/4979"},
    )  # fmt: skip
    city = settings.model_copy(update={"geoid_offset": -4.0})
    pipeline.load(connection, city, KINDS["buildings"], path)
    kept = rows(
        connection,
        """
        SELECT ground_elev, height, ST_ZMin(geom), ST_ZMax(geom)
        FROM city.building b JOIN city.building_geom g ON g.building_id = b.id""",
    )
    assert kept == [(24.0, 8.0, 24.0, 32.0)]


def test_a_later_table_of_the_same_source_leaves_the_solids(
    connection: Connection, load: Any, tmp_path: Path
) -> None:
    load(houses(tmp_path / "delft.city.json", 1), source="delft")
    table = tmp_path / "delft.csv"
    wkt = rows(connection, "SELECT ST_AsText(footprint) FROM city.building")[0][0]
    table.write_text(f'id,name,wkt\nH0,Huis,"{wkt}"\n')
    assert load(table, source="delft", crs="EPSG:4490").counts.changed == 1
    assert rows(connection, SOLIDS) == [("H0", "2.2", True, 7)]
    assert rows(connection, "SELECT ground_elev FROM city.building") == [(20.0,)]


def test_a_model_is_looked_at_as_any_file(settings: Settings, tmp_path: Path) -> None:
    found = inspection.inspect(settings, houses(tmp_path / "gebouwen.city.json"))
    assert (found.kind, found.rows, found.crs) == ("buildings", 3, "EPSG:4547")
    assert [column.name for column in found.columns] == ["id", "naam", "bouwjaar"]
    assert "ext_id" in {each.field for each in found.mapping if each.column == "id"}
