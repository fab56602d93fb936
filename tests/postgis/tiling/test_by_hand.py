"""Tilesets that somebody changed by hand: the check says so, and a full build puts them right."""

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from time import time

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from cim.cli import main
from cim.settings import Settings
from tiling.city.layers import BUILDINGS
from tiling.disk.folder import CURRENT, KEPT, NOTE, version_at
from tiling.run.build import build
from tiling.run.update import update

BUILDING = """
    INSERT INTO city.building (footprint, footprint_area, height, height_method, floors_above,
                               floors_method)
    SELECT ST_Multi(ST_MakeEnvelope(113.7 + n % 40 * 2e-3, 23 + n / 40 * 2e-3,
                                    113.7003 + n % 40 * 2e-3, 23.0003 + n / 40 * 2e-3, 4490)),
           900, 6, 'given', 2, 'given' FROM generate_series(1, 2500) n"""

Cim = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    with engine.begin() as connection:
        connection.execute(text(BUILDING))
    return settings


@pytest.fixture
def tiles(city: Settings, engine: Engine) -> Path:
    """The folder of a tileset whose served version holds only what differs from another."""
    folder = city.tiles_dir / "buildings"
    shutil.rmtree(folder, ignore_errors=True)
    build(city, engine, BUILDINGS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id = 7"))
    update(city, engine, BUILDINGS)
    assert len(version_at(folder / CURRENT).steps) == 2
    return folder


@pytest.fixture
def cim(city: Settings, monkeypatch: pytest.MonkeyPatch) -> Cim:
    monkeypatch.setenv("CIM_DATABASE_URL", str(city.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["tile", *words, "--jobs", "1"])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    return run


def files(folder: Path) -> dict[str, bytes]:
    found = version_at(folder / CURRENT).files()
    return {path: file.read_bytes() for path, file in found.items()}


def file(folder: Path, ending: str) -> Path:
    """The largest file with that ending of the version that is served."""
    found = version_at(folder / CURRENT).files()
    return max(
        (path for name, path in found.items() if name.endswith(ending)),
        key=lambda path: path.stat().st_size,
    )


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def bits_flipped(path: Path) -> None:
    (text_length,) = struct.unpack_from("<Q", path.read_bytes(), 8)
    flipped(path, 24 + text_length)


def a_folder_at(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cut(folder: Path) -> None:
    (folder / CURRENT).unlink()


def astray(folder: Path) -> None:
    cut(folder)
    (folder / CURRENT).symlink_to("nowhere")


def in_a_circle(folder: Path) -> None:
    cut(folder)
    (folder / CURRENT).symlink_to(CURRENT)


def a_folder(folder: Path) -> None:
    cut(folder)
    (folder / CURRENT).mkdir()


def a_copy(folder: Path) -> None:
    """As some copying programs leave links: a folder, here with a file too little."""
    whole = files(folder)
    cut(folder)
    for path, content in whole.items():
        if not path.endswith(".subtree"):
            (folder / CURRENT / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / CURRENT / path).write_bytes(content)


def base(folder: Path) -> Path:
    return version_at(folder / CURRENT).steps[1].folder


BY_HAND: dict[str, Callable[[Path], object]] = {
    "a content changed": lambda f: flipped(file(f, ".glb"), -300),
    "a content cut short": lambda f: os.truncate(file(f, ".glb"), 1000),
    "a content gone": lambda f: file(f, ".glb").unlink(),
    "a content that is a folder": lambda f: a_folder_at(file(f, ".glb")),
    "a gzip file changed": lambda f: flipped(file(f, ".glb.gz"), 30),
    "a subtree's bits changed": lambda f: bits_flipped(file(f, ".subtree")),
    "a subtree gone": lambda f: file(f, ".subtree").unlink(),
    "tileset.json edited": lambda f: file(f, "tileset.json").write_text('{"asset": {}}'),
    "tileset.json emptied": lambda f: os.truncate(file(f, "tileset.json"), 0),
    "tileset.json gone": lambda f: file(f, "tileset.json").unlink(),
    "the note is nonsense": lambda f: (f / CURRENT / NOTE).write_text("]["),
    "the note is of another shape": lambda f: (f / CURRENT / NOTE).write_text("[1]"),
    "the note leads nowhere": lambda f: (f / CURRENT / NOTE).write_text(
        '{"base": "nowhere", "gone": [], "terms": "", "anew": false}'
    ),
    "the note leads to itself": lambda f: (f / CURRENT / NOTE).write_text(
        f'{{"base": "{os.readlink(f / CURRENT)}", "gone": [], "terms": "", "anew": false}}'
    ),
    "the note is gone": lambda f: (f / CURRENT / NOTE).unlink(),
    "the version below is gone": lambda f: shutil.rmtree(base(f)),
    "the link is gone": cut,
    "the link leads nowhere": astray,
    "the link leads to itself": in_a_circle,
    "the link is a folder": a_folder,
    "the link is a copy of what it led to": a_copy,
    "everything but the versions": lambda f: [
        path.unlink() for path in f.iterdir() if not path.is_dir() or path.is_symlink()
    ],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_was_done_by_hand_is_found_and_put_right(tiles: Path, cim: Cim, name: str) -> None:
    before = files(tiles)
    assert cim("check")[0] == 0
    BY_HAND[name](tiles)
    code, said = cim("check")
    assert code == 1, said
    code, said = cim("build", "--tileset", "buildings")
    assert code == 0, said
    assert files(tiles) == before
    code, said = cim("check")
    assert code == 0, said


@pytest.mark.parametrize("name", list(BY_HAND)[1::3])
def test_an_update_bears_it_too(tiles: Path, engine: Engine, cim: Cim, name: str) -> None:
    """Whatever was done, the next update ends well or with a sentence, and a build rights all."""
    BY_HAND[name](tiles)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id = 2000"))
    code, said = cim("update", "--tileset", "buildings")
    assert code in (0, 2) and "a fault of this program" not in said, said
    code, said = cim("build", "--tileset", "buildings")
    assert code == 0, said
    code, said = cim("check")
    assert code == 0, said


def test_a_tileset_that_was_taken_away_is_missed(tiles: Path, cim: Cim) -> None:
    shutil.rmtree(tiles)
    code, said = cim("check")
    assert code != 0 and "buildings" in said, said
    assert cim("build", "--tileset", "buildings")[0] == 0
    assert cim("check")[0] == 0


def test_a_clock_that_goes_back_takes_no_version_from_a_visit(
    tiles: Path, city: Settings, engine: Engine
) -> None:
    visits = []
    for days in (2, 30, -1):  # what was replaced is dated ahead, or long ago
        visits.append((tiles / CURRENT).resolve())
        with engine.begin() as connection:
            connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id = 9"))
        update(city, engine, BUILDINGS)
        then = time() + days * 86_400
        os.utime(visits[-1], (then, then))
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id = 9"))
    update(city, engine, BUILDINGS)
    assert all((visit / "tileset.json").is_file() for visit in visits[:2])
    for visit in visits[:2]:
        version = version_at(visit)
        assert all(step.folder.is_dir() for step in version.steps)
        assert np.all([path.is_file() for path in version.files().values()])
    assert KEPT < 86_400
