"""Vector tiles as a client finds them: described, drawn, kept, true after a change, refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi.testclient import TestClient
from pyproj import Transformer
from sqlalchemy import Engine

from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.vector.drawing import DRAWINGS, USUAL
from cim.store.queries.vector.matrices import GEOGRAPHIC, MATRIX_SETS, WEB, MatrixSet
from tests.vectortiles import SETS, Opened, at, url


@pytest.fixture
def opened(client: TestClient, tmp_path: Path) -> Opened:
    return Opened(client, tmp_path)


def test_every_collection_has_tilesets_of_every_matrix_set(client: TestClient) -> None:
    assert list(DRAWINGS) == list(COLLECTIONS)
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
    more = {"buildings_cells", "facilities_cells", "areas_names", "estates_names"}
    assert set(layers) == {*USUAL, *more}
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


def test_whoever_has_a_tile_is_told_that_it_is_true(client: TestClient) -> None:
    for address in (url("buildings", 12), url("buildings", 16), url(None, 14)):
        first = client.get(address)
        assert first.headers["cache-control"] == "no-cache"
        etag = {"If-None-Match": first.headers["etag"]}
        again = client.get(address, headers=etag)
        assert (again.status_code, again.content) == (304, b"")


def test_tiles_travel_gzipped_to_those_who_take_that(client: TestClient) -> None:
    for address in (url("buildings", 12), url("buildings", 16), url(None, 16)):
        packed = client.get(address, headers={"Accept-Encoding": "gzip"})
        plain = client.get(address, headers={"Accept-Encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert plain.content == packed.content  # the client unpacked it
        assert "accept-encoding" in plain.headers["vary"].lower()


def test_several_collections_are_layers_of_one_tile(client: TestClient, opened: Opened) -> None:
    together = opened(url(None, 16))
    layers = ["areas", "grids", "estates", "estates_names", "streets", "buildings", "facilities"]
    assert sorted(together) == sorted(layers)
    for name, features in together.items():
        alone = opened(url(name.partition("_")[0], 16))[name]
        assert [each["mvt_id"] for each in features] == [each["mvt_id"] for each in alone]
    chosen = opened(url(None, 18) + "?collections=units,buildings")
    assert set(chosen) == {"buildings", "units"}


def test_where_there_is_nothing_the_answer_is_empty(client: TestClient) -> None:
    ocean = (-30.0, -40.0)
    for zoom in (8, 14, 16):
        answer = client.get(url("buildings", zoom, place=ocean))
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/ogc/tiles/WebMercatorQuad/19/0/0", 404, "levels 0 to 18"),
        ("/ogc/tiles/CGCS2000Quad/0/0/0", 404, "levels 1 to 18"),
        ("/ogc/tiles/WebMercatorQuad/3/8/0", 404, "rows 0 to 7"),
        ("/ogc/tiles/WebMercatorQuad/3/0/8", 404, "columns 0 to 7"),
        ("/ogc/tiles/WebMercatorQuad/3/0/999999999999999999999", 400, "tileCol"),
        ("/ogc/tiles/WebMercatorQuad/3/-1/0", 400, "tileRow"),
        ("/ogc/tiles/WebMercatorQuad/z/0/0", 400, "tileMatrix"),
        ("/ogc/tiles/WebMercatorQuad/３/0/0", 400, "tileMatrix"),
        ("/ogc/tiles/WebMercatorQuad/3/0/0?collections=people", 400, "collections"),
        ("/ogc/tiles/WebMercatorQuad/3/0/0?collections=", 400, "collections"),
        ("/ogc/tiles/WebMercatorQuad/3/0/0?colections=areas", 400, "colections"),
        ("/ogc/tiles/WebMercatorQuad/3/0/0?f=png", 400, "f must be"),
        ("/ogc/tiles/WebMercatorQuad?f=xml", 400, "f must be"),
        ("/ogc/tiles/Nobodys/3/0/0", 404, "WebMercatorQuad"),
        ("/ogc/tileMatrixSets/Nobodys", 404, "WebMercatorQuad"),
        ("/ogc/collections/people/tiles", 404, "collection"),
        ("/ogc/collections/people/tiles/WebMercatorQuad/3/0/0", 404, "collection"),
        ("/ogc/collections/units/tiles/WebMercatorQuad/3/0/0", 404, "levels 18 to 18"),
        ("/ogc/styles/city?lang=fr", 400, "lang"),
    ],
)
def test_what_is_not_there_or_wrong_is_said(
    client: TestClient, address: str, status: int, said: str
) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert said in problem["detail"] and problem["detail_zh"]


def test_endings_that_clients_go_by_are_borne(client: TestClient) -> None:
    for ending in (".mvt", ".pbf"):
        assert client.get(url("buildings", 16) + ending).status_code == 200


def test_features_at_an_edge_are_in_both_tiles(client: TestClient, opened: Opened) -> None:
    z, y, x = at(WEB, 16)
    edge = WEB.degrees(z, x, y, 0)[2]
    tiles = []
    for column in (x, x + 1):
        tile = opened(f"/ogc/collections/areas/tiles/WebMercatorQuad/{z}/{y}/{column}")
        tiles.append({each["mvt_id"]: each["shape"] for each in tile["areas"]})
    assert set(tiles[0]) == set(tiles[1]) and 113.88 < edge < 113.9
    for key, left in tiles[0].items():
        right = tiles[1][key]
        assert left.bounds[2] == 4096 + 64 and right.bounds[0] == -64


@pytest.mark.parametrize("matrices", MATRIX_SETS.values(), ids=SETS)
def test_an_area_is_named_in_one_of_the_tiles_that_it_lies_in(
    opened: Opened, matrices: MatrixSet
) -> None:
    z = matrices.level(14)
    columns, rows = matrices.tiles(z, (113.79, 22.79, 114.01, 23.01))
    above = f"/ogc/collections/areas/tiles/{matrices.name}/{z}"
    tiles = [opened(f"{above}/{y}/{x}") for y in rows for x in columns]
    drawn = [each["mvt_id"] for tile in tiles for each in tile.get("areas", [])]
    named = [each["mvt_id"] for tile in tiles for each in tile.get("areas_names", [])]
    assert sorted(named) == [1, 2, 3, 4, 5] and len(drawn) > 100


def test_a_tile_that_cannot_hold_all_says_how_many_it_lacks(
    client: TestClient, opened: Opened, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = len(opened(url("units", 18))["units"])
    monkeypatch.setattr("cim.store.vector.MOST", 2)
    tile = opened(url("units", 18))
    assert len(tile["units"]) == 2
    assert [each["count"] for each in tile["units_left_out"]] == [every - 2]
    monkeypatch.undo()
    monkeypatch.setattr("cim.store.vector.LARGEST", 400)
    small = client.get(url("buildings", 16), headers={"Accept-Encoding": "gzip"})
    assert int(small.headers["content-length"]) <= 400
    tile = opened(url("buildings", 16))
    assert "floors_below" not in tile["buildings"][0] and tile["buildings"][0]["height"] == 9


def test_tiles_stand_in_the_interface(client: TestClient) -> None:
    paths = client.get("/ogc/api").json()["paths"]
    tile = paths["/collections/buildings/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"]
    assert [each["name"] for each in tile["get"]["parameters"]] == [
        "tileMatrixSetId",
        "tileMatrix",
        "tileRow",
        "tileCol",
        "f",
    ]
    classes = client.get("/ogc/conformance").json()["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt" in classes


def test_the_style_names_layers_that_the_tiles_have(client: TestClient) -> None:
    for language, name in (("zh", "城市地图"), ("en", "The city")):
        answer = client.get(f"/ogc/styles/city?lang={language}")
        assert answer.headers["content-type"] == "application/vnd.mapbox.style+json"
        style = answer.json()
        assert style["name"] == name
        [source] = style["sources"].values()
        layers = {each["id"]: each for each in client.get(source["url"]).json()["vector_layers"]}
        for layer in style["layers"][1:]:
            assert layer["source-layer"] in layers
