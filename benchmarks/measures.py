"""What every benchmark shares: a city of its own, a watch on time and memory, results."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psutil
import psycopg

from cim.settings import Settings
from cim.store import engine
from sample_data import places
from sample_data.files import write_layer
from sample_data.make import LAYERS

RESULTS = Path(__file__).parent / "results"
"""Where results are written; not part of the repository."""

EVERY = 0.2
"""Seconds between two looks at the memory; a look takes the processor some hundredths."""


@dataclass(frozen=True)
class Measure:
    """One line of a result; a peer without a value says why in its name."""

    measure: str
    value: float
    unit: str
    aim: float | None = None
    better: str = "lower"
    peer: str | None = None
    peer_value: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.better == "lower" else self.value >= self.aim


@dataclass
class Watch:
    """Seconds passed, and the peak of the memory of all processes together, the database's too.

    `peak` is the sum of PSS: pages that several processes share are divided among them, so that
    every page counts once, PostgreSQL's cache of table pages included.  That cache fills up to its
    setting however a program reads; `own` leaves it out: it is the sum of anonymous memory, what
    the processes asked for themselves, and what must not grow with a file.
    """

    roots: list[int]
    seconds: float = 0.0
    peak: int = 0
    own: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        """Start looking."""
        self._began = time.perf_counter()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self.seconds = time.perf_counter() - self._began
        self._done.set()
        self._thread.join()

    def measures(self, of: str = "") -> "list[Measure]":
        """Both peaks in MB, as lines of a result."""
        suffix = f", {of}" if of else ""
        return [
            Measure(f"peak memory, all processes (PSS){suffix}", self.peak / 1e6, "MB"),
            Measure(f"peak memory without the database's cache{suffix}", self.own / 1e6, "MB"),
        ]

    def _look(self) -> None:
        while True:
            processes = list(tree(self.roots))
            self.peak = max(self.peak, sum(pss(process) for process in processes))
            self.own = max(self.own, sum(anonymous(process) for process in processes))
            if self._done.wait(EVERY):
                return


def growth(large: Watch, quarter: Watch) -> Measure:
    """How much more memory four times the data take, the database's cache left out."""
    return Measure(
        "memory growth from a quarter, without cache", large.own / quarter.own, "×", 1.25
    )


def tree(roots: Iterable[int]) -> Iterator[psutil.Process]:
    """The processes by these ids and all they started."""
    for root in roots:
        with _gone():
            process = psutil.Process(root)
            yield process
            yield from process.children(recursive=True)


def pss(process: psutil.Process) -> int:
    """Proportional set size in bytes; 0 once the process has gone."""
    with _gone():
        return int(process.memory_full_info().pss)
    return 0


def anonymous(process: psutil.Process) -> int:
    """Anonymous resident memory in bytes; 0 once the process has gone."""
    with _gone():
        status = Path(f"/proc/{process.pid}/status").read_text()
        lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
        return int(lines[0].split()[1]) * 1024 if lines else 0
    return 0


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied, OSError):
        return


@dataclass(frozen=True)
class City:
    """A data folder and database of the benchmark's own."""

    folder: Path

    @property
    def settings(self) -> Settings:
        """Settings that lead to it."""
        return Settings(_env_file=None, data_dir=self.folder, demo=True)

    @property
    def url(self) -> str:
        """Its database."""
        return engine.url(self.settings)

    @property
    def postmaster(self) -> int:
        """The database server's first process."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SHOW data_directory").fetchone()
        assert found is not None
        return int((Path(found[0]) / "postmaster.pid").read_text().split()[0])

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a `cim` command as a user would."""
        env = os.environ | {"CIM_DATA_DIR": str(self.folder)}
        env.pop("CIM_DATABASE_URL", None)
        with (self.folder / "commands.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "cim", *words], env=env, stdout=log, stderr=log
            )

    def run(self, *words: str, database: bool = True, ends: Collection[int] = (0,)) -> Watch:
        """Run a `cim` command to its end under a watch; its output goes to commands.log.

        Without `database` only the command's own processes are watched.  Raises ClickException
        where it ends with a code that is none of `ends`.
        """
        watched = [self.postmaster] if database and words[0] != "db" else []
        process = self.start(*words)
        with Watch([process.pid, *watched]) as watch:
            code = process.wait()
        if code not in ends:
            raise click.ClickException(
                f"cim {' '.join(words)} ended with {code}:\n{self.said()[-3000:]}"
            )
        return watch

    def said(self) -> str:
        """All that the commands have said."""
        return (self.folder / "commands.log").read_text(errors="replace")

    def one(self, statement: str) -> float:
        """The single number a statement gives."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return float(row[0])


@contextmanager
def city() -> Iterator[City]:
    """A city whose database is made, started, and thrown away at the end."""
    with TemporaryDirectory(prefix="cimtwin-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database server may run as another user
        found = City(folder)
        found.run("db", "start")
        try:
            yield found
        finally:
            found.run("db", "stop")


def footprints(folder: Path, size: int) -> Path:
    """A GeoPackage of that many footprints of the sample city."""
    path = folder / "buildings.gpkg"
    path.unlink(missing_ok=True)
    layer = LAYERS["buildings"]
    write_layer(path, layer.rows(places.lay_out(size, 7)), layer.kind)
    return path


def keep(name: str, size: int, measures: list[Measure]) -> Path:
    """Write a result as JSON and show it as a table."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{size}.json"
    path.write_text(
        json.dumps([asdict(measure) for measure in measures], indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    width = max(len(measure.measure) for measure in measures)
    for m in measures:
        aim = "" if m.aim is None else f"  aim {_shown(m.aim)} {'met' if m.met else 'MISSED'}"
        value = "" if m.peer_value is None else f" {_shown(m.peer_value)}"
        peer = "" if m.peer is None else f"  · {m.peer}{value}"
        click.echo(f"{m.measure:{width}} {_shown(m.value):>12} {m.unit:8}{aim}{peer}")
    return path


def _shown(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:,.4g}"
