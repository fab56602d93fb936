"""Outlines too small or too large to be a building's are set aside, with their area."""

from typing import Any

import shapely
from sqlalchemy import Connection, text


def test_outlines_of_nothing_and_of_whole_towns_are_set_aside(
    connection: Connection, bring: Any
) -> None:
    sides = {"nothing": 1e-8, "hall": 0.004, "town": 0.05}
    rows = [
        {"id": name, "层数": "3", "wkt": shapely.box(113.7, 23, 113.7 + side, 23 + side).wkt}
        for name, side in sides.items()
    ]
    report = bring("buildings", rows, crs="EPSG:4490")
    assert report.counts.new == 1
    assert report.aside == {"sliver": 1, "vast": 1}
    kept = connection.execute(
        text("SELECT ext_id, reason, value::float FROM platform.quarantine ORDER BY reason")
    ).all()
    assert [(row.ext_id, row.reason) for row in kept] == [("nothing", "sliver"), ("town", "vast")]
    assert 25e6 < kept[1].value < 30e6
