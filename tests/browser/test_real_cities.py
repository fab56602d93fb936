"""Real footprints from the file to a flat that is clicked: none lost, no tile at fault."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "buildings"

CITIES = [
    ("suzhou/example/data/bd_demo_2.json", (), 3_076),
    pytest.param(
        "beijing-taipei/examples/data/buildings.json",
        ("--crs", "gcj02"),
        5_442,
        marks=pytest.mark.trial,
    ),
    pytest.param(
        "newyork/nyc_buildings_asis.parquet",
        ("--map", "kind="),
        113_087,
        marks=pytest.mark.trial,
    ),
]

SEEN_WHOLE = 150
"""Metres; of a higher tower, seen as a whole, a storey is thinner than two pixels."""


@pytest.mark.parametrize(("file", "options", "buildings"), CITIES)
def test_a_flat_of_a_real_city_is_clicked(
    cim: Callable[..., str],
    walk: Callable[..., dict[str, Any]],
    engine: Engine,
    file: str,
    options: tuple[str, ...],
    buildings: int,
) -> None:
    path = DATA / file
    if not path.exists():
        pytest.skip(f"../shared/data is absent: {file}")
    source = path.stem
    cim("load", "buildings", str(path), "--source", source, *options)
    cim("tile", "build")
    assert " 0 faults" in cim("tile", "check")
    cim("check")
    with engine.connect() as connection:
        came, flats = connection.execute(
            text(
                "SELECT count(DISTINCT b.id), count(u.id) FROM city.building b"
                " JOIN city.source_system s ON s.id = b.source_id"
                " LEFT JOIN city.unit u ON u.building_id = b.id WHERE s.name = :source"
            ),
            {"source": source},
        ).one()
        tallest = connection.execute(
            text(
                "SELECT b.id FROM city.building b JOIN city.source_system s ON s.id = b.source_id"
                " WHERE s.name = :source AND b.height <= :seen ORDER BY b.height DESC, b.id LIMIT 1"
            ),
            {"source": source, "seen": SEEN_WHOLE},
        ).scalar_one()
    assert came == buildings
    assert flats > buildings
    seen = walk(tallest)
    assert seen["before"]["what"] == "building"
    assert seen["clicked"]["building"] == seen["before"]["building"]
    assert seen["address"] == seen["expected"]
    assert (seen["after"]["what"], seen["after"]["unit"]) == ("unit", seen["clicked"]["unit"])
    assert seen["outside"] == [] and seen["complaints"] == []
