"""Tiles on a disk that fills up: what was served is served, and the same command goes on.

The disk is a real one: a file system in memory, of a few megabytes, in a space of its own.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tiling.check.tileset import check

SIZE = 12
"""Megabytes of the disk."""

BUILDING = """
    INSERT INTO city.building (footprint, footprint_area, height, height_method, floors_above,
                               floors_method)
    SELECT ST_Multi(ST_MakeEnvelope(113.7 + n % 40 * 3e-3, 23 + n / 40 * 3e-3,
                                    113.7003 + n % 40 * 3e-3, 23.0003 + n / 40 * 3e-3, 4490)),
           900, 6, 'given', 2, 'given' FROM generate_series(1, 4000) n"""

ROOMS = (0, 12, 40, 100, 180)
"""Kilobytes that are left when a run begins: it breaks off somewhere else each time."""


SERVED = """
import sys
from hashlib import sha256
from pathlib import Path
from tiling.disk.folder import version_at
for path, file in version_at(Path(sys.argv[1]) / "tiles/buildings/current").files().items():
    print(path, sha256(file.read_bytes()).hexdigest())
"""


class Disk:
    """A file system of its own, which its `holder` keeps; `path` leads there from within."""

    def __init__(self, path: Path, settings: Settings) -> None:
        apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urm"]
        script = f'mount -t tmpfs -o size={SIZE}m none "$0" && echo ready && exec sleep 3600'
        path.mkdir()
        self.path, self.settings = path, settings
        self.holder = subprocess.Popen(
            [*apart, "sh", "-c", script, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert self.holder.stdout
        if self.holder.stdout.readline() != "ready\n":
            self.holder.communicate()
            pytest.skip("this machine lets nobody here mount a file system, so no disk can fill up")
        self.outside = Path(f"/proc/{self.holder.pid}/root{path}")
        """Where others see it."""

    def cim(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command whose data folder is on the disk."""
        return self.run(sys.executable, "-m", "cim", *words, **environment)

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A program that sees the disk."""
        found = {
            "CIM_DATABASE_URL": str(self.settings.database_url),
            "CIM_DATA_DIR": str(self.path),
        }
        enter = ["nsenter", "-t", str(self.holder.pid), "-m"]
        if os.geteuid():
            enter += ["-U", "--preserve-credentials"]
        return subprocess.run(
            [*enter, *words],
            env=os.environ | found | environment,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def leave(self, kilobytes: int) -> None:
        """Fill the disk but for so much."""
        ballast = self.outside / "ballast"
        ballast.unlink(missing_ok=True)
        room = os.statvfs(self.outside)
        ballast.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - kilobytes * 1024)))

    def free(self) -> None:
        (self.outside / "ballast").unlink(missing_ok=True)

    def served(self, folder: Path | None = None) -> str:
        """Every file of what is served, by its path and the digest of its content."""
        done = self.run(sys.executable, "-c", SERVED, str(folder or self.path))
        assert done.returncode == 0 and "tileset.json" in done.stdout, done.stderr
        return done.stdout

    def sound(self) -> bool:
        """Whether what is served is whole."""
        current = self.path / "tiles/buildings/current"
        done = self.cim("tile", "check", str(current), "--no-database", "--jobs", "1")
        return done.returncode == 0

    def mounted(self, how: str) -> None:
        assert self.run("mount", "-o", f"remount,{how}", str(self.path)).returncode == 0


@pytest.fixture(scope="module")
def disk(
    engine: Engine, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Disk]:
    with engine.begin() as connection:
        connection.execute(text(BUILDING))
    disk = Disk(tmp_path_factory.mktemp("disk") / "数据 of the city", settings)
    done = disk.cim("tile", "build", "--jobs", "1", "--tileset", "buildings")
    assert done.returncode == 0, done.stderr
    yield disk
    disk.holder.kill()
    disk.holder.communicate()


@pytest.fixture
def edited(disk: Disk, engine: Engine) -> None:
    """A city of which no tile is as it was."""
    disk.free()
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1"))


def refused(done: subprocess.CompletedProcess[str]) -> None:
    """A command ended with a sentence on the disk."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the disk is full" in done.stderr and "磁盘已满" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["build", "update"])
def test_a_run_that_finds_no_room_leaves_what_is_served_and_goes_on_when_there_is(
    disk: Disk, edited: None, command: str, tmp_path: Path
) -> None:
    words = ("tile", command, "--jobs", "1", "--tileset", "buildings")
    before, ended = disk.served(), 0
    for kilobytes in ROOMS:
        disk.leave(kilobytes)
        done = disk.cim(*words)
        if done.returncode == 0:
            break
        refused(done)
        ended += 1
        assert disk.served() == before and disk.sound()
    assert ended >= 3
    disk.free()
    done = disk.cim(*words)
    assert done.returncode == 0, done.stderr
    assert disk.served() != before and disk.sound()
    elsewhere = disk.cim(*words[:1], "build", *words[2:], CIM_DATA_DIR=str(tmp_path))
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert disk.served(tmp_path) == disk.served()


def test_an_archive_that_finds_no_room_is_not_there_and_the_one_before_stays(disk: Disk) -> None:
    disk.free()
    target = disk.outside / "city.3tz"
    words = ("tile", "export", "buildings", "--to", str(disk.path / "city.3tz"))
    for kilobytes in ROOMS[:3]:
        disk.leave(kilobytes)
        refused(disk.cim(*words))
        assert not list(disk.outside.glob("*city.3tz*"))
    disk.free()
    assert disk.cim(*words).returncode == 0
    before = target.read_bytes()
    assert check(target).faults == []
    disk.leave(40)
    refused(disk.cim(*words))
    assert target.read_bytes() == before


def test_a_data_folder_that_can_only_be_read_is_said_so(disk: Disk, edited: None) -> None:
    before = disk.served()
    disk.mounted("ro")
    try:
        for command in ("build", "update"):
            done = disk.cim("tile", command, "--jobs", "1", "--tileset", "buildings")
            assert done.returncode == 2, done.stdout + done.stderr
            assert "Traceback" not in done.stderr and "只读" in done.stderr, done.stderr
        assert disk.served() == before and disk.sound()
    finally:
        disk.mounted("rw")
    done = disk.cim("tile", "update", "--jobs", "1", "--tileset", "buildings")
    assert done.returncode == 0, done.stderr
    assert disk.served() != before and disk.sound()
