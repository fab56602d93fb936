"""tipg beside us: the same table of buildings, the same boxes and pages, over HTTP.

It runs in an environment of its own (.setup/bench-venv), on the database of the run.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import click

from benchmarks.asking import free_port
from benchmarks.measures import City

PROGRAM = Path(__file__).parents[1] / ".setup" / "bench-venv" / "bin" / "uvicorn"
ITEMS = "/collections/city.building/items"


@contextmanager
def tipg(here: City) -> Iterator[int]:
    """The port at which tipg answers of the schema city; ClickException where it is missing."""
    if not PROGRAM.exists():
        raise click.ClickException("tipg is not installed, run make .setup/bench")
    where = urlsplit(here.url)
    socket = parse_qs(where.query).get("host", [""])[0]
    host = quote(socket, safe="") if socket else where.netloc.rpartition("@")[2]
    env = os.environ | {
        "DATABASE_URL": f"postgresql://{where.username}@{host}{where.path}",
        "TIPG_DB_SCHEMAS": '["city"]',
        "TIPG_DB_TABLES": '["city.building"]',
        "TIPG_DB_EXCLUDE_FUNCTION_SCHEMAS": '["city", "public"]',
    }
    port = free_port()
    with (here.folder / "tipg.log").open("ab") as log:
        server = subprocess.Popen(
            [PROGRAM, "tipg.main:app", "--port", str(port), "--log-level", "warning"],
            env=env,
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)
