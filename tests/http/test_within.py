"""What lies within a polygon: as shapely says, page by page, and whatever is drawn."""

import json
import time
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from api.schemas.within import Within
from tests.problems import check_problem

WEST, SOUTH = 113.88, 22.92
SIDE = 12


@pytest.fixture(scope="module")
def field(city: Any, engine: Engine) -> dict[int, shapely.Geometry]:
    """A field of houses some metres wide, each turned otherwise, beside the tower."""
    houses = {}
    with engine.begin() as connection:
        for n in range(SIDE * SIDE):
            east, north = 0.001 + (n % SIDE) * 0.0003, 0.001 + (n // SIDE) * 0.0003
            around = shapely.box(-0.0001, -0.00006, 0.0001, 0.00006)
            turned = shapely.affinity.rotate(around, 7 * n)
            here = shapely.affinity.translate(turned, WEST + east, SOUTH + north)
            houses[1000 + n] = here
            connection.execute(
                text(
                    "INSERT INTO city.building (id, footprint, footprint_area, height, "
                    "height_method, floors_above, floors_method) VALUES (:id, ST_Multi("
                    "ST_GeomFromText(:shape, 4490)), 1, 3, 'default', 1, 'default')"
                ),
                {"id": 1000 + n, "shape": shapely.to_wkt(here, rounding_precision=-1)},
            )
    return houses


def ask(client: TestClient, drawn: Any, query: str = "") -> Any:
    body = drawn if isinstance(drawn, bytes) else shapely.to_geojson(drawn).encode()
    response = client.post(f"/within?{query}", content=body)
    if response.status_code == 200:
        Within.model_validate_json(response.text)
    return response


def ids(response: Any, kind: str = "buildings") -> list[int]:
    assert response.status_code == 200, response.text
    return [feature["id"] for feature in response.json()["kinds"][kind]["features"]]


@examples(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    corners=st.lists(st.tuples(st.floats(0, 0.006), st.floats(0, 0.006)), min_size=3, max_size=8),
    hole=st.booleans(),
)
def test_what_lies_within_is_what_shapely_says(
    field: dict[int, shapely.Geometry],
    client: TestClient,
    corners: list[tuple[float, float]],
    hole: bool,
) -> None:
    points = [(WEST + east, SOUTH + north) for east, north in corners]
    drawn = shapely.convex_hull(shapely.MultiPoint(points))
    if drawn.geom_type != "Polygon" or drawn.area < 1e-9:
        return
    if hole:
        drawn = drawn.difference(drawn.centroid.buffer(0.0004))
        if drawn.geom_type != "Polygon":
            return
    for relation, holds in (("within", shapely.covers), ("meets", shapely.intersects)):
        # A house that touches the edge may fall on either side of it, by the last bit.
        least = {key for key, here in field.items() if holds(drawn.buffer(-1e-9), here)}
        most = {key for key, here in field.items() if holds(drawn.buffer(1e-9), here)}
        found = set(ids(ask(client, drawn, f"relation={relation}&limit=10000"))) & set(field)
        assert least <= found <= most


def test_pages_go_on_behind_the_last_id(field: Any, client: TestClient) -> None:
    drawn = shapely.box(WEST, SOUTH, WEST + 0.01, SOUTH + 0.01)
    whole = ids(ask(client, drawn))
    assert len(whole) > SIDE * SIDE and whole == sorted(whole)
    seen: list[int] = []
    after = 0
    while after is not None:
        answer = ask(client, drawn, f"limit=50&after={after}")
        seen += ids(answer)
        after = answer.json()["kinds"]["buildings"]["next"]
    assert seen == whole


def test_each_kind_is_answered_by_itself(field: Any, client: TestClient) -> None:
    drawn = shapely.box(WEST - 0.0001, SOUTH - 0.0001, WEST + 0.0005, SOUTH + 0.0003)
    kinds = "buildings,units,entrances,facilities,organisations,devices"
    answer = ask(client, drawn, f"kinds={kinds}&geometry=true")
    assert ids(answer) == [1]
    assert ids(answer, "units") == [no * 100 + slot for no in (1, 2, 3) for slot in (1, 2, 3, 4)]
    assert ids(answer, "facilities") == [1] and ids(answer, "organisations") == [1]
    assert 3 not in ids(answer, "devices")  # which is secret
    (one,) = answer.json()["kinds"]["buildings"]["features"]
    assert one["geometry"]["type"] == "MultiPolygon" and one["properties"]["name"] == "3栋"
    without = ask(client, drawn).json()["kinds"]["buildings"]["features"][0]
    assert without["geometry"] is None and without["properties"] == one["properties"]


def test_a_small_polygon_that_crosses_itself_is_mended_and_says_so(
    field: Any, client: TestClient
) -> None:
    bow = shapely.Polygon([(WEST, SOUTH), (WEST + 0.01, SOUTH + 0.01), (WEST + 0.01, SOUTH),
                           (WEST, SOUTH + 0.01)])  # fmt: skip
    answer = ask(client, bow, "relation=meets")
    assert answer.json()["mended"] is True and ids(answer)
    assert ask(client, shapely.box(WEST, SOUTH, WEST + 1, SOUTH + 1)).json()["mended"] is False


def star(corners: int) -> list[list[float]]:
    """A ring that crosses itself as often as can be."""
    chance = np.random.default_rng(7)
    ring = (chance.random((corners, 2)) * 0.01 + (WEST, SOUTH)).tolist()
    return [*ring, ring[0]]


def circle(corners: int) -> list[list[float]]:
    turn = np.linspace(0, 2 * np.pi, corners)
    around = np.c_[113.9 + 0.05 * np.cos(turn), 22.9 + 0.05 * np.sin(turn)]
    ring: list[list[float]] = around.round(7).tolist()
    return [*ring[:-1], ring[0]]


def polygon(*rings: Any) -> bytes:
    return json.dumps({"type": "Polygon", "coordinates": rings}).encode()


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"", 422, "not valid JSON"),
        (b"{", 422, "not valid JSON"),
        (b"\xff\xfe", 422, "not valid JSON"),
        (b"[" * 100_000, 422, ""),
        (b'{"type": "Point", "coordinates": [1, 2]}', 422, "Polygon"),
        (b'{"type": "Polygon", "coordinates": 7}', 422, "coordinates"),
        (polygon(), 422, "ring"),
        (polygon([[1, 1], [2, 2]]), 422, "three corners"),
        (polygon([[1, 1], [2, 2], [3, 3], [1, 1]]), 422, "area"),
        (polygon([[1, 1], [1, None], [3, 3], [1, 1]]), 422, "coordinates"),
        (polygon([["\ud800", 1], [2, 2], [3, 1], [1, 1]]), 422, ""),
        (b'{"type":"Polygon","coordinates":[[[1e999,1],[2,2],[3,1],[1,1]]]}', 422, ""),
        (polygon([[1, 1], [200, 2], [3, 3], [1, 1]]), 422, "outside"),
        (polygon([[170, 1], [-170, 1], [-170, 2], [170, 2], [170, 1]]), 422, "antimeridian"),
        (polygon(star(3_000)), 422, "crosses or touches itself"),
        (polygon(star(20_000)), 422, "too intricate"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(
    client: TestClient, body: bytes, status: int, part: str
) -> None:
    begun = time.process_time()
    response = client.post("/within", content=body)
    check_problem(response, status, part)
    assert time.process_time() - begun < 0.3


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("kinds=people", "kinds may hold"),
        ("kinds=", "at least one kind"),
        ("kinds=%00", "kinds may hold"),
        ("kinds=" + "units," * 100, "kinds must have at most 300"),
        ("limit=0", "limit must be at least 1"),
        ("limit=10001", "limit must be at most 10000"),
        ("after=-1", "after must be at least 0"),
        ("after=x", "after must be a whole number"),
        ("after=1&kinds=units,buildings", "one kind alone"),
        ("relation=beside", "relation must be one of"),
        ("geometry=perhaps", "geometry"),
    ],
)
def test_a_malformed_parameter_is_named(client: TestClient, query: str, part: str) -> None:
    check_problem(client.post(f"/within?{query}", content=polygon(circle(9))), 422, part)


def test_a_polygon_of_many_corners_is_answered(field: Any, client: TestClient) -> None:
    assert set(field) <= set(ids(ask(client, polygon(circle(100_000)))))
    check_problem(client.post("/within", content=polygon(circle(100_002))), 413, "100,000 corners")
    check_problem(client.post("/within", content=b"[" * 5_000_000), 413, "4,000,000 bytes")
