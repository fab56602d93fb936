"""A floor model through the service: sent, placed, loaded, asked for, and sent again."""

from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bim"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)


def test_a_model_comes_in_over_http_and_stands_where_it_was_put(service: Any, city: Any) -> None:
    group = service.hand_in("双拼 duplex.ifc", (DATA / "duplex.ifc").read_bytes())
    order = {"kind": "model", "source": "designer"}
    place = [113.7503, 23.02, 15.0]
    tried = service.finish(service.ask(group, at=place, dry_run=True, **order))
    assert (tried["state"], tried["report"]["new"]) == ("done", 27), tried
    loaded = service.finish(service.ask(group, at=place, **order))
    assert (loaded["state"], loaded["report"]["new"]) == ("done", 27), loaded
    assert city.buildings("designer") == 1

    found = service.http.get("/features/buildings?bbox=113.74,23.01,113.76,23.03").json()
    [building] = found["features"]
    grid = service.http.get(f"/buildings/{building['id']}/floor-grid").json()
    rooms = {s["label"]: [unit["room_no"] for unit in s["units"]] for s in grid["storeys"]}
    assert rooms == {"Roof": [], "Level 2": ["A", "B"], "Level 1": ["A", "B"], "T/FDN": []}

    again = service.finish(service.ask(group, **order))
    assert (again["report"]["new"], again["report"]["changed"]) == (0, 0), again
    assert any("--at 113.7503,23.02,15" in note["en"] for note in again["report"]["notes"])

    turned = service.finish(service.ask(group, rotation=90, **order))
    assert (turned["state"], turned["report"]["new"]) == ("done", 0), turned
    [moved] = service.http.get("/features/buildings?bbox=113.74,23.01,113.76,23.03").json()[
        "features"
    ]
    assert moved["id"] == building["id"] and moved["geometry"] != building["geometry"]
