"""A built wheel is whole: who installs it needs no Node and no checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("cimtwin-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_the_built_viewer(names: set[str]) -> None:
    assert "api/static/index.html" in names
    assert any(name.startswith("api/static/cesium/Workers/") for name in names)
    assert any(name.startswith("api/static/docs-assets/") for name in names)


def test_the_wheel_carries_every_file_that_is_no_python(names: set[str]) -> None:
    for package in ("cim", "tiling", "api", "sample_data"):
        for path in (ROOT / package).rglob("*"):
            inside = path.relative_to(ROOT)
            data = path.is_file() and path.suffix in {".sql", ".json", ".mako"}
            if data and "static" not in inside.parts:
                assert inside.as_posix() in names, inside


def test_the_wheel_carries_nothing_that_is_not_ours(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "api",
        "cim",
        "sample_data",
        "tiling",
    }
