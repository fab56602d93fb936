"""New York's address points, linked to its buildings by place alone."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cim.load.kinds import KINDS
from cim.load.pipeline import Request, load
from cim.settings import Settings

CITY = Path(__file__).resolve().parents[2].parent / "shared/data/buildings/newyork"

pytestmark = [
    pytest.mark.trial,
    pytest.mark.skipif(not CITY.exists(), reason="../shared/data is absent"),
]

FIELDS: dict[str, str | None] = {
    "ext_id": "id",
    "door_no": "addr_housenumber",
    "road": "addr_street",
}


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql))]


def test_address_points_of_new_york_are_linked_to_its_buildings(
    connection: Connection, settings: Settings
) -> None:
    load(connection, settings, KINDS["buildings"], CITY / "nyc_buildings_asis.parquet")
    points = CITY / "nyc_address_points_asis.parquet"
    report = load(connection, settings, KINDS["addresses"], points, Request(fields=FIELDS))
    assert (report.read, report.counts.new) == (119_118, 117_674)
    assert report.aside == {"duplicate": 1_444}
    links = """SELECT object_type, method, count(*) FROM city.address_link GROUP BY 1, 2"""
    assert rows(connection, links) == [("building", "place", 117_641)]
    assert report.warnings["unlinked"] == 33
    sure = "SELECT count(*) FROM city.address_link WHERE score = 90"
    assert rows(connection, sure) == [(113_392,)]
    assert 3_000 < report.warnings["unsure_place"] < 4_000
    far = """
        SELECT count(*) FILTER (WHERE d > 30), count(*) FILTER (WHERE l.score = 90 AND d > 0)
        FROM city.address_link l JOIN city.std_address a ON a.id = l.address_id
        JOIN city.building b ON b.id = l.object_id
        CROSS JOIN LATERAL (SELECT ST_Distance(a.geom::geography, b.footprint::geography) AS d) x"""
    assert rows(connection, far) == [(0, 0)]
    again = load(connection, settings, KINDS["addresses"], points, Request(fields=FIELDS))
    assert (again.counts.unchanged, again.counts.changed) == (117_674, 0)
    assert rows(connection, links) == [("building", "place", 117_641)]
