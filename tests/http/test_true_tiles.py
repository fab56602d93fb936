"""Tiles over HTTP are as true as the city: made when asked for, and new as soon as it changed."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.tilesets.making import Maker
from cim.settings import Settings
from cim.store.queries.tiles.which import Which
from tiling.check.reading import read_glb
from tiling.city.layers import LAYERS
from tiling.commands.following import follow
from tiling.commands.parts import remove
from tiling.run.build import build

TILES = "/tiles/3d/buildings"
PLAIN = {"Accept-Encoding": "identity"}
PATIENCE = 30.0
"""Seconds that a change may take here; how long it does take is measured in benchmarks."""


@pytest.fixture(scope="module")
def tiled(city: Settings, engine: Engine) -> Path:
    """The folder of the version of the buildings that is served."""
    for layer in LAYERS.values():
        build(city, engine, layer)
    return (city.tiles_dir / "buildings" / "current").resolve()


@pytest.fixture
def following(city: Settings, engine: Engine, tiled: Path) -> Iterator[None]:
    """Somebody keeps the tiles true."""
    stop = Event()
    thread = Thread(target=follow, args=(city, engine, stop))
    thread.start()
    yield
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def some_tile(folder: Path) -> str:
    return str(next(folder.rglob("*.glb")).relative_to(folder))


def heights(content: bytes, tmp_path: Path) -> dict[int, float]:
    (tmp_path / "one.glb").write_bytes(content)
    tile = read_glb(tmp_path / "one.glb")
    ids, values = tile.column("id").tolist(), tile.column("height").tolist()
    return dict(zip(ids, values, strict=True))


def until(found: Callable[[], Any]) -> Any:
    """What is found as soon as it is there."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_a_part_of_the_city_says_that_it_is_one(
    client: TestClient, city: Settings, engine: Engine, tiled: Path
) -> None:
    part = LAYERS["buildings"].part("low", Which(box=(113.0, 22.0, 114.0, 24.0)))
    build(city, engine, part)
    try:
        listed = {one["name"]: one for one in client.get("/tilesets").json()["tilesets"]}
        assert listed["buildings"]["part_of"] is None and listed["buildings"]["part"] is None
        assert listed["low"]["part_of"] == "buildings"
        assert listed["low"]["part"] == {
            "en": "part of buildings: 113, 22, 114, 24°",
            "zh": "buildings 的一部分：113, 22, 114, 24°",
        }
        assert client.get(listed["low"]["url"]).status_code == 200
        root = client.get("/tiles/3d/tileset.json").text
        assert "buildings/tileset.json" in root and "low/" not in root
    finally:
        remove(city, engine, "low")
    assert "low" not in client.get("/tilesets").text


def test_an_edit_is_in_the_tile_and_a_visit_begun_before_keeps_its_own(
    client: TestClient, engine: Engine, tiled: Path, following: None, tmp_path: Path
) -> None:
    path = some_tile(tiled)
    began = client.get(f"{TILES}/tileset.json").json()["asset"]["tilesetVersion"]
    before = client.get(f"{TILES}/{path}?v={began}", headers=PLAIN)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = 47.5 WHERE id = 1"))

    def changed() -> Any:
        new = client.get(f"{TILES}/tileset.json").json()["asset"]["tilesetVersion"]
        return new if new != began else None

    version = until(changed)
    after = client.get(f"{TILES}/{path}?v={version}", headers=PLAIN)
    assert after.content != before.content and after.headers["etag"] != before.headers["etag"]
    assert heights(after.content, tmp_path)[1] == 47.5
    listed = {item["name"]: item["version"] for item in client.get("/tilesets").json()["tilesets"]}
    assert listed["buildings"] == version
    again = client.get(f"{TILES}/{path}?v={began}", headers=PLAIN)
    assert again.content == before.content and "immutable" in again.headers["cache-control"]


