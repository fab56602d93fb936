"""Tiles, the viewer and the documentation as files: caching, compression, and no way out."""

import os
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from api.app import create_app
from cim.settings import Settings

TILES = "/tiles/3d/buildings"
PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize(
    ("file", "mime"),
    [
        ("tileset.json", "application/json"),
        ("content/0.glb", "model/gltf-binary"),
        ("content/0.subtree", "application/octet-stream"),
    ],
)
def test_a_tile_has_its_type_and_a_tag(client: TestClient, file: str, mime: str) -> None:
    response = client.get(f"{TILES}/{file}")
    assert response.status_code == 200
    assert response.headers["content-type"] == mime
    assert response.headers["etag"].startswith('"')
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_content_that_is_held_already_is_not_sent_again(client: TestClient, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    first = client.get(f"{TILES}/content/0.glb", headers=headers)
    again = client.get(
        f"{TILES}/content/0.glb", headers=headers | {"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304 and again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    other = client.get(f"{TILES}/content/0.glb", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_a_tile_is_compressed_for_those_who_take_it(client: TestClient) -> None:
    packed = client.get(f"{TILES}/content/0.glb", headers={"Accept-Encoding": "gzip"})
    plain = client.get(f"{TILES}/content/0.glb", headers=PLAIN)
    assert packed.headers["content-encoding"] == "gzip" and packed.headers["vary"]
    assert int(packed.headers["content-length"]) < 200
    assert "content-encoding" not in plain.headers and packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]


def test_a_head_request_has_the_headers_and_no_body(client: TestClient) -> None:
    for path in (f"{TILES}/content/0.glb", "/health", "/buildings/1", "/"):
        full, bare = client.get(path, headers=PLAIN), client.head(path, headers=PLAIN)
        assert bare.status_code == 200 and bare.content == b""
        assert bare.headers["content-length"] == full.headers["content-length"]
        assert bare.headers["content-type"] == full.headers["content-type"]


def test_tiles_asked_for_by_version_may_be_kept_for_ever(client: TestClient) -> None:
    tile = client.get(f"{TILES}/content/0.glb?v=v1")
    assert "immutable" in tile.headers["cache-control"]
    assert client.get(f"{TILES}/tileset.json?v=v1").headers["cache-control"] == "no-cache"
    unknown = client.get(f"{TILES}/content/0.glb?v=v0")
    assert unknown.status_code == 200 and unknown.headers["cache-control"] == "no-cache"


def test_a_version_stays_open_when_a_new_one_is_current(client: TestClient, city: Settings) -> None:
    folder = city.tiles_dir / "buildings"
    (folder / "v2").mkdir()
    (folder / "v2" / "tileset.json").write_text('{"asset":{"version":"1.1"},"new":1}')
    (folder / "next").symlink_to("v2")
    os.replace(folder / "next", folder / "current")
    try:
        assert "new" in client.get(f"{TILES}/tileset.json").text
        assert "new" not in client.get(f"{TILES}/tileset.json?v=v1").text
        assert client.get(f"{TILES}/content/0.glb").status_code == 404
        assert client.get(f"{TILES}/content/0.glb?v=v1").status_code == 200
    finally:
        (folder / "next").symlink_to("v1")
        os.replace(folder / "next", folder / "current")


def test_a_rewritten_file_is_served_as_it_is_now(client: TestClient, city: Settings) -> None:
    path = city.tiles_dir / "buildings" / "v1" / "content" / "changing.json"
    path.write_text('{"n":1}')
    first = client.get(f"{TILES}/content/changing.json")
    path.write_text('{"n":22}')
    second = client.get(f"{TILES}/content/changing.json")
    assert first.json() == {"n": 1} and second.json() == {"n": 22}
    assert first.headers["etag"] != second.headers["etag"]
    path.unlink()
    assert client.get(f"{TILES}/content/changing.json").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/tiles/3d/buildings/../secret.txt",
        "/tiles/3d/buildings/%2e%2e/%2e%2e/secret.txt",
        "/tiles/3d/buildings/..%2f..%2fsecret.txt",
        "/tiles/3d/buildings/..%5c..%5csecret.txt",
        "/tiles/3d/%2e%2e/access.json",
        "/tiles/3d/../access.json",
        "/tiles/3d/buildings//etc/passwd",
        "/tiles/3d/buildings/%2fetc%2fpasswd",
        "/tiles/3d/buildings/content%00.glb",
        "/tiles/3d/buildings/.hidden",
        "/tiles/3d/buildings/way-out",
        "/tiles/3d/buildings/content",
        "/tiles/3d/buildings/" + "a/" * 800,
        "/tiles/3d/buildings/" + "长" * 400,
        "/tiles/3d/nothing/tileset.json",
        "/tiles/3d/gone/tileset.json",
        "/tiles/3d/buildings/tileset.json?v=../v1&x",
    ],
)
def test_no_path_leads_out_of_a_tileset(client: TestClient, city: Settings, path: str) -> None:
    link = city.tiles_dir / "buildings" / "v1" / "way-out"
    if not link.is_symlink():
        link.symlink_to(city.data_dir / "access.json")
    (link.parent / ".hidden").write_text("hidden")
    response = client.get(path)
    if "?v=" in path:  # an impossible version is no version
        assert response.status_code == 200
        return
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert "sha256" not in response.text and str(city.data_dir) not in response.text


@examples(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from(
            ["..", ".", "", "%2e%2e", "%2f", "\\", "~", "v1", "current", "access.json"]
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_mixture_of_steps_reaches_the_keys(client: TestClient, steps: list[str]) -> None:
    for start in ("/tiles/3d/", "/tiles/3d/buildings/", "/assets/", "/"):
        path = start + "/".join(steps)
        assert "sha256" not in client.get(f"http://testserver{path}").text


def test_the_viewer_is_served_with_its_rules(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy and "worker-src 'self' blob:" in policy
    assert "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-cache"
    script = client.get("/assets/main-1a2b.js")
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["content-encoding"] == "gzip"
    assert client.get("/cesium/module.wasm").headers["content-type"] == "application/wasm"
    assert client.get("/cesium/Workers/one.js").headers["cache-control"] == "no-cache"


def test_large_json_is_compressed(client: TestClient) -> None:
    found = client.get("/features/units?bbox=113,22,114,23", headers={"Accept-Encoding": "gzip"})
    assert found.headers["content-encoding"] == "gzip"


def test_the_documentation_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http" not in page and "<script>" not in page
    for path in ("/docs-assets/swagger-ui-bundle.js", "/docs-assets/swagger-ui.css"):
        assert path.rsplit("/", 1)[1] in page
        assert client.get(path).status_code == 200
    start = client.get("/docs/start.js")
    assert "SwaggerUIBundle" in start.text and "javascript" in start.headers["content-type"]


def test_unbuilt_the_page_says_how_to_build_and_the_docs_are_a_list(
    city: Settings, tmp_path: Path
) -> None:
    with TestClient(create_app(city, tmp_path / "absent")) as client:
        page = client.get("/")
        assert page.status_code == 200 and "make viewer" in page.text and "尚未构建" in page.text
        docs = client.get("/docs")
        assert "/units/{id}/card" in docs.text and "<script" not in docs.text
        assert client.get("/assets/main.js").status_code == 404
