"""`cim check` finds what was broken on purpose, and nothing in a city that is whole."""

from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, text

from cim import derive
from cim.commands.check import check, examine
from cim.commands.units import units
from cim.geometry.frame import areas
from cim.settings import Settings
from cim.store.queries.findings import LAST_RUN, found


def build(connection: Connection, settings: Settings) -> None:
    """Three buildings: a slab, a tower on a basement, a house."""
    boxes = (
        (shapely.box(120.0, 31.0, 120.0006, 31.00011), 6, 0, 18.0),
        (shapely.box(120.001, 31.0, 120.00125, 31.0002), 18, 2, 54.0),
        (shapely.box(120.002, 31.0, 120.0021, 31.0001), 3, 0, 9.5),
    )
    for shape, above, below, height in boxes:
        connection.execute(
            text(
                """INSERT INTO city.building (footprint, footprint_area, height, height_method,
                       floors_above, floors_below, floors_method, use_code)
                   VALUES (ST_SetSRID(ST_Multi(ST_GeomFromWKB(:shape)), 4490), :area, :height,
                       'given', :above, :below, 'given', 'residential')"""
            ),
            {
                "shape": shapely.to_wkb(shape),
                "area": float(areas(np.array([shape]))[0]),
                "height": height,
                "above": above,
                "below": below,
            },
        )
    derive.run(connection, settings)


def counts(result: dict[str, Any]) -> dict[str, int]:
    return {
        entry["name"]: entry["count"]
        for entry in result["invariants"] + result["findings"]
        if entry["count"]
    }


MISSING = {"no_estate": 3, "no_grid": 3, "no_address": 3}
"""True of the city above as it is."""


def test_a_city_that_was_just_derived_is_whole(connection: Connection, settings: Settings) -> None:
    build(connection, settings)
    result = examine(connection)
    assert result["whole"]
    assert counts(result) == MISSING
    units = next(entry for entry in result["collections"] if entry["name"] == "units")
    assert units["objects"] == units["placed"] > 0 and units["rate"] == 1


FAULTS = {
    "units_within_storey": """UPDATE city.floor_slot SET outline = ST_Translate(outline, 0, 0.0005)
        WHERE id = (SELECT min(id) FROM city.floor_slot WHERE outline IS NOT NULL)""",
    "units_apart": """UPDATE city.floor_slot s SET outline = o.outline FROM city.floor_slot o
        WHERE o.plan_id = s.plan_id AND o.no = 1 AND s.no = 2""",
    "unit_areas": "UPDATE city.floor_slot SET area = area * 2 WHERE no = 1 AND plan_id = 1",
    "storeys_stacked": """UPDATE city.storey SET elev_bottom = elev_bottom + 0.5
        WHERE no = 3 AND building_id = (SELECT min(id) FROM city.building)""",
    "basements_below": "UPDATE city.storey SET elev_top = elev_top + 1 WHERE no = -1",
    "derived_whole": "UPDATE city.storey SET plan_id = NULL WHERE no = 2",
    "units_on_storeys": "UPDATE city.storey SET ended_at = now() WHERE no = 2",
    "units_placed": """UPDATE city.unit SET slot_id = (SELECT max(id) FROM city.floor_slot)
        WHERE id = (SELECT min(id) FROM city.unit)""",
    "unit_counts": "UPDATE city.building_pop SET units = units + 1",
    "duplicate_addresses": """INSERT INTO city.std_address (level, full_text, norm_text)
        VALUES (9, '东路1号', '东路1号'), (9, '东路 1 号', '东路1号')""",
    "unlinked_addresses": """INSERT INTO city.std_address (level, full_text, norm_text)
        VALUES (9, '东路1号', '东路1号')""",
    "address_elsewhere": """WITH a AS (
            INSERT INTO city.std_address (level, full_text, norm_text, geom)
            SELECT 9, '东路1号', '东路1号', ST_SetSRID(ST_MakePoint(120.0, 31.001), 4490)
            RETURNING id)
        INSERT INTO city.address_link (address_id, object_type, object_id, method)
        SELECT a.id, 'building', (SELECT min(id) FROM city.building), 'ladder' FROM a""",
    "duplicate_buildings": """UPDATE city.building SET footprint =
            (SELECT ST_Translate(footprint, 0.00001, 0) FROM city.building ORDER BY id LIMIT 1)
        WHERE id = (SELECT max(id) FROM city.building)""",
    "height_assumed": """UPDATE city.building SET height_method = 'default',
        floors_method = 'default'""",
    "height_mismatch": "UPDATE city.building SET height = height * 2",
    "storey_height": "UPDATE city.building SET floors_above = 30",
    "storey_count": "UPDATE city.building SET floors_above = floors_above + 1",
    "not_derived": "DELETE FROM platform.derived",
    "no_outline": "UPDATE city.unit SET geom_status = 'none', slot_id = NULL",
    "overlapping_units": """UPDATE city.unit u SET outline = b.footprint FROM city.building b
        WHERE b.id = u.building_id""",
    "units_outside": """UPDATE city.unit u SET outline = ST_Translate(b.footprint, 0, 0.001)
         FROM city.building b WHERE b.id = u.building_id""",
    "unbound_devices": "INSERT INTO city.device (class_code, name) VALUES ('lift', '1号梯')",
}


