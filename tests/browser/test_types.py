"""The viewer's types are the service's: what is generated from it is what is committed."""

import subprocess
import sys
from pathlib import Path

VIEWER = Path(__file__).resolve().parents[2] / "viewer"


def test_the_viewers_types_are_those_of_the_service_today(tmp_path: Path) -> None:
    document, made = tmp_path / "openapi.json", tmp_path / "schema.d.ts"
    with document.open("wb") as file:
        subprocess.run([sys.executable, "scripts/openapi.py"], cwd=VIEWER, stdout=file, check=True)
    subprocess.run(
        ["node", "node_modules/.bin/openapi-typescript", str(document), "-o", str(made)],
        cwd=VIEWER,
        check=True,
        capture_output=True,
    )
    committed = VIEWER / "src" / "api" / "schema.d.ts"
    assert made.read_text("utf-8") == committed.read_text("utf-8"), "run `npm run types`"
