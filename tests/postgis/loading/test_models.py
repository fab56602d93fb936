"""Floor models in the city: placed, linked to their building, brought up to date, left as given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from cim import crs, derive
from cim.errors import CimError, MissingCrs, NotFound
from cim.load import models
from cim.load.models import looking, sandbox
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings
from tests.designs import Drawing, two_flats

AT = "113.75,23.02,0"

Loader = Callable[..., Report]


@pytest.fixture
def load(connection: Connection, settings: Settings, tmp_path: Path) -> Loader:
    def run(drawing: Any, name: str = "tower.ifc", **ask: Any) -> Report:
        path = drawing.write(tmp_path / name)
        report = models.load(connection, settings, path, Request(**ask))
        derive.run(connection, settings)
        return report

    return run


def rows(connection: Connection, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql), values)]


def footprint(connection: Connection, size: float, *, floors: int = 2, **place: float) -> int:
    """A building of `size` metres by half of it, its middle at a place in degrees."""
    lon, lat = place.get("lon", 113.75), place.get("lat", 23.02)
    east, north = size / 102_500 / 2, size / 110_750 / 4
    sql = """INSERT INTO city.building (name, footprint, footprint_area, height, height_method,
                 floors_above, floors_method)
             VALUES ('3栋', ST_Multi(ST_MakeEnvelope(:w, :s, :e, :n, 4490)), :area, :height,
                     'given', :floors, 'given') RETURNING id"""
    values = {"w": lon - east, "s": lat - north, "e": lon + east, "n": lat + north,
              "area": size * size / 2, "height": floors * 3.0, "floors": floors}  # fmt: skip
    return int(connection.execute(text(sql), values).scalar_one())


UNITS = """SELECT u.room_no, s.no, u.geom_status, round(ST_Area(u.outline::geography)::numeric)
    FROM city.unit u JOIN city.storey s ON s.id = u.storey_id
    WHERE u.ended_at IS NULL ORDER BY s.no, u.room_no"""


def test_zones_are_flats_and_fire_compartments_are_not(
    load: Loader, connection: Connection
) -> None:
    report = load(two_flats(), at=AT)
    assert rows(connection, UNITS) == [
        ("101", 1, "ifc", 20), ("102", 1, "ifc", 16), ("201", 2, "ifc", 20), ("202", 2, "ifc", 16),
    ]  # fmt: skip
    assert report.counts.new == 2 + 4 + 4
    assert rows(connection, "SELECT label FROM city.storey ORDER BY no") == [("首层",), ("二层",)]
    assert rows(connection, "SELECT name, height, floors_above FROM city.building") == [
        ("示范楼", 5.8, 2)
    ]
    names = rows(connection, "SELECT name, kind, attrs ->> 'zone' FROM city.unit_space ORDER BY 1")
    assert names[:2] == [("1-1 客厅", "厅", "101"), ("1-2 卧室", "室", "102")]


def test_a_map_conversion_puts_millimetres_where_they_belong(
    load: Loader, connection: Connection
) -> None:
    drawing = two_flats(scale=0.001)
    drawing.converted(474373.0, 2546774.0, "EPSG:4547", turn=90.0)
    report = load(drawing)
    assert (report.crs, report.exit_code) == ("conversion", 0)
    [(west, south, ground)] = rows(
        connection,
        "SELECT ST_XMin(footprint), ST_YMin(footprint), ground_elev FROM city.building",
    )
    east, north = crs.from_4490(*(np.array([n]) for n in (west, south)), "EPSG:4547")
    # Turned by a quarter: what runs east in the model runs north on the map.
    assert (float(east[0]), float(north[0])) == pytest.approx((474369.0, 2546774.0), abs=0.05)
    assert ground == 7.5
    assert {row[3] for row in rows(connection, UNITS)} == {20, 16}


def test_a_model_stands_on_the_building_that_it_covers(
    load: Loader, connection: Connection
) -> None:
    building = footprint(connection, 12.0, floors=3)
    report = load(two_flats(), at=AT)
    assert any(f"building {building} 3栋" in en for en, _ in report.notes)
    assert any("3 storeys above ground, the model 2" in en for en, _ in report.notes)
    assert rows(connection, "SELECT count(*) FROM city.building") == [(1,)]
    storeys = rows(connection, "SELECT no, status FROM city.storey ORDER BY no")
    assert storeys == [(1, "given"), (2, "given"), (3, "generated")]
    assert len(rows(connection, UNITS)) > 4  # the third storey is still generated


def test_a_storey_that_was_given_is_the_models_whatever_it_is_called(
    load: Loader, connection: Connection
) -> None:
    building = footprint(connection, 12.0)
    connection.execute(
        text("""INSERT INTO city.storey (building_id, no, label, status)
                VALUES (:id, 1, '1F', 'given'), (:id, 2, '2F', 'given')"""),
        {"id": building},
    )
    load(two_flats(), at=AT)
    labels = "SELECT no, label FROM city.storey WHERE ended_at IS NULL ORDER BY no"
    assert rows(connection, labels) == [(1, "1F"), (2, "2F")]
    assert [unit[:2] for unit in rows(connection, UNITS)] == [
        ("101", 1), ("102", 1), ("201", 2), ("202", 2),
    ]  # fmt: skip


def test_a_building_that_it_hardly_touches_is_not_its_own(
    load: Loader, connection: Connection
) -> None:
    footprint(connection, 12.0, lon=113.7501)
    load(two_flats(), at=AT)
    assert rows(connection, "SELECT count(*) FROM city.building") == [(2,)]


def test_a_model_is_laid_on_a_building_by_its_outline(load: Loader, connection: Connection) -> None:
    building = footprint(connection, 9.0)
    report = load(two_flats(), building=building)
    assert report.crs == "building" and any("laid on" in en for en, _ in report.notes)
    share = """SELECT ST_Area(ST_Intersection(p.outline, b.footprint)) / ST_Area(p.outline)
               FROM city.floor_plan p JOIN city.building b ON b.id = p.building_id"""
    assert all(float(part) > 0.9 for (part,) in rows(connection, share))
    with pytest.raises(NotFound):
        load(two_flats(), building=10**9)


def test_a_model_loaded_again_without_a_place_stands_where_it_stood(
    load: Loader, connection: Connection
) -> None:
    drawing, outline = two_flats(), "SELECT ST_AsText(footprint, 6) FROM city.building"
    load(drawing, at="113.75,23.02,30")
    before = rows(connection, outline)
    again = load(drawing)
    assert any("--at 113.75,23.02,30" in en for en, _ in again.notes)
    assert rows(connection, outline) == before
    assert (again.counts.new, again.counts.changed, again.counts.missing) == (0, 0, 0)

    load(drawing, rotation=0.0)  # turned where it stands
    turned = load(drawing)
    assert any("--at 113.75,23.02,0" in en for en, _ in turned.notes)
    assert rows(connection, outline) != before
    load(drawing, at="113.75,23.02,30")
    assert rows(connection, outline) == before


def test_what_was_said_of_one_model_is_not_said_of_another(load: Loader) -> None:
    load(two_flats(), at=AT, source="office")
    with pytest.raises(MissingCrs):
        load(two_flats(), source="office")  # another building of the same office
    drawing = two_flats()
    load(drawing, at=AT, source="one")
    with pytest.raises(MissingCrs):
        load(drawing, source="another")


def test_a_model_laid_on_a_building_is_laid_on_it_again_until_that_has_ended(
    load: Loader, connection: Connection
) -> None:
    drawing, building = two_flats(), footprint(connection, 9.0)
    load(drawing, building=building)
    again = load(drawing)
    assert any(f"--building {building}" in en for en, _ in again.notes)
    assert (again.counts.new, again.counts.changed) == (0, 0)
    connection.execute(text("UPDATE city.building SET ended_at = now()"))
    with pytest.raises(MissingCrs):
        load(drawing)


def test_a_flat_of_the_register_gets_the_outline_of_the_model(
    load: Loader, connection: Connection
) -> None:
    load(two_flats(), at=AT)
    guid = "0" * 21 + "A"
    other = two_flats(guid=guid)
    connection.execute(text("UPDATE city.unit SET outline = NULL, z_top = NULL, "
                            "geom_status = 'none' WHERE room_no = '101'"))  # fmt: skip
    load(other, name="newer.ifc", at=AT)
    assert rows(connection, "SELECT count(*) FROM city.building") == [(1,)]
    units = rows(connection, UNITS)
    assert [unit[0] for unit in units] == ["101", "102", "201", "202"]
    assert units[0] == ("101", 1, "ifc", 20)


def test_a_newer_model_updates_by_identifier(load: Loader, connection: Connection) -> None:
    drawing = two_flats()
    load(drawing, at=AT)
    ids = dict(rows(connection, "SELECT ext_id, id FROM city.unit_space"))
    first, last = drawing.file.by_type("IfcSpace")[0], drawing.file.by_type("IfcSpace")[-1]
    first.LongName = "书房"
    for relation in drawing.file.by_type("IfcRelAggregates"):
        if last in relation.RelatedObjects:
            drawing.file.remove(relation)
    again = load(drawing, at=AT)
    # The room, and its unit, which has a study now; the room that went, and its unit.
    assert (again.counts.new, again.counts.changed, again.counts.missing) == (0, 2, 2)
    assert dict(rows(connection, "SELECT ext_id, id FROM city.unit_space")) == ids
    assert rows(connection, "SELECT name, kind FROM city.unit_space WHERE ext_id = :guid",
                guid=first.GlobalId) == [("1-1 书房", "室")]  # fmt: skip
    whole = load(drawing, at=AT, full=True)
    assert whole.counts.ended == 2
    assert [unit[0] for unit in rows(connection, UNITS)] == ["101", "102", "201"]


def test_a_model_that_moves_to_another_building_says_which_it_leaves(
    load: Loader, connection: Connection
) -> None:
    drawing = two_flats()
    load(drawing, at=AT)
    [(before,)] = rows(connection, "SELECT id FROM city.building")
    building = footprint(connection, 9.0, lon=113.76)
    report = load(drawing, building=building)
    assert any(f"building {before}, which this model made" in en for en, _ in report.notes)
    held = "SELECT DISTINCT building_id FROM city.unit WHERE geom_status = 'ifc'"
    assert rows(connection, held) == [(building,)]
    load(drawing, at="113.76,23.02,0")
    assert rows(connection, held) == [(building,)]


def test_a_building_of_a_file_without_storeys_stays_out_and_that_is_told(
    load: Loader, connection: Connection
) -> None:
    drawing = two_flats()
    drawing.join(drawing.site, [drawing.rooted("IfcBuilding", "shed")])
    report = load(drawing, at=AT)
    assert (
        "shed is a building without storeys, and stays out",
        "shed 没有楼层，未载入",
    ) in report.notes
    assert rows(connection, "SELECT name FROM city.building") == [("示范楼",)]


def test_a_room_without_a_solid_is_listed_and_told(load: Loader, connection: Connection) -> None:
    drawing = two_flats()
    drawing.room(drawing.file.by_type("IfcBuildingStorey")[0], "暗室", 0.0, None)
    report = load(drawing, at=AT)
    assert report.warnings["no_solid"] == 1
    assert any("暗室" in zh for _, zh in report.notes)
    sql = "SELECT outline IS NULL, volume FROM city.unit_space WHERE name = '暗室'"
    assert rows(connection, sql) == [(True, None)]


def test_rooms_that_overlap_are_told(load: Loader) -> None:
    drawing = two_flats()
    drawing.room(drawing.file.by_type("IfcBuildingStorey")[0], "9", 0.0, long_name="again")
    assert load(drawing, at=AT).warnings["overlapping_rooms"] == 1


def test_every_room_is_a_unit_where_that_is_asked(load: Loader, connection: Connection) -> None:
    load(two_flats(), at=AT, every_space=True)
    assert [unit[0] for unit in rows(connection, UNITS)] == ["1-1", "1-2", "2-1", "2-2"]


def test_storeys_that_lie_on_one_another_are_one(load: Loader, connection: Connection) -> None:
    drawing = two_flats()
    drawing.storey("T.O. Slab", 3.1)
    load(drawing, at=AT)
    assert rows(connection, "SELECT no FROM city.storey ORDER BY no") == [(1,), (2,)]


def test_a_model_that_takes_too_long_or_too_much_is_ended(tmp_path: Path) -> None:
    path = two_flats().write(tmp_path / "slow.ifc")
    with pytest.raises(CimError, match="takes longer than"):
        sandbox.read(path, seconds=0.05)
    with pytest.raises(CimError, match=r"more memory|broke off"):
        sandbox.read(path, megabytes=64)


def test_a_load_that_is_cancelled_ends_its_child(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    path = two_flats().write(tmp_path / "tower.ifc")

    def cancel(step: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.load(connection, settings, path, Request(at=AT), cancel)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.ifc", b"", "no IFC"),
        ("a.ifc", b"ISO-10303-21;", "breaks off"),
        ("a.ifcxml", b'<?xml version="1.0"?><ifcXML/>', "ifcXML"),
        ("a.ifc", b"ISO-10303-21;FILE_SCHEMA(('AP214'));END-ISO-10303-21;", "schema AP214"),
        ("a.ifc", b"ISO-10303-21;FILE_SCHEMA(('IFC4'));\xff\x00END-ISO-10303-21;", "damaged"),
        ("a.ifczip", b"PK\x03\x04 and nothing", "damaged"),
    ],
)
def test_what_is_no_model_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CimError, match=reason) as caught:
        sandbox.read(path)
    assert caught.value.zh != str(caught.value)


def test_a_model_without_storeys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CimError, match="no storeys"):
        sandbox.read(Drawing().write(tmp_path / "bare.ifc"))


def test_a_model_is_looked_at_before_it_is_loaded(tmp_path: Path) -> None:
    path = two_flats().write(tmp_path / "tower.ifc")
    lost = looking.look(path, Request())
    assert (lost.kind, lost.extent, lost.footprints) == ("model", None, None)
    assert "--at" in lost.notes[-1][1]
    assert [row[0] for row in lost.preview["rows"]] == ["首层", "二层"]
    placed = looking.look(path, Request(at=AT))
    assert placed.extent is not None
    west, south, east, north = placed.extent
    lon, lat = (float(part) for part in AT.split(",")[:2])
    assert west < lon < east and south < lat < north


def second(drawing: Drawing, name: str, east: float, storeys: int = 1) -> Any:
    """A further building in a drawing's file, so many metres east, with a room on each storey."""
    building = drawing.rooted("IfcBuilding", name, ObjectPlacement=drawing.place(0))
    drawing.join(drawing.site, [building])
    first, drawing.building = drawing.building, building
    outline = [(east, 0.0), (east + 6, 0.0), (east + 6, 5.0), (east, 5.0)]
    for number in range(1, storeys + 1):
        z = 3.0 * (number - 1)
        storey = drawing.storey(f"{number}F", z)
        drawing.room(storey, f"{name}-{number}", z, outline, long_name="客厅")
    drawing.building = first
    return building


