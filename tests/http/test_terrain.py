"""The terrain as it is served: what a client of CesiumJS's kind asks for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.cli import main
from cim.settings import Settings


@pytest.fixture
def terrain(
    engine: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A hill, loaded and tiled; the city without it afterwards."""
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    row, column = np.mgrid[0:80, 0:80]
    values = 60 - np.hypot(row - 40, column - 40)
    with rasterio.open(
        tmp_path / "hill.tif", "w", driver="GTiff", width=80, height=80, count=1, dtype="float32",
        crs="EPSG:4490", transform=Affine(1e-4, 0, 113.9, 0, -1e-4, 22.95),
    ) as file:  # fmt: skip
        file.write(values.astype("float32"), 1)
    with engine.begin() as connection:  # the known city has taken the first ids itself
        for table in ("platform.data_import", "city.source_system"):
            taken = f"pg_get_serial_sequence('{table}', 'id')"
            connection.execute(text(f"SELECT setval({taken}, max(id)) FROM {table}"))
    for words in (["load", "terrain", str(tmp_path / "hill.tif")],
                  ["tile", "build", "--tileset", "terrain"]):  # fmt: skip
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    yield
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.terrain"))
    (settings.tiles_dir / "terrain" / "current").unlink()


def test_a_city_without_terrain_offers_none(client: TestClient) -> None:
    assert client.get("/city").json()["terrain"] is None
    assert client.get("/terrain/layer.json").status_code == 404


def test_layer_json_says_what_there_is_and_every_tile_of_it_is_there(
    client: TestClient, terrain: None
) -> None:
    offered = client.get("/city").json()["terrain"]
    assert offered["url"] == "/terrain"
    layer = client.get("/terrain/layer.json")
    assert layer.headers["cache-control"] == "no-cache"
    said = layer.json()
    assert (said["format"], said["scheme"]) == ("quantized-mesh-1.0", "tms")
    assert said["version"] == offered["version"]
    assert said["maxzoom"] + 1 == len(said["available"])
    tiles = 0
    for z, ranges in enumerate(said["available"]):
        for one in ranges:
            for x in range(one["startX"], one["endX"] + 1):
                for y in range(one["startY"], one["endY"] + 1):
                    path = said["tiles"][0].format(z=z, x=x, y=y, version=said["version"])
                    found = client.get(f"/terrain/{path}")
                    assert found.status_code == 200, path
                    tiles += 1
    assert tiles > said["maxzoom"]
    assert found.headers["content-type"] == "application/vnd.quantized-mesh"
    assert found.headers["content-encoding"] == "gzip"
    assert "immutable" in found.headers["cache-control"]
    again = client.get(f"/terrain/{path}", headers={"If-None-Match": found.headers["etag"]})
    assert again.status_code == 304


def test_nothing_beside_the_terrain_is_reached(client: TestClient, terrain: None) -> None:
    for path in ("../buildings/current/tileset.json", "%2e%2e/x", ".version.json", "9/9", "0/0/9"):
        assert client.get(f"/terrain/{path}").status_code in (404, 422), path
    assert client.get("/terrain/layer.json", params={"v": "../x"}).status_code == 200
