"""The house's budgets that no linter knows."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("cim", "tiling", "api", "sample_data")
LONGEST_MODULE = 400


def tracked(*patterns: str) -> list[Path]:
    """Files below the root that match, whether or not this is a git checkout."""
    skip = {".venv", ".setup", ".cim", "node_modules", "static", "dist", "screenshots"}
    return [
        path
        for pattern in patterns
        for path in sorted(ROOT.rglob(pattern))
        if path.is_file() and not skip & set(path.relative_to(ROOT).parts)
    ]


def test_no_module_is_longer_than_its_budget() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    }
    assert long == {}


SILENCED = re.compile(r"# noqa(?!.* - )|# type: ignore(\[[a-z, -]+\])?\s*$|(noqa|ignore).*as above")
"""A warning or an error of types that is silenced, and no word after it."""


def test_every_silenced_warning_says_why() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if path != Path(__file__) and SILENCED.search(line)
    ]
    assert silent == []


def test_our_packages_are_the_ones_that_are_imported() -> None:
    # Other distributions own the names `cim` and `tiling` too; the last installed would win.
    for name in PACKAGES:
        module = __import__(name)
        assert Path(str(module.__file__)).parents[1] == ROOT, name


def test_test_folders_are_no_packages() -> None:
    # `tests/api/__init__.py` would make `import api` mean the tests.
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_the_viewer_alone_knows_cesium_in_its_scene() -> None:
    outside = [
        str(path.relative_to(ROOT))
        for path in tracked("viewer/src/**/*.ts", "viewer/src/**/*.tsx")
        if "@cesium/" in path.read_text(encoding="utf-8") and "scene" not in path.parts
    ]
    assert outside == []


def test_lock_files_pin_with_hashes_and_name_no_host() -> None:
    locks = tracked("requirements/*.txt", "package-lock.json")
    assert len(locks) >= 5
    for path in locks:
        text = path.read_text(encoding="utf-8")
        # An npm lock names the home pages of funding; an address to fetch from is "resolved".
        assert '"resolved"' not in text, path
        if path.suffix == ".txt":
            assert "://" not in text, path
            pins = text.count("==")
            assert pins and text.count("--hash=") >= pins, path


def test_every_dependency_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8").lower()
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = [re.split(r"[\[<>=]", line)[0].lower().replace("_", "-") for line in wanted]
    assert [name for name in names if f"\n{name}==" not in "\n" + lock] == []


def test_scripts_are_valid_shell() -> None:
    for path in sorted((ROOT / "scripts").iterdir()):
        if path.read_text(encoding="utf-8").startswith("#!/bin/sh"):
            subprocess.run(["sh", "-n", str(path)], check=True)