def test_a_place_that_is_no_more_is_found(connection: Connection, settings: Settings) -> None:
    build(connection, settings)
    connection.execute(text("UPDATE city.unit SET slot_id = -1"))
    assert counts(examine(connection))["units_placed"] > 0


def test_what_nobody_touched_for_years_is_stale(connection: Connection, settings: Settings) -> None:
    build(connection, settings)
    connection.execute(text("UPDATE city.building SET updated_at = now() - interval '30 months'"))

    def stale(months: int) -> int:
        for table in ("measured_plan", "found"):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
        entries = examine(connection, months)["collections"]
        return next(entry["stale"] for entry in entries if entry["name"] == "buildings")

    assert (stale(24), stale(36)) == (3, 0)


def test_the_last_result_is_kept_and_replaced(connection: Connection, settings: Settings) -> None:
    build(connection, settings)
    for count in (3, 2):
        connection.execute(text("DROP TABLE IF EXISTS measured_plan"))
        examine(connection)
        row = connection.execute(LAST_RUN).one()
        entry = next(e for e in row.result["findings"] if e["name"] == "no_address")
        assert entry["count"] == count == len(connection.execute(found("no_address", 9, 0)).all())
        connection.execute(text("UPDATE city.building SET ended_at = now() WHERE id = :id"),
                           {"id": entry["examples"][0]})  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, connection: Connection, settings: Settings) -> None:
    build(connection, settings)
    broken = FAULTS[name].replace(
        "plan_id = 1", "plan_id = (SELECT min(plan_id) FROM city.floor_slot WHERE no > 1)"
    )
    assert connection.execute(text(broken)).rowcount > 0
    result = examine(connection)
    assert counts(result)[name] >= 1
    entry = next(e for e in result["invariants"] + result["findings"] if e["name"] == name)
    assert entry["examples"] and len(entry["examples"]) <= 5
    kept = connection.execute(found(name, 1000, 0)).all()
    assert [row.object_id for row in kept][:5] == entry["examples"]
    assert len(kept) == entry["count"]
    placed = {row.lon is not None for row in kept}
    assert placed == {name not in {"unlinked_addresses", "duplicate_addresses", "unbound_devices"}}
    assert result["whole"] == (name not in {e["name"] for e in result["invariants"]})


def test_the_commands_say_it_in_two_languages_and_by_their_exit_code(
    engine: Engine,
    settings: Settings,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", database_url)
    monkeypatch.setenv("CIM_DATA_DIR", str(tmp_path))
    with engine.begin() as connection:
        build(connection, settings)
        before = connection.execute(text("SELECT count(*) FROM city.unit")).scalar_one()
        first = connection.execute(text("SELECT min(id) FROM city.building")).scalar_one()
    run = CliRunner().invoke
    assert "0 buildings" in run(units, ["build"]).output
    dry = run(units, ["build", "--all", "--dry-run"])
    assert dry.exit_code == 0 and dry.output.startswith("would be made: 3 buildings")
    assert f"{before:,} units;" in dry.output
    assert f"{before:,} 套" in dry.output
    one = run(units, ["build", "--all", "--building", str(first)])
    assert one.exit_code == 0 and "1 buildings" in one.output
    file = tmp_path / "quality.json"
    good = run(check, ["--json", str(file)])
    assert good.exit_code == 0 and "所有不变量均成立" in good.output
    assert orjson.loads(file.read_bytes())["whole"] is True
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building_pop SET units = units + 1"))
    bad = run(check, [])
    assert bad.exit_code == 1 and "1 invariants are broken" in bad.output
