"""The tests on several processes: what is handed out together, and that nothing found is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import spread

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The tests of a folder, run as those of this project are."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider",
         "-o", "addopts=--import-mode=importlib", str(folder), *words],
        cwd=ROOT, env=outer, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["one process", "two processes"])
def test_a_person_that_a_test_prints_fails_the_run(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "test_quiet.py").write_text("def test_says_nothing(): pass\n")
    (tmp_path / "test_loud.py").write_text(
        "def test_says_a_name(): print('查无' + '此人')\n", encoding="utf-8"
    )
    done = run(tmp_path, *words)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert done.stdout.count("LEAKED a name") == 1
    assert "test_says_a_name" in done.stdout


def test_each_process_has_a_server_folder_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(
            "import time\nfrom tests.conftest import _folder\n"
            f"def test_{name}():\n    time.sleep(1)\n    assert not print('IN', _folder().name)\n"
        )
    done = run(tmp_path, "-n", "2", "-rP")
    folders = {line for line in done.stdout.splitlines() if line.startswith("IN ")}
    assert done.returncode == 0 and len(folders) == 2, done.stdout


def test_browsers_walk_one_after_the_other_and_the_longest_folders_begin() -> None:
    lot = spread.ByFile._split_scope
    walks = {lot(None, f"tests/{room}/test_a.py::test_b[c]") for room in spread.ONE_BROWSER}  # type: ignore[arg-type]  # reads nothing of the scheduler
    assert len(walks) == 1
    assert lot(None, "tests/http/test_a.py::test_b") == "tests/http/test_a.py"  # type: ignore[arg-type]  # as above
    rooms = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py"))}
    assert set(spread.LONGEST_FIRST) == rooms
