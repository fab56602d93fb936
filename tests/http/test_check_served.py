"""Tiles are checked through the service that serves them, gzipped, from the root above all down."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cim.settings import Settings
from tests.golden.conftest import CITY
from tests.golden.conftest import write as written
from tests.http.test_serve import serving
from tiling.check.tileset import check
from tiling.commands.tile import tile


@pytest.fixture(scope="module")
def tiles(settings: Settings) -> Path:
    """Two tilesets as they stand on disk after a build."""
    for name, (layer, rows) in CITY.items():
        folder = settings.tiles_dir / name
        written(folder / "golden", layer, rows)
        (folder / "current").symlink_to("golden")
    return settings.tiles_dir


def test_one_address_is_enough_to_check_a_whole_city(settings: Settings, tiles: Path) -> None:
    with serving(settings, "--no-worker") as (_, address):
        whole = check(f"{address}/tiles/3d/tileset.json")
        assert whole.faults == []
        assert whole.titles == ["", "Buildings", "Underground", "Units"]
        assert whole.tiles == len(list(tiles.rglob("golden/**/*.glb")))
        assert all(uri.endswith("?v=golden") for uri in whole.uris)
        one = f"{address}/tiles/3d/units/tileset.json?v=golden"
        run = CliRunner().invoke(tile, ["check", one, "--jobs", "2"], catch_exceptions=False)
        assert run.exit_code == 0 and "180 features, 0 faults" in run.output
        missing = CliRunner().invoke(tile, ["check", f"{address}/tiles/3d/none/tileset.json"])
        assert missing.exit_code == 1
