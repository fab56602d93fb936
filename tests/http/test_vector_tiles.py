"""Vector tiles as a client finds them: described, drawn, kept, true after a change, refused."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from fastapi.testclient import TestClient
from pyproj import Transformer
from sqlalchemy import Engine, event, text

from cim.store.queries.vector.drawing import DRAWINGS, LARGEST, USUAL
from cim.store.queries.vector.matrices import GEOGRAPHIC, MATRIX_SETS, WEB, MatrixSet
from tests.accounts import add_key

TOWER = (113.8802, 22.9201)
SETS = list(MATRIX_SETS)


def at(matrices: MatrixSet, zoom: int, place: tuple[float, float] = TOWER) -> tuple[int, int, int]:
    """Level, row and column of the tile of a place."""
    z = matrices.level(zoom)
    columns, rows = matrices.tiles(z, (*place, *place))
    return z, rows[0], columns[0]


def url(name: str | None, zoom: int, matrices: MatrixSet = WEB, place: Any = TOWER) -> str:
    above = f"/ogc/collections/{name}/tiles" if name else "/ogc/tiles"
    return f"{above}/{matrices.name}/" + "/".join(map(str, at(matrices, zoom, place)))


class Opened:
    """Tiles of the service as GDAL reads them."""

    def __init__(self, client: TestClient, folder: Path) -> None:
        self.client, self.folder = client, folder

    def __call__(self, address: str, **headers: str) -> dict[str, list[dict[str, Any]]]:
        """Features by layer; their geometries are in steps of the tile from its south-west corner."""
        answer = self.client.get(address, headers=headers)
        if answer.status_code == 204:
            return {}
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        path = self.folder / "tile.mvt"
        path.write_bytes(answer.content)
        found = {}
        for layer in pyogrio.list_layers(f"MVT:{path}")[:, 0]:
            meta, table = pyogrio.read_arrow(f"MVT:{path}", layer=layer, CLIP="NO")
            rows = table.to_pylist()
            for row in rows:
                row["shape"] = shapely.from_wkb(row.pop(meta["geometry_name"] or "wkb_geometry"))
            found[str(layer)] = rows
        return found


@pytest.fixture
def opened(client: TestClient, tmp_path: Path) -> Opened:
    return Opened(client, tmp_path)


@pytest.fixture
def statements(client: TestClient) -> Iterator[list[str]]:
    """What the service asks of the database for tiles, while the test runs."""
    asked: list[str] = []

    def seen(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "ST_AsMVT(" in statement:
            asked.append(statement)

    engine = client.app.state.store.engine.sync_engine  # type: ignore[attr-defined]  # the app's own
    event.listen(engine, "before_cursor_execute", seen)
    yield asked
    event.remove(engine, "before_cursor_execute", seen)


def test_every_collection_has_tilesets_of_every_matrix_set(client: TestClient) -> None:
    for name in DRAWINGS:
        above = client.get(f"/ogc/collections/{name}").json()["links"]
        [listed] = [each["href"] for each in above if each["rel"].endswith("/tilesets-vector")]
        found = client.get(listed).json()["tilesets"]
        assert [each["title"].rpartition(" ")[2] for each in found] == SETS
        for each, matrices in zip(found, MATRIX_SETS.values(), strict=True):
            [self] = [link["href"] for link in each["links"] if link["rel"] == "self"]
            tileset = client.get(self).json()
            assert tileset["crs"] == each["crs"] == matrices.crs
            assert tileset["dataType"] == "vector"
            [scheme] = [
                link["href"] for link in tileset["links"] if link["rel"].endswith("/tiling-scheme")
            ]
            assert client.get(scheme).json()["id"] == matrices.name
            assert tileset["layers"][0]["id"] == name


@pytest.mark.parametrize("matrices", MATRIX_SETS.values(), ids=SETS)
def test_the_template_of_a_tileset_leads_to_its_tiles(
    client: TestClient, matrices: MatrixSet
) -> None:
    tileset = client.get(f"/ogc/tiles/{matrices.name}").json()
    [item] = [link for link in tileset["links"] if link["rel"] == "item"]
    assert item["templated"]
    assert [int(each["tileMatrix"]) for each in tileset["tileMatrixSetLimits"]] == list(
        range(matrices.level(0), matrices.deepest + 1)
    )
    for each in tileset["tileMatrixSetLimits"]:
        there = item["href"].format(
            tileMatrix=each["tileMatrix"], tileRow=each["minTileRow"], tileCol=each["maxTileCol"]
        )
        assert client.get(there).status_code in (200, 204), there


def test_matrix_sets_are_those_that_everybody_knows(client: TestClient) -> None:
    web = client.get("/ogc/tileMatrixSets/WebMercatorQuad").json()
    assert web["uri"] == "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
    first, last = web["tileMatrices"][0], web["tileMatrices"][-1]
    assert first["scaleDenominator"] == pytest.approx(559082264.028717, rel=1e-9)
    assert (last["id"], last["matrixWidth"]) == ("24", 2**24)
    degrees = client.get("/ogc/tileMatrixSets/WorldCRS84Quad").json()["tileMatrices"][0]
    assert degrees["scaleDenominator"] == pytest.approx(279541132.014358, rel=1e-6)
    assert (degrees["matrixWidth"], degrees["matrixHeight"]) == (2, 1)
    national = client.get("/ogc/tileMatrixSets/CGCS2000Quad").json()
    assert national["tileMatrices"][0] | {"scaleDenominator": 0} == degrees | {
        "id": "1",  # as Tianditu counts
        "pointOfOrigin": [90.0, -180.0],  # latitude first, as EPSG 4490 has it
        "scaleDenominator": 0,
    }


def test_tilejson_says_what_maplibre_needs(client: TestClient) -> None:
    found = client.get("/ogc/tiles/WebMercatorQuad?f=tilejson")
    assert found.headers["content-type"] == "application/vnd.mapbox.tile+json"
    said = found.json()
    assert (said["tilejson"], said["minzoom"], said["maxzoom"]) == ("3.0.0", 0, 18)
    layers = {each["id"]: each for each in said["vector_layers"]}
    assert set(layers) == {*USUAL, "buildings_cells", "facilities_cells"}
    assert layers["buildings"]["fields"]["height"] == "Number"
    z, y, x = at(WEB, 16)
    assert client.get(said["tiles"][0].format(z=z, y=y, x=x)).status_code == 200
    assert client.get("/ogc/tiles/WorldCRS84Quad?f=tilejson").status_code == 400


def test_the_metadata_says_from_which_level_everything_is_there(client: TestClient) -> None:
    for matrices, level in ((WEB, 14), (GEOGRAPHIC, 13)):
        tileset = client.get(f"/ogc/collections/buildings/tiles/{matrices.name}").json()
        told = {each["id"]: each for each in tileset["layers"]}
        assert f"Every feature from level {level}" in told["buildings"]["description"]
        assert f"自第 {level} 级起显示全部要素" in told["buildings"]["description"]
        assert told["buildings_cells"]["maxTileMatrix"] == str(level - 1)


@pytest.mark.parametrize("matrices", MATRIX_SETS.values(), ids=SETS)
@pytest.mark.parametrize("name", DRAWINGS)
def test_features_of_a_deep_tile_are_those_of_the_items(
    client: TestClient, opened: Opened, name: str, matrices: MatrixSet
) -> None:
    zoom = max(DRAWINGS[name].first, 16)
    z, y, x = at(matrices, zoom)
    west, south, east, north = matrices.degrees(z, x, y)
    items = client.get(
        f"/ogc/collections/{name}/items?bbox={west},{south},{east},{north}&limit=1000"
    ).json()["features"]
    tile = opened(url(name, zoom, matrices))
    features = {each["mvt_id"]: each for each in tile.get(name, [])}
    assert set(features) == {each["id"] for each in items if each["geometry"]}
    for each in items:
        if each["geometry"] is None:
            continue
        feature = features[each["id"]]
        for key, value in each["properties"].items():
            shown = ";".join(value) if isinstance(value, list) else value
            assert feature.get(key) == shown, key
        true = in_steps(shapely.geometry.shape(each["geometry"]), matrices, zoom)
        assert feature["shape"].hausdorff_distance(true.intersection(SHOWN)) < 1.5


SHOWN = shapely.box(-64, -64, 4160, 4160)
"""A tile with its margin, in its steps."""


def in_steps(shape: Any, matrices: MatrixSet, zoom: int) -> Any:
    """A shape in degrees in the steps of the tile of the tower, from its south-west corner."""
    z, y, x = at(matrices, zoom)
    west, south, east, _ = matrices.box(z, x, y)
    projected = Transformer.from_crs(4326, 3857, always_xy=True)

    def placed(points: Any) -> Any:
        if matrices is WEB:
            points = np.column_stack(projected.transform(points[:, 0], points[:, 1]))
        return (points - [west, south]) / (east - west) * 4096

    return shapely.transform(shape, placed)
