"""The search for people in what a run writes: that it finds what was let out, and fails the run."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import leaks

ROOT = Path(__file__).parents[2]
NUMBER, PHONE, NAME = "9900001980" + "010" + "1999X", "1000" + "0009999", "查" + "无此人戊"

TRIAL = {
    "prints": "print({word!r})",
    "logs": "logging.getLogger('x').warning('about %s', {word!r})",
    "starts": "subprocess.run([sys.executable, '-c', "
    "'import sys; sys.stderr.write(sys.argv[1])', {word!r}])",
    "calls": "client(lambda _: httpx2.Response(200)).get('http://x', params={{'q': {word!r}}})",
    "errs": "client(lambda _: httpx2.Response(422, text={word!r})).get('http://x/people')",
    "counts": "client(lambda _: httpx2.Response(200, text={word!r})).get('http://x/metrics')",
    "tiles": "tile = tmp_path / 'tiles' / 'v1'; tile.mkdir(parents=True); "
    "(tile / '0.glb').write_bytes(b'glTF' + {word!r}.encode())",
}
HEAD = """
import logging, subprocess, sys
import httpx2
def client(answer):
    return httpx2.Client(transport=httpx2.MockTransport(answer))
def test_it(tmp_path):
    """


def run(body: str) -> "subprocess.CompletedProcess[str]":
    """A run of one test elsewhere, which the search watches as it watches this one."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        hooks = "pytest_configure pytest_runtest_logreport pytest_sessionfinish"
        names = ", ".join([*hooks.split(), "pytest_terminal_summary"])
        (top / "conftest.py").write_text(f"from tests.conftest import {names}\n")
        (top / "test_it.py").write_text(HEAD + body + "\n")
        words = ["-q", "-p", "no:cacheprovider", "--rootdir", folder, "--basetemp", f"{top}/made"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", *words, folder],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TMPDIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("way", TRIAL)
def test_a_run_that_lets_something_out_fails_and_says_where(way: str) -> None:
    done = run(TRIAL[way].format(word=f"before {NUMBER} after"))
    assert done.returncode == 1, done.stdout
    assert "1 passed" in done.stdout and "LEAKED a document's number in" in done.stdout
    assert NUMBER not in done.stdout


def test_a_run_that_lets_nothing_out_passes() -> None:
    body = "print('9900****999X', '100****9999', '查****', 990000198001019991234)"
    done = run(body)
    assert done.returncode == 0 and "LEAKED" not in done.stdout, done.stdout


@pytest.mark.parametrize(("word", "kind"), [(NUMBER, 0), (PHONE, 1), (NAME, 2)])
def test_each_kind_is_known(word: str, kind: int) -> None:
    assert list(leaks.kinds(f"x {word},")) == [list(leaks.PLANTED)[kind]]


@pytest.mark.parametrize("words", ["查****", "1000****999", "113.10000001234", "查无此", "12345"])
def test_what_belongs_to_nobody_is_left_alone(words: str) -> None:
    assert list(leaks.kinds(words)) == ([] if words != "查无此" else ["a name"])
