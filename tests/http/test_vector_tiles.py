"""Vector tiles as a client finds them: described, drawn, kept, true after a change, refused."""

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

from cim.security import roles
from cim.security.rights import CITY_READ
from cim.store.queries.vector.drawing import DRAWINGS, USUAL
from cim.store.queries.vector.matrices import GEOGRAPHIC, MATRIX_SETS, WEB, MatrixSet
from tests.accounts import add_key, stand

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
        """Features by layer; geometries are in steps of the tile from its south-west corner."""
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


def change(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


FAR = [2, 8, 11, 12, 13, 14]
"""Zooms whose tiles are kept, with cells and with features."""


@pytest.mark.parametrize("matrices", [WEB, GEOGRAPHIC], ids=SETS[:2])
@pytest.mark.parametrize("zoom", FAR)
def test_a_kept_tile_is_made_once(
    client: TestClient, statements: list[str], zoom: int, matrices: MatrixSet
) -> None:
    first = client.get(url("buildings", zoom, matrices))
    made = len(statements)
    again = client.get(url("buildings", zoom, matrices))
    assert len(statements) == made
    assert again.content == first.content and again.headers["etag"] == first.headers["etag"]


def test_sets_that_differ_in_numbers_alone_share_their_tiles(
    client: TestClient, statements: list[str]
) -> None:
    first = client.get(url("estates", 13, GEOGRAPHIC))
    statements.clear()
    assert client.get(url("estates", 13, MATRIX_SETS["CGCS2000Quad"])).content == first.content
    assert statements == []


@pytest.mark.parametrize("zoom", FAR)
def test_a_change_shows_in_kept_tiles_with_its_commit(
    client: TestClient, opened: Opened, engine: Engine, zoom: int
) -> None:
    def known() -> tuple[int, set[Any]]:
        tile = opened(url("buildings", zoom))
        counted = sum(cell["count"] for cell in tile.get("buildings_cells", []))
        return counted, {each.get("name") for each in tile.get("buildings", [])}

    before = known()
    assert before[0] == (2 if zoom < 14 else 0)
    change(
        engine,
        "INSERT INTO city.building (id, name, footprint, footprint_area, height, height_method,"
        " floors_above, floors_method) SELECT 77, '新楼', ST_Multi(ST_Expand(ST_SetSRID("
        "ST_MakePoint(113.8815, 22.9203), 4490), 0.0008)), 26000, 30, 'given', 10, 'given'",
    )
    assert known() == (before[0] + (zoom < 14), before[1] | ({"新楼"} if zoom >= 11 else set()))
    change(engine, "UPDATE city.building SET name = '改名' WHERE id = 77")
    assert known() == (before[0] + (zoom < 14), before[1] | ({"改名"} if zoom >= 11 else set()))
    change(engine, "UPDATE city.building SET ended_at = now() WHERE id = 77")
    assert known() == before
    change(engine, "DELETE FROM city.building WHERE id = 77")
    assert known() == before


def test_what_tiles_do_not_show_leaves_them_as_they_are(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    client.get(url("buildings", 12))
    statements.clear()
    change(engine, "UPDATE city.building SET fire_class = '二级', updated_at = now() WHERE id = 1")
    client.get(url("buildings", 12))
    assert statements == []
    change(engine, "UPDATE city.building SET fire_class = NULL WHERE id = 1")


def test_a_change_elsewhere_leaves_a_tile_kept(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    elsewhere = (113.95, 22.85)
    client.get(url("areas", 14, place=elsewhere))
    client.get(url("streets", 14))
    statements.clear()
    change(engine, "UPDATE city.street SET name = '新路' WHERE id = 1")
    client.get(url("areas", 14, place=elsewhere))
    assert statements == []
    client.get(url("streets", 14))
    assert len(statements) == 1
    change(engine, "UPDATE city.street SET name = '示范路' WHERE id = 1")


def test_a_change_that_is_taken_back_leaves_no_trace(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    client.get(url("buildings", 14))
    statements.clear()
    with engine.connect() as connection:
        connection.execute(text("UPDATE city.building SET name = 'x' WHERE id = 1"))
        client.get(url("buildings", 14))
        connection.rollback()
    client.get(url("buildings", 14))
    assert statements == []


def test_a_hundred_who_ask_for_one_tile_have_it_made_once_or_twice(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    change(engine, "UPDATE city.building SET name = '四栋' WHERE id = 1")
    with ThreadPoolExecutor(100) as many:
        answers = list(many.map(lambda _: client.get(url("buildings", 13)), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert 1 <= len(statements) <= 3
    change(engine, "UPDATE city.building SET name = '3栋' WHERE id = 1")


def test_what_is_not_public_is_for_those_who_are_cleared_and_never_kept(
    client: TestClient, opened: Opened, engine: Engine
) -> None:
    change(
        engine,
        "UPDATE city.device SET geom = ST_SetSRID(ST_MakePoint(113.8801, 22.9201), 4490)"
        " WHERE id = 3",
    )
    with engine.begin() as connection:
        stand(connection, "security")
        roles.add(connection, "guard", "安防", "cameras")
        roles.allow(connection, roles.Allowed("guard", CITY_READ, "devices", secrecy=2))
    add_key(engine, "guard", "key-guard", ["guard"])
    cleared = {"Authorization": "Bearer key-guard"}

    def ids(**headers: str) -> set[int]:
        return {each["mvt_id"] for each in opened(url("devices", 15), **headers)["devices"]}

    assert ids() == {1, 2, 4}
    assert ids(**cleared) == {1, 2, 3, 4}
    assert ids() == {1, 2, 4}
    answer = client.get(url("devices", 15), headers=cleared)
    assert answer.headers["cache-control"] == "private, no-cache"
    with engine.connect() as connection:
        kept = connection.scalars(text("SELECT DISTINCT collection FROM platform.vector_tile"))
        assert "devices" not in set(kept)


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
    assert set(together) == {"areas", "grids", "estates", "streets", "buildings", "facilities"}
    for name, features in together.items():
        alone = opened(url(name, 16))[name]
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
    small = client.get(url("buildings", 15), headers={"Accept-Encoding": "gzip"})
    assert int(small.headers["content-length"]) <= 400
    tile = opened(url("buildings", 15))
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