def test_a_tile_that_is_not_on_disk_is_made_when_asked_for(
    client: TestClient, city: Settings, tiled: Path, engine: Engine
) -> None:
    build(city, engine, LAYERS["buildings"])
    folder = (city.tiles_dir / "buildings" / "current").resolve()
    path = some_tile(folder)
    before = client.get(f"{TILES}/{path}", headers=PLAIN)
    packed = (folder / f"{path}.gz").read_bytes()
    (folder / path).unlink()
    (folder / f"{path}.gz").unlink()
    made = client.get(f"{TILES}/{path}", headers=PLAIN)
    assert made.status_code == 200 and made.content == before.content
    assert made.headers["etag"] == before.headers["etag"]
    until((folder / f"{path}.gz").exists)  # written while it is sent
    assert (folder / path).read_bytes() == before.content
    assert (folder / f"{path}.gz").read_bytes() == packed


def test_a_tile_that_cannot_be_written_is_sent_all_the_same(
    client: TestClient,
    city: Settings,
    tiled: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = (city.tiles_dir / "units" / "current").resolve()
    path = some_tile(folder)
    before = client.get(f"/tiles/3d/units/{path}")
    (folder / path).unlink()
    (folder / path).with_name(f".{(folder / path).name}").mkdir()  # where it would be written first
    assert client.get(f"/tiles/3d/units/{path}").content == before.content
    until(lambda: "is not kept" in caplog.text)
    (folder / path).with_name(f".{(folder / path).name}").rmdir()
    assert client.get(f"/tiles/3d/units/{path}").content == before.content
    until((folder / path).exists)


def test_a_tile_is_made_once_however_many_ask(
    client: TestClient, city: Settings, tiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = (city.tiles_dir / "units" / "current").resolve()
    path = some_tile(folder)
    (folder / path).unlink()
    make, calls = Maker.make, []

    def slow(self: Maker, *key: Any) -> Any:
        calls.append(key)
        time.sleep(0.3)
        return make(self, *key)

    monkeypatch.setattr(Maker, "make", slow)
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda _: client.get(f"/tiles/3d/units/{path}"), range(8)))
    assert len(calls) == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_the_gzipped_copy_on_disk_is_what_is_sent(client: TestClient, city: Settings) -> None:
    folder = (city.tiles_dir / "buildings" / "current").resolve()
    path = some_tile(folder)
    answer = client.get(f"{TILES}/{path}", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == (folder / f"{path}.gz").stat().st_size


@pytest.mark.parametrize(
    "path",
    [
        "content/0-0/2/0/0.glb",
        "content/999-999/12/4095/4095.glb",
        "content/417-160/13/0/0.glb",
        "content/417-160/2/9/9.glb",
        "content/1-1/2/0/0.glb.gz",
        "content/x.glb",
        "content/" + "9" * 300 + "-1/2/0/0.glb",
        "content/417-160/2/" + "9" * 5000 + "/0.glb",
        "content/417-160/" + "9" * 12 + "/0/0.glb",
        "subtrees/" + "x" * 300 + ".subtree",
        "../" * 40 + "etc/passwd",
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "content/%00.glb",
        "content/%ff%fe.glb",
        ".version.json",
        "../.lock",
    ],
    ids=lambda path: path[:40],
)
def test_a_tile_that_is_nowhere_is_not_found(client: TestClient, tiled: Path, path: str) -> None:
    assert client.get(f"{TILES}/{path}").status_code == 404


@pytest.mark.parametrize(
    "name", ["x" * 300, "x" * 5000, "%2e%2e", "城市", "%00", "buildings%2fcurrent"]
)
def test_a_tileset_of_no_such_name_is_not_found(client: TestClient, tiled: Path, name: str) -> None:
    for version in ("", "?v=../../..", "?v=" + "0" * 300):
        found = client.get(f"/tiles/3d/{name}/tileset.json{version}")
        assert found.status_code in (404, 422), found.text
    assert client.get(f"{TILES}/tileset.json?v={'0' * 300}").status_code in (200, 404, 422)
