"""Real floor models, read in place: storeys, flats and rooms where they should be, volumes kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ifcopenshell
import ifcopenshell.util.element as elements
import pytest
from sqlalchemy import Connection, text

from cim import derive
from cim.commands.check import examine
from cim.errors import CimError, MissingCrs
from cim.load import models
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bim"
DUPLEX, HOUSE = DATA / "duplex.ifc", DATA / "AC20-FZK-Haus.ifc"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)

Loader = Callable[..., Report]


@pytest.fixture
def load(connection: Connection, settings: Settings) -> Loader:
    def run(path: Path, **ask: Any) -> Report:
        report = models.load(connection, settings, path, Request(**ask))
        derive.run(connection, settings)
        return report

    return run


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql))]


STOREYS = "SELECT no, label, kind FROM city.storey WHERE ended_at IS NULL ORDER BY building_id, no"
UNITS = """
    SELECT u.room_no, u.kind, u.geom_status, count(r.id)
    FROM city.unit u LEFT JOIN city.unit_space r ON r.unit_id = u.id
    WHERE u.ended_at IS NULL GROUP BY u.id ORDER BY u.room_no"""

PRISMS = """
    SELECT u.room_no, sum(ST_Area(p.outline::geography) * (p.z_top - p.z_bottom)),
           (SELECT sum(volume) FROM city.unit_space r WHERE r.unit_id = u.id)
    FROM city.unit u CROSS JOIN LATERAL (
        SELECT u.outline, u.z_bottom, u.z_top UNION ALL
        SELECT outline, z_bottom, z_top FROM city.unit_storey s WHERE s.unit_id = u.id) p
    GROUP BY u.id ORDER BY u.room_no"""


def test_the_duplex_stands_with_its_two_flats_on_four_storeys(
    load: Loader, connection: Connection
) -> None:
    report = load(DUPLEX, at="113.75,23.02,15")
    assert (report.counts.new, report.exit_code) == (4 + 2 + 21, 0)
    assert rows(connection, STOREYS) == [
        (-1, "T/FDN", "基础"), (1, "Level 1", "标准"), (2, "Level 2", "标准"), (3, "Roof", "屋面"),
    ]  # fmt: skip
    assert rows(connection, UNITS) == [
        ("A", "residential", "ifc", 10), ("B", "residential", "ifc", 10),
    ]  # fmt: skip
    rooms = "SELECT name FROM city.unit_space WHERE unit_id IS NULL"
    assert rows(connection, rooms) == [("R301 Roof",)]
    assert [n for (n,) in rows(connection, "SELECT share FROM city.unit_storey")] == [
        pytest.approx(0.476, abs=1e-3)
    ] * 2


def test_the_house_stands_where_its_site_says(load: Loader, connection: Connection) -> None:
    report = load(HOUSE)
    assert (report.counts.new, report.crs) == (2 + 1 + 7, "site")
    assert any("site's latitude" in en for en, _ in report.notes)
    assert rows(connection, STOREYS) == [(1, "Erdgeschoss", "标准"), (2, "Dachgeschoss", "标准")]
    assert rows(connection, UNITS) == [("1", "residential", "ifc", 7)]
    [(lon, lat, ground, area)] = rows(
        connection,
        "SELECT ST_X(c), ST_Y(c), ground_elev, footprint_area"
        " FROM (SELECT ST_Centroid(footprint) c, * FROM city.building) b",
    )
    assert (lon, lat) == pytest.approx((8.4365, 49.1005), abs=2e-4)
    assert (ground, area) == (110.0, pytest.approx(120, abs=0.1))


@pytest.mark.parametrize("every_space", [False, True])
@pytest.mark.parametrize(("path", "ask"), [(DUPLEX, {"at": "113.75,23.02,15"}), (HOUSE, {})])
def test_units_hold_what_the_solids_hold_within_a_hundredth(
    load: Loader, connection: Connection, path: Path, ask: dict[str, Any], every_space: bool
) -> None:
    load(path, every_space=every_space, **ask)
    found = rows(connection, PRISMS)
    assert len(found) == {(DUPLEX, False): 2, (DUPLEX, True): 20, (HOUSE, False): 1,
                          (HOUSE, True): 7}[path, every_space]  # fmt: skip
    for room_no, prism, solid in found:
        assert prism == pytest.approx(solid, rel=0.01), room_no


def said_by(program: str, volume: str, path: Path) -> dict[str, float]:
    """The volumes that the program wrote into the file, by GlobalId."""
    file = ifcopenshell.open(str(path))
    spaces = file.by_type("IfcSpace")
    return {s.GlobalId: float(elements.get_psets(s)[program][volume]) for s in spaces}


@pytest.mark.parametrize(
    ("path", "program", "volume"),
    [(DUPLEX, "PSet_Revit_Dimensions", "Volume"), (HOUSE, "BaseQuantities", "NetVolume")],
)
def test_the_volume_of_every_room_is_the_one_its_designer_measured(
    load: Loader, connection: Connection, path: Path, program: str, volume: str
) -> None:
    load(path, at="113.75,23.02,0")
    wanted = said_by(program, volume, path)
    found = dict(rows(connection, "SELECT ext_id, volume FROM city.unit_space"))
    assert found == pytest.approx(wanted, rel=1e-4)


def test_only_rooms_under_stairs_differ_from_their_prisms(load: Loader) -> None:
    report = load(DUPLEX, at="113.75,23.02,15")
    assert report.warnings == {"uneven_room": 4}
    note = next(en for en, _ in report.notes if "no prisms" in en)
    assert all(room in note for room in ("A105", "B105", "A201", "B201"))


def test_loading_a_model_again_changes_nothing_wherever_it_was_put(
    load: Loader, connection: Connection
) -> None:
    load(DUPLEX, at="113.75,23.02,15")
    again = load(DUPLEX, at="113.75,23.02,15").counts
    assert (again.new, again.changed, again.unchanged, again.missing) == (0, 0, 27, 0)
    before = rows(connection, UNITS), rows(connection, STOREYS), rows(connection, PRISMS)
    moved = load(DUPLEX, at="113.76,23.03,15").counts
    assert (moved.new, moved.missing) == (0, 0) and moved.changed >= 23
    assert rows(connection, "SELECT count(*) FROM city.building") == [(1,)]
    assert (rows(connection, UNITS), rows(connection, STOREYS)) == before[:2]
    assert [row[1] for row in rows(connection, PRISMS)] == pytest.approx(
        [row[1] for row in before[2]], rel=1e-4
    )


def test_deriving_again_leaves_a_model_as_it_was_given(
    load: Loader, connection: Connection, settings: Settings
) -> None:
    load(DUPLEX, at="113.75,23.02,15")
    kept = "SELECT id, plan_id, elev_bottom, elev_top FROM city.storey ORDER BY id", UNITS, PRISMS
    before = [rows(connection, sql) for sql in kept]
    derive.run(connection, settings, force=True)
    assert [rows(connection, sql) for sql in kept] == before


def test_models_break_no_invariant_and_leave_nothing_to_be_wished_for(
    load: Loader, connection: Connection
) -> None:
    load(DUPLEX, at="113.75,23.02,15")
    load(HOUSE, at="113.751,23.02,0")
    result = examine(connection)
    assert result["whole"]
    found = {entry["name"] for entry in result["findings"] if entry["count"]}
    assert found == {"no_estate", "no_grid", "no_address"}


@pytest.mark.parametrize(
    ("name", "storeys", "units", "rooms"),
    [
        ("Ifc4_SampleHouse.ifc", 2, 1, 4),
        ("IfcOpenHouse_IFC2x3.ifc", 1, 0, 0),
        ("IfcOpenHouse_IFC4.ifc", 1, 0, 0),
        ("bim-whale/TallBuilding/IFC/TallBuilding.ifc", 5, 3, 3),
        ("bim-whale/LargeBuilding/IFC/LargeBuilding.ifc", 2, 8, 8),
        ("bim-whale/ManySimpleWalls/IFC/ManySimpleWalls.ifc", 1, 0, 0),
    ],
)
def test_the_other_models_come_in_too(
    load: Loader, connection: Connection, name: str, storeys: int, units: int, rooms: int
) -> None:
    report = load(DATA / name, at="113.75,23.02,0")
    assert report.counts.new == storeys + units + rooms
    drawn = "SELECT count(*) FROM city.unit WHERE ended_at IS NULL AND geom_status <> 'none'"
    [(clickable,)] = connection.execute(text(drawn)).all()
    assert clickable >= max(units, 1)  # a model without rooms has one generated unit a storey


def test_a_wall_is_no_building(load: Loader) -> None:
    with pytest.raises(CimError, match="covers any ground"):
        load(DATA / "bim-whale/SimpleWall/IFC/SimpleWall.ifc", at="113.75,23.02,0")


def test_a_model_without_a_place_is_refused(load: Loader) -> None:
    with pytest.raises(MissingCrs, match="--at"):
        load(DATA / "IfcOpenHouse_IFC4.ifc")


def test_a_model_cut_off_is_refused(load: Loader, tmp_path: Path) -> None:
    path = tmp_path / "half.ifc"
    path.write_bytes(DUPLEX.read_bytes()[:1_200_000])
    with pytest.raises(CimError, match="breaks off"):
        load(path, at="113.75,23.02,0")
