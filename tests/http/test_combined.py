"""The root above all tilesets, as clients open it."""

import json

from fastapi.testclient import TestClient

from cim.settings import Settings
from tiling.disk.folder import store
from tiling.formats import subtree, tiles3d
from tiling.formats.tree import Key


def test_one_address_leads_to_the_tilesets_by_their_versions(
    client: TestClient, city: Settings
) -> None:
    facts = tiles3d.Facts("Units", "constant", 0.0, 1, "v7")
    tree = subtree.grow({Key(15, 4096): (0.0, 0.0, 0.01, 0.01, 5.0, 9.0)})
    folder = city.tiles_dir / "units"
    for path, content in tiles3d.files(facts, tree, 2.0).items():
        store(folder / "v7" / path, content)
    (folder / "current").symlink_to("v7")
    answer = client.get("/tiles/3d/tileset.json")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache"
    (child,) = answer.json()["root"]["children"]
    assert child["content"]["uri"] == "units/tileset.json?v=v7"
    followed = client.get(f"/tiles/3d/{child['content']['uri']}")
    assert followed.status_code == 200
    assert json.loads(followed.content)["geometricError"] == child["geometricError"] == 128.0
