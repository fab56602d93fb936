"""Every decoder, tried with bytes that grow towards what it has not done yet.

CIM_FUZZ times a thousand tries each: 5 here, 100 and more by `make fuzz`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cim.feeds.decoders import DECODERS

ROOT = Path(__file__).resolve().parents[3]
TRIES = 1_000 * int(os.environ.get("CIM_FUZZ", "5"))


@pytest.mark.parametrize("name", [*DECODERS, "tables"])
def test_no_bytes_make_a_decoder_raise(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "tests/fuzzing.py", name, str(tmp_path / "corpus")]
    tried = subprocess.run(
        [*command, f"-runs={TRIES}", "-seed=1"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert tried.returncode == 0, tried.stderr[-3000:]
