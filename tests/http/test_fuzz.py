"""The running service, tried by schemathesis with what its descriptions allow and what they do not.

A short run by default; `make fuzz` makes it a long one, with new examples (CIM_FUZZ of a route).
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cim.settings import Settings
from tests.http.conftest import KEYS
from tests.served import serving

EXAMPLES = int(os.environ.get("CIM_FUZZ", "0"))
FUZZ = Path(__file__).parent / "fuzz"


@pytest.fixture(scope="module")
def address(city: Settings) -> Iterator[str]:
    with serving(city, "--no-worker") as (_, address):
        yield address


SHORT = {
    "/openapi.json": [],
    "/ogc/api": ["--include-path-regex", "^/(tiles|api)?$|/(units|devices)"],
}
"""What of a description a short run leaves out: collections are all of one make."""


@pytest.mark.parametrize(
    ("document", "holder"),
    [
        ("/openapi.json", "data-and-people"),
        ("/ogc/api", None),
        *([("/openapi.json", None), ("/ogc/api", "data-and-people")] if EXAMPLES else []),
    ],
)
def test_no_request_leads_to_a_fault_or_to_an_answer_that_is_not_described(
    address: str, document: str, holder: str | None, tmp_path: Path
) -> None:
    """Both descriptions, by who may do much; in a long run by nobody and everybody, and one
    question after the other with what the first was answered."""
    phases = ["examples", "coverage", "fuzzing", *(["stateful"] if EXAMPLES else [])]
    asked = ["--max-examples", str(EXAMPLES or 1), "--phases", ",".join(phases)]
    if not EXAMPLES:
        asked += ["--generation-deterministic", "--seed", "1", *SHORT[document]]
    if holder:
        asked += ["-H", f"Authorization: Bearer {KEYS[holder][0]}", "-H", "X-Purpose: emergency"]
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("st")), "--config-file"),
            *(str(FUZZ / "schemathesis.toml"), "run", address + document, "--no-color", *asked),
        ],
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": str(FUZZ / "hooks.py")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
