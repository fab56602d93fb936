"""What reads models and meshes in a process of its own begins at once, and knows no database."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["cim.load.models.reading", "cim.load.meshes.reading"])
def test_a_child_that_reads_a_file_imports_nothing_of_the_store(module: str) -> None:
    asked = (
        f"import sys, {module}; print([n for n in sys.modules if n in ('sqlalchemy', 'psycopg')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
