"""A city served as a user serves it, and a walk through it in a real browser."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cim.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
WALK = ROOT / "viewer" / "tests" / "browser" / "walk.mjs"
PICTURES = ROOT / "screenshots"
SEEN = ("--demo", "--no-worker", "--no-feeds")
"""How a city is served that is only looked at; with a worker files can be handed in too."""

WORKED = ("--demo", "--no-feeds")


@pytest.fixture(scope="module")
def environment(settings: Settings) -> dict[str, str]:
    """What leads a command to the module's database."""
    built = ROOT / "api" / "static" / "index.html"
    assert built.exists(), "the viewer is not built: make viewer"
    return os.environ | {
        "CIM_DATABASE_URL": str(settings.database_url),
        "CIM_DATA_DIR": str(settings.data_dir),
    }


@pytest.fixture(scope="module")
def cim(environment: dict[str, str]) -> Callable[..., str]:
    """Runs a command that must succeed, and gives what it printed."""

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cim", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    return run


@contextmanager
def serving(environment: dict[str, str], words: tuple[str, ...] = SEEN) -> Iterator[str]:
    """The address of a service on the module's city."""
    server = subprocess.Popen(
        [sys.executable, "-m", "cim", "serve", *words, "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout
    line = server.stdout.readline()
    try:
        assert line.startswith("open http://"), line
        yield line.removeprefix("open ").strip()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def walked(
    environment: dict[str, str], script: str, *words: str, serve: tuple[str, ...] = SEEN
) -> dict[str, Any]:
    """What a walk of viewer/tests/browser/ through the city, on a service of its own, reports."""
    node = shutil.which("node")
    assert node, "node is not on PATH: run the tests by `make test`, or `scripts/node pytest`"
    with serving(environment, serve) as origin:
        done = subprocess.run(
            [node, str(WALK.with_name(script)), origin, str(PICTURES), *words],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


@pytest.fixture(scope="module")
def walk(environment: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """Walks through the city, or clicks on one building's wall, and says what was seen."""
    return lambda *only: walked(environment, WALK.name, *map(str, only))
