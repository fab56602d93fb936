"""Polygons of 100,000 corners on every route that takes one: refused at once, or served in time."""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.accounts import add_key
from tests.problems import check_problem

MOST = 100_000
AT_ONCE = 1.0
"""Seconds of the processor, with those of the test's client; more than half of what the service
takes is to read 2.5 MB of JSON, and nothing of it hangs on what was drawn."""

IN_TIME = 2.0


def circle(corners: int) -> Any:
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.c_[113.9 + 0.05 * np.cos(turn), 22.9 + 0.05 * np.sin(turn)]


def star(corners: int) -> Any:
    """Every edge from one side to the other: each crosses nearly each."""
    return circle(corners)[np.arange(corners) * (corners // 2 - 4) % corners]


def fan(corners: int) -> Any:
    """No edge crosses another, and all lie side by side: to know that takes minutes."""
    half = corners // 2 - 2
    up = 22.9 + 0.1 * np.arange(half) / half
    teeth = np.empty((2 * half, 2))
    teeth[0::2], teeth[1::2] = (
        np.c_[np.full(half, 113.9), up],
        np.c_[np.full(half, 114.0), up + 0.1],
    )
    return np.r_[teeth, [[114.1, 23.2], [114.1, 22.5], [113.9, 22.5]]]


def far_side(corners: int) -> Any:
    ring = circle(corners)
    ring[:, 0] = np.where(ring[:, 0] > 113.9, 179.0, -179.0)
    return ring


def ring_of(place: Any) -> list[Any]:
    ring = place.round(7).tolist()
    return [*ring, ring[0]]


def body(*rings: Any) -> bytes:
    return json.dumps({"type": "Polygon", "coordinates": rings}).encode()


def spoilt(what: Any) -> list[Any]:
    """The last corner but one is none."""
    ring = ring_of(circle(MOST - 1))
    ring[-2] = what
    return ring


def nested() -> bytes:
    """Squares around squares, as polygons beside each other."""
    squares = [
        [[[113 - d, 22 - d], [115 + d, 22 - d], [115 + d, 24 + d], [113 - d, 24 + d],
          [113 - d, 22 - d]]]
        for d in np.arange(20_000) * 1e-6
    ]  # fmt: skip
    return json.dumps({"type": "MultiPolygon", "coordinates": squares}).encode()


def quickest(ask: Callable[[], Any]) -> tuple[Any, float]:
    """The answer, and the least time of the processor of three: others are at work here too."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        answer = ask()
        times.append(time.process_time() - begun)
    return answer, min(times)


BAD: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "too many corners": (lambda: body(ring_of(circle(MOST + 1))), 413, "100,000 corners"),
    "a word at the end": (lambda: body(spoilt(["x", 1])), 422, "coordinates"),
    "a truth at the end": (lambda: body(spoilt([True, 1])), 422, "coordinates"),
    "nothing at the end": (lambda: body(spoilt(None)), 422, "coordinates"),
    "off the globe at the end": (lambda: body(spoilt([113.9, 91])), 422, "outside"),
    "the antimeridian": (lambda: body(ring_of(far_side(MOST - 1))), 422, "antimeridian"),
    "two corners": (lambda: body([[113, 22], [114, 23]] * 49_000), 422, "three corners"),
}
INTRICATE: dict[str, Callable[[], bytes]] = {
    "a star": lambda: body(ring_of(star(MOST - 9))),
    "a fan": lambda: body(ring_of(fan(MOST - 4))),
    "squares around squares": nested,
}


@pytest.mark.parametrize("route", ["/within", "/counts"])
@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_large_one_is_told_at_once(
    client: TestClient, route: str, case: str
) -> None:
    make, status, part = BAD[case]
    content = make()
    answer, took = quickest(lambda: client.post(route, content=content))
    check_problem(answer, status, part)
    assert took < AT_ONCE


@pytest.mark.parametrize("case", INTRICATE)
def test_one_of_which_nobody_can_tell_in_time_whether_it_is_whole_is_refused(
    client: TestClient, case: str
) -> None:
    content = INTRICATE[case]()
    answer, took = quickest(lambda: client.post("/within", content=content))
    check_problem(answer, 422, "too intricate")
    assert took < AT_ONCE


@pytest.mark.parametrize("route", ["/within", "/counts"])
def test_one_that_is_right_is_served_in_time(client: TestClient, route: str) -> None:
    content = body(ring_of(circle(MOST - 1)))
    begun = time.monotonic()
    assert client.post(route, content=content).status_code == 200
    assert time.monotonic() - begun < IN_TIME


@pytest.mark.parametrize("case", INTRICATE)
def test_counts_of_an_intricate_one_are_served_in_time(client: TestClient, case: str) -> None:
    """It need not be whole there: what it goes around is counted."""
    content = INTRICATE[case]()
    begun = time.monotonic()
    assert client.post("/counts", content=content).status_code == 200
    assert time.monotonic() - begun < 2 * IN_TIME


@pytest.mark.parametrize("shape", [circle, star, fan, far_side])
def test_a_filter_holds_none_so_large(client: TestClient, shape: Callable[[int], Any]) -> None:
    """An address is too short for one; those that fit are answered or refused in time."""
    large = ",".join(f"{x:.5f} {y:.5f}" for x, y in ring_of(shape(2_000)))
    asked = {"filter": f"S_INTERSECTS(geometry,POLYGON(({large})))"}
    begun = time.process_time()
    answer = client.get("/ogc/collections/buildings/items", params=asked)
    assert answer.status_code == (400 if shape is star else 200)
    assert time.process_time() - begun < 2 * AT_ONCE


@pytest.mark.parametrize("shape", [star, fan])
def test_a_feature_of_so_many_corners_is_refused_at_once(
    client: TestClient, shape: Callable[[int], Any], keyed: dict[str, str]
) -> None:
    at = "/ogc/collections/estates/items"
    for corners, status in ((MOST, 413), (30_000, 422)):
        place = {"type": "Polygon", "coordinates": [ring_of(shape(corners))]}
        sent = json.dumps({"type": "Feature", "geometry": place, "properties": {"name": "远"}})
        begun = time.process_time()
        check_problem(client.post(at, content=sent, headers=keyed), status)
        assert time.process_time() - begun < 2 * AT_ONCE


@pytest.fixture(scope="module")
def keyed(client: TestClient, engine: Engine) -> dict[str, str]:
    """Whoever may change features."""
    add_key(engine, "drawing-office", "key-drawing", ["editor"])
    return {"Authorization": "Bearer key-drawing", "Content-Type": "application/geo+json"}
