"""MapLibre GL draws the city's vector tiles in a real browser, by the address of the style alone.

The pictures are in screenshots/, to be looked at.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from sample_data.make import make

HERE = Path(__file__).parent
PICTURES = HERE.parents[1] / "screenshots"
ZOOMS = {"city": 12.2, "town": 14.4, "street": 16.6}


@pytest.fixture(scope="module")
def environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "CIM_DATABASE_URL": str(settings.database_url),
        "CIM_DATA_DIR": str(settings.data_dir),
    }


@pytest.fixture(scope="module")
def origin(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service on a sample city, as a user starts it."""
    folder = tmp_path_factory.mktemp("city")
    make(folder, 1600)
    for path in folder.iterdir():
        if path.stem not in ("areas", "grids", "estates", "streets", "buildings"):
            path.unlink()
    cim = [sys.executable, "-m", "cim"]
    load = [*cim, "load", "city", str(folder), "--quiet", "--no-units"]
    done = subprocess.run(load, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    server = subprocess.Popen(
        [*cim, "serve", "--demo", "--no-worker", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout
    line = server.stdout.readline()
    try:
        while line and not line.startswith("open http://"):
            line = server.stdout.readline()
        assert line, "the service did not start"
        yield line.removeprefix("open ").strip()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture(scope="module")
def house(origin: str, engine: Engine) -> tuple[int, float, float]:
    """A house of the middle of the city, and a place in it."""
    asked = """
        WITH middle AS (SELECT ST_Centroid(ST_Collect(ST_Centroid(footprint))) AS m
                        FROM city.building)
        SELECT id, ST_X(p), ST_Y(p) FROM city.building, middle,
               LATERAL (SELECT ST_PointOnSurface(footprint) AS p) t
        WHERE use_code = 'residential' ORDER BY ST_Distance(p, m) LIMIT 1"""
    with engine.connect() as connection:
        row = connection.execute(text(asked)).one()
    return int(row[0]), float(row[1]), float(row[2])


def shown(origin: str, house: tuple[int, float, float], language: str = "zh") -> dict[str, Any]:
    node = shutil.which("node")
    assert node, "node is not on PATH: run the tests by `make test`, or `scripts/node pytest`"
    assert (HERE / "node_modules").is_dir(), "the clients are not installed: make .setup/clients"
    places = json.dumps({name: [*house[1:], zoom] for name, zoom in ZOOMS.items()})
    style = f"/ogc/styles/city?lang={language}"
    done = subprocess.run(
        [node, str(HERE / "maplibre.mjs"), origin, style, str(PICTURES), places],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def seen(origin: str, house: tuple[int, float, float]) -> dict[str, Any]:
    return shown(origin, house)


def test_the_style_draws_without_a_complaint_and_asks_nobody_else(seen: dict[str, Any]) -> None:
    assert seen["said"] == []
    assert all(place["faults"] == [] for place in seen["found"].values())
    assert "/ogc/styles/city" in seen["asked"] and "/ogc/tiles/WebMercatorQuad" in seen["asked"]


def test_from_afar_density_is_drawn_and_near_by_every_house(
    seen: dict[str, Any], engine: Engine
) -> None:
    found = {name: place["drawn"] for name, place in seen["found"].items()}
    densities = [cell["density"] for cell in found["city"]["density"].values()]
    assert densities and all(0 < density < 1 for density in densities)
    assert "density" not in found["town"] and "density" not in found["street"]
    assert len(found["city"].get("houses", {})) < len(found["town"]["houses"])
    with engine.connect() as connection:
        every = set(connection.scalars(text("SELECT id FROM city.building")))
    assert {int(id) for id in found["street"]["houses"]} < every
    assert {"streets", "estates", "areas", "street-names"} <= set(found["street"])


def test_the_house_at_a_place_is_drawn_there(
    seen: dict[str, Any], house: tuple[int, float, float]
) -> None:
    for name in ("town", "street"):
        middle = seen["found"][name]["middle"]
        assert middle["id"] == house[0] and middle["use"] == "residential"


def test_a_change_is_drawn_at_every_zoom(
    origin: str, seen: dict[str, Any], house: tuple[int, float, float], engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE city.building SET use_code = 'public' WHERE id = :id"), {"id": house[0]}
        )
    again = shown(origin, house, "en")
    assert again["said"] == []
    for name in ("town", "street"):
        assert again["found"][name]["middle"]["use"] == "public"
