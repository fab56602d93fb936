"""Clients that are not ours open our tilesets as they are, and find the city's ids in them."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from sqlalchemy import Engine, text

from cim import derive
from cim.settings import Settings
from tests.squares import DEPTH, WIDTH, corners, insert
from tiling.city.layers import LAYERS
from tiling.disk.folder import want_explicit
from tiling.run.build import build

HERE = Path(__file__).parent
SIDE = 40
TREES = ["current/tileset.json", "current/explicit/tileset.json"]
BUILDINGS = {"buildings": "building", "units": "building"}
"""Which feature ids of a tileset are those of buildings."""


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    insert(engine, SIDE)
    with engine.begin() as connection:
        derive.run(connection, settings)
        some = "WHERE id % 3 = 0"
        connection.execute(text(f"UPDATE city.building SET height_method = 'floors' {some}"))
        connection.execute(text(f"UPDATE city.unit SET geom_status = 'surveyed' {some}"))
    for name, layer in LAYERS.items():
        want_explicit(settings.tiles_dir / name, wanted=True)
        build(settings, engine, layer)
    return settings


@pytest.fixture(scope="module")
def origin(city: Settings) -> Iterator[str]:
    """A server of files, as any is: pages and packages of the clients, and the tiles."""

    class Files(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            path = urlsplit(path).path
            if path.startswith("/tiles/"):
                return str(city.tiles_dir / path.removeprefix("/tiles/"))
            return str(HERE / path.lstrip("/"))

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def places(city: Settings, engine: Engine) -> dict[int, list[float]]:
    """The middle of each building, by its id in the database."""
    middle = "ST_Centroid(footprint)"
    asked = f"SELECT id, ST_X({middle}), ST_Y({middle}) FROM city.building ORDER BY id"
    with engine.connect() as connection:
        return {id: [x, y] for id, x, y in connection.execute(text(asked))}


def run(script: str, *words: str) -> Any:
    node = shutil.which("node")
    assert node, "node is not on PATH: run the tests by `make test`, or `scripts/node pytest`"
    assert (HERE / "node_modules").is_dir(), "the clients are not installed: make .setup/clients"
    done = subprocess.run(
        [node, str(HERE / script), *words], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("tree", TREES, ids=["implicit", "explicit"])
@pytest.mark.parametrize("name", BUILDINGS)
@pytest.mark.parametrize("client", ["renderer", "itowns"])
def test_three_js_finds_the_building_that_stands_at_a_place(
    origin: str, places: dict[int, list[float]], client: str, name: str, tree: str
) -> None:
    wanted = list(places)[:: len(places) // 50]
    asked = json.dumps([places[id] for id in wanted])
    found = run("look.mjs", origin, client, f"{origin}/tiles/{name}/{tree}", asked)
    assert found["faults"] == [] and found["said"] == []
    assert found["models"] > 1
    assert [ids["building"] for ids in found["ids"]] == wanted
    if name == "units":
        assert all(ids.keys() == {"building", "storey", "unit"} for ids in found["ids"])


@pytest.mark.parametrize("tree", TREES, ids=["implicit", "explicit"])
def test_loaders_gl_finds_every_building_where_it_stands(
    origin: str, places: dict[int, list[float]], tree: str
) -> None:
    report = run("loaders.mjs", f"{origin}/tiles/buildings/{tree}", "0")
    assert report["tiles"] > 1
    found = {feature["id"]: feature["box"] for feature in report["found"]}
    assert found.keys() == places.keys() and len(report["found"]) == len(places)
    boxes = np.array([found[id] for id in places])
    west, south = corners(SIDE)
    true = np.column_stack([west, south, west + WIDTH, south + DEPTH])
    assert np.abs(boxes - true).max() < 3e-7  # 3 cm


@pytest.mark.parametrize("tree", TREES, ids=["implicit", "explicit"])
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("buildings", "SELECT id, use_code, height_method <> 'given' FROM city.building"),
        ("units", "SELECT id, kind, geom_status = 'generated' FROM city.unit"),
    ],
)
def test_loaders_gl_reads_the_properties_the_database_has(
    origin: str, engine: Engine, name: str, asked: str, tree: str
) -> None:
    found = run("loaders.mjs", f"{origin}/tiles/{name}/{tree}", "0")["found"]
    code = "use" if name == "buildings" else "kind"
    with engine.connect() as connection:
        true = {id: (use, int(made)) for id, use, made in connection.execute(text(asked))}
    assert {one["id"]: (one[code], one["generated"]) for one in found} == true
    assert {made for _, made in true.values()} == {0, 1}
