"""The tests on several processes: what is handed out together, and that nothing found is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import spread

ROOT = Path(__file__).resolve().parents[2]


SAYS_WHERE = (
    "import time\nfrom tests.conftest import _folder\n"
    "def test_{no}():\n    time.sleep(1)\n    print('IN', _folder().name)"
)
FILES = {
    # The first two files go to one process each; what follows to whoever is ready.
    "test_1.py": SAYS_WHERE.format(no=1),
    "test_2.py": SAYS_WHERE.format(no=2),
    "test_line.py": "from tests import spread\n"
    "def test_says_a_line(): spread.LINES.append('7 of 7 are there')",
    "test_name.py": "def test_prints_a_name(): print('查无' + '此人')",
    "test_quiet.py": "def test_says_nothing(): pass",
}


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["one process", "two processes"])
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    """Tests of which one prints a name and one has something to say, run as this project's are."""
    folder = tmp_path_factory.mktemp("inner")
    for name, words in FILES.items():
        (folder / name).write_text(words + "\n", encoding="utf-8")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rP", "-p", "tests.conftest",
         "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib",
         str(folder), *request.param],
        cwd=ROOT, env=outer, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_person_that_a_test_prints_fails_the_run(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert f"{len(FILES)} passed" in done.stdout
    assert done.stdout.count("LEAKED a name") == 1
    assert "test_prints_a_name" in done.stdout


def test_what_a_test_has_to_say_is_said_once(done: subprocess.CompletedProcess[str]) -> None:
    assert done.stdout.count("7 of 7 are there") == 1, done.stdout


def test_each_process_has_a_server_folder_of_its_own(
    done: subprocess.CompletedProcess[str],
) -> None:
    folders = {line for line in done.stdout.splitlines() if line.startswith("IN ")}
    assert len(folders) == (2 if "-n" in done.args else 1), done.stdout


def test_browsers_walk_one_after_the_other_and_the_longest_folders_begin() -> None:
    lot = spread.ByFile._split_scope
    walks = {lot(None, f"tests/{room}/test_a.py::test_b[c]") for room in spread.ONE_BROWSER}  # type: ignore[arg-type]  # reads nothing of the scheduler
    assert len(walks) == 1
    assert lot(None, "tests/http/test_a.py::test_b") == "tests/http/test_a.py"  # type: ignore[arg-type]  # nor does this
    rooms = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py"))}
    assert set(spread.LONGEST_FIRST) == rooms
