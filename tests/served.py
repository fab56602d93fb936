"""The service as a process of its own, for tests that need what only a process has."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cim.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """What tells a command of a test of its database and folder."""
    return os.environ | {
        "CIM_DATABASE_URL": str(settings.database_url),
        "CIM_DATA_DIR": str(settings.data_dir),
    }


@contextmanager
def serving(
    settings: Settings, *words: str, feeds: bool = False, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running service on any free port, and its address as it announced it."""
    words = words if feeds else (*words, "--no-feeds")
    process = subprocess.Popen(
        [sys.executable, "-m", "cim", "serve", "--port", "0", *words],
        env=environment(settings) | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        if "administrators" in line:  # a city that has none yet is told how to make them
            assert "cim user first" in process.stdout.readline()
            line = process.stdout.readline()
        found = re.fullmatch(r"open (http://127\.0\.0\.1:\d+)\n", line)
        assert found, line
        assert "请在浏览器中打开" in process.stdout.readline()
        yield process, found[1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
