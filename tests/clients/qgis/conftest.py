"""A service on a sample city, the way to it, and QGIS.

What stands in `inside` runs in another system's Python, by QGIS: it is not collected here.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cim.settings import Settings
from sample_data.make import make
from tests.accounts import administrators
from tests.clients.qgis.recording import Request, recording
from tests.served import environment, serving

HERE = Path(__file__).parent
collect_ignore = ["inside"]


@pytest.fixture(scope="module")
def way(
    settings: Settings, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[Request]]]:
    """The address of a service on a sample city, and what was asked of it."""
    folder = tmp_path_factory.mktemp("city")
    make(folder, 1600)
    load = [sys.executable, "-m", "cim", "load", "city", str(folder), "--quiet"]
    done = subprocess.run(
        load, env=environment(settings), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    administrators(engine)
    with serving(settings, "--no-worker") as (_, origin), recording(origin) as (address, seen):
        yield address, seen


@pytest.fixture(scope="session")
def ran() -> Callable[..., dict[str, Any]]:
    """What a script found that runs in QGIS: its name, and what it is told."""

    def run(script: str, *words: str) -> dict[str, Any]:
        command = [str(HERE / "debian"), "python3", script, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run