BUILT = """SELECT b.name, b.floors_above, count(DISTINCT r.id) FROM city.building b
             JOIN city.unit_space r ON r.building_id = b.id
            WHERE b.ended_at IS NULL GROUP BY b.id, b.name, b.floors_above ORDER BY b.name"""


def test_each_building_of_a_file_is_one_of_the_city(load: Loader, connection: Connection) -> None:
    drawing = two_flats()
    drawing.converted(474_400.0, 2_546_800.0, "EPSG:4547")
    second(drawing, "副楼", 40.0)
    report = load(drawing)
    assert rows(connection, BUILT) == [("副楼", 1, 1), ("示范楼", 2, 4)]
    apart = """SELECT ST_Distance(a.footprint::geography, b.footprint::geography)
                 FROM city.building a, city.building b WHERE a.name < b.name"""
    assert rows(connection, apart)[0][0] == pytest.approx(40 - 9.2, abs=0.1)
    assert any(en.startswith("副楼: a new building was made") for en, _ in report.notes)
    before = rows(connection, "SELECT id, ext_id, updated_at FROM city.unit ORDER BY id")
    again = load(drawing).counts
    assert (again.new, again.changed, again.missing) == (0, 0, 0)
    assert rows(connection, "SELECT id, ext_id, updated_at FROM city.unit ORDER BY id") == before


def test_buildings_of_a_file_that_stay_out_are_named(load: Loader, connection: Connection) -> None:
    drawing = two_flats()
    second(drawing, "副楼", 40.0)
    second(drawing, "门房", 80.0, storeys=0)
    notes = [en for en, _ in load(drawing, at=AT).notes]
    assert any(en.startswith("副楼 is another building of the file, and stays out") for en in notes)
    assert "门房 is a building without storeys, and stays out" in notes
    assert rows(connection, BUILT) == [("示范楼", 2, 4)]


def test_a_part_of_a_building_is_no_building_of_its_own(
    load: Loader, connection: Connection
) -> None:
    drawing = two_flats()
    part = drawing.rooted("IfcBuilding", "裙楼", ObjectPlacement=drawing.place(0))
    drawing.join(drawing.building, [part])
    notes = [en for en, _ in load(drawing, at=AT).notes]
    assert rows(connection, BUILT) == [("示范楼", 2, 4)]
    assert not [en for en in notes if "裙楼" in en]
