"""The first start of a city: nobody has an account, nor any password."""

import subprocess
import sys
from pathlib import Path

from cim.settings import Settings
from tests.http.test_serve import environment


def test_a_city_without_administrators_is_told_how_to_make_them_and_no_link_is_logged(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "access.json").write_text("[]")
    bare = settings.model_copy(update={"data_dir": tmp_path})
    known = environment(bare)
    process = subprocess.Popen(
        [sys.executable, "-m", "cim", "serve", "--port", "0", "--no-worker"],
        env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        said = "".join(process.stdout.readline() for _ in range(5))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert "cim user first" in said and "#link=" not in said
    assert "cim key import" in said  # what an earlier version read is spoken of
