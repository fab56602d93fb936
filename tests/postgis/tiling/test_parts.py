"""Parts of the city as tilesets of their own: the buildings that were asked for, kept true."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from api.tilesets.making import Maker
from cim.crs.geoid import geoid
from cim.errors import CimError
from cim.settings import Settings
from tests.postgis.tiling.test_update import anew, files, insert, sql
from tiling.check.census import compare
from tiling.check.reading import read_glb
from tiling.check.tileset import check
from tiling.city import parts
from tiling.city.layers import LAYERS, Layer
from tiling.commands.following import bring_up
from tiling.commands.tile import tile
from tiling.disk import combined
from tiling.disk.folder import version_at
from tiling.run.build import build
from tiling.run.update import outdated, update

COUNT = 60

BOX = (113.76, 23.01, 113.79, 23.05)

TOWN = shapely.Polygon([(113.75, 23.0), (113.80, 23.0), (113.75, 23.06)])

PLACES = f"""
INSERT INTO city.admin_area (code, level, name, short_name, geom)
VALUES ('441900003', 4, '莞城街道', '莞城', ST_Multi(ST_GeomFromText('{TOWN.wkt}', 4490))),
       ('441900004', 4, '东城街道', '东城', NULL);
INSERT INTO city.grid (code, kind, geom)
VALUES ('G-17', '综合网格', ST_Multi(ST_MakeEnvelope(113.75, 23.0, 113.77, 23.02, 4490)));
INSERT INTO city.estate (name, aliases, geom)
VALUES ('湖畔花园', '{{Lakeside}}', ST_Multi(ST_MakeEnvelope(113.77, 23.0, 113.8, 23.03, 4490))),
       ('东湖', NULL, ST_Multi(ST_MakeEnvelope(113.77, 23.0, 113.78, 23.03, 4490))),
       ('东湖', NULL, ST_Multi(ST_MakeEnvelope(113.78, 23.0, 113.79, 23.03, 4490)));
"""


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    insert(engine, settings, COUNT)
    sql(engine, PLACES.replace(":", "\\:"))
    sql(engine, "UPDATE city.building SET state = 'under_construction' WHERE id % 7 = 0")
    sql(engine, "UPDATE city.building SET state = 'planned' WHERE id % 11 = 0")
    sql(engine, "UPDATE city.building SET state = 'demolished' WHERE id % 13 = 0")
    for layer in LAYERS.values():
        build(settings, engine, layer)
    return settings


@pytest.fixture
def cim(city: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `cim tile`."""
    monkeypatch.setenv("CIM_DATABASE_URL", str(city.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    return lambda *words: CliRunner().invoke(tile, words)


def built(city: Settings, engine: Engine, cim: Callable[..., Result], *words: str) -> Layer:
    """The part that a build with these words made, the first that it told of."""
    done = cim("build", "--jobs", "1", *words)
    assert done.exit_code == 0, (done.output, done.exception)
    with engine.connect() as connection:
        return parts.known(connection, done.output.split(":")[0])


def ids(settings: Settings, layer: Layer, column: str = "id") -> set[int]:
    found = contents(settings, layer)
    return {one for path in found for one in read_glb(path).column(column).tolist()}


def contents(settings: Settings, layer: Layer) -> list[Path]:
    found = version_at(settings.tiles_dir / layer.name / "current").files()
    return [file for path, file in found.items() if path.endswith(".glb")]


def true(engine: Engine, outline: shapely.Geometry, *states: str) -> set[int]:
    """The buildings in these states, or that are there, with the middle of their box inside."""
    with engine.connect() as connection:
        asked = "SELECT id, state, ST_AsBinary(footprint) FROM city.building WHERE ended_at IS NULL"
        rows = connection.execute(text(asked))
        return {
            row[0]
            for row in rows.all()
            if row[1] in (states or ("existing", "under_construction", "partly_demolished"))
            and outline.covers(shapely.box(*shapely.from_wkb(bytes(row[2])).bounds).centroid)
        }


EVERYWHERE = shapely.box(-180, -90, 180, 90)
GRID = shapely.box(113.75, 23.0, 113.77, 23.02)
LAKESIDE = shapely.box(113.77, 23.0, 113.8, 23.03)

ASKED: dict[str, tuple[tuple[str, ...], shapely.Geometry, tuple[str, ...]]] = {
    "buildings-113.76_23.01_113.79_23.05": (
        ("--bbox", ",".join(map(str, BOX))),
        shapely.box(*BOX),
        (),
    ),
    "buildings-441900003": (("--area", "441900003000"), TOWN, ()),
    "town": (("--area", "莞城", "--as", "town"), TOWN, ()),
    "buildings-grid-1": (("--area", "G-17"), GRID, ()),
    "buildings-estate-1": (("--area", "Lakeside"), LAKESIDE, ()),
    "buildings-under_construction": (("--state", "在建"), EVERYWHERE, ("under_construction",)),
    "buildings-441900003-planned-existing": (
        ("--area", "441900003", "--state", "existing,planned"),
        TOWN,
        ("existing", "planned"),
    ),
    "planned-441900003": (
        ("--area", "441900003", "--tileset", "planned"),
        TOWN,
        ("planned",),
    ),
    "torn": (("--state", "demolished", "--as", "torn"), EVERYWHERE, ("demolished",)),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_part_holds_the_buildings_that_were_asked_for(
    city: Settings, engine: Engine, cim: Callable[..., Result], name: str
) -> None:
    words, outline, states = ASKED[name]
    wanted = true(engine, outline, *states)
    assert 0 < len(wanted) < COUNT
    before = {layer.name: files(city, layer) for layer in LAYERS.values()}
    part = built(city, engine, cim, *words)
    assert part.name == name and ids(city, part) == wanted
    assert {layer.name: files(city, layer) for layer in LAYERS.values()} == before
    report = check(city.tiles_dir / name / "current")
    assert report.faults == [] and report.titles == [name]
    with engine.connect() as connection:
        assert compare(connection, name, report, geoid(city)) == []


def test_units_and_basements_have_parts_too(
    city: Settings, engine: Engine, cim: Callable[..., Result]
) -> None:
    part = built(city, engine, cim, "--area", "441900003", "--tileset", "units")
    assert part.name == "units-441900003"
    assert ids(city, part, "building_id") == true(engine, TOWN)
    report = check(city.tiles_dir / part.name / "current")
    with engine.connect() as connection:
        assert compare(connection, part.name, report, geoid(city)) == []


@pytest.fixture(params=["buildings", "units"])
def part(
    request: pytest.FixtureRequest, city: Settings, engine: Engine, cim: Callable[..., Result]
) -> Layer:
    words = ("--area", "441900003", "--state", "existing", "--tileset", str(request.param))
    return built(city, engine, cim, *words, "--as", f"town-{request.param}")


@pytest.fixture(autouse=True)
def same_city(city: Settings, engine: Engine) -> Iterator[None]:
    """What a test does to buildings and areas is undone after it."""
    kept = {"building": "height, footprint, state, ended_at", "admin_area": "geom, name, ended_at"}
    for table in kept:
        sql(engine, f"CREATE TABLE kept_{table} AS SELECT * FROM city.{table}")
    yield
    for table, columns in kept.items():
        old = ", ".join(f"s.{column.strip()}" for column in columns.split(","))
        put = f"UPDATE city.{table} t SET ({columns}) = ({old}) FROM kept_{table} s"
        sql(engine, f"{put} WHERE s.id = t.id; DROP TABLE kept_{table}")


def member(engine: Engine, part: Layer) -> int:
    with engine.connect() as connection:
        first = "SELECT min(building_id) FROM platform.tile_member WHERE tileset = :name"
        return int(connection.execute(text(first), {"name": part.name}).scalar_one())


EDITS = {
    "it grows": "UPDATE city.building SET height = height + 7 WHERE id = :one",
    "it is moved out of the area": (
        "UPDATE city.building SET footprint = ST_Translate(footprint, 0.05, 0.05) WHERE id = :one"
    ),
    "another is moved into it": (
        "UPDATE city.building b SET footprint = ST_Translate(footprint,"
        " 113.753 - ST_XMin(footprint), 23.003 - ST_YMin(footprint)) WHERE id = (SELECT max(id)"
        " FROM city.building WHERE state = 'existing' AND ST_XMin(footprint) > 113.79)"
    ),
    "its state changes": ("UPDATE city.building SET state = 'partly_demolished' WHERE id = :one"),
    "one of another state comes to be": (
        "UPDATE city.building SET state = 'existing' WHERE state = 'under_construction'"
    ),
    "it is more": "UPDATE city.building SET ended_at = now() WHERE id = :one",
    "the area's border moves": (
        "UPDATE city.admin_area SET geom = ST_Translate(geom, 0.01, 0.01) WHERE code = '441900003'"
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_updates_keep_a_part_true(
    city: Settings, engine: Engine, part: Layer, edit: str, tmp_path: Path
) -> None:
    before, one = files(city, part), member(engine, part)
    assert update(city, engine, part).changed == 0
    sql(engine, EDITS[edit], **({"one": one} if ":one" in EDITS[edit] else {}))
    assert outdated(engine, part)
    update(city, engine, part)
    assert files(city, part) == anew(city, engine, part, tmp_path)
    assert (files(city, part) == before) == (edit == "it grows" and part.base == "units")
    with engine.connect() as connection:
        outline = connection.execute(
            text("SELECT ST_AsBinary(geom) FROM city.admin_area WHERE code = '441900003'")
        ).scalar_one()
    assert ids(city, part, part.owner) == true(engine, shapely.from_wkb(bytes(outline)), "existing")


def test_what_the_area_has_nothing_to_do_with_touches_no_part(
    city: Settings, engine: Engine, part: Layer
) -> None:
    sql(engine, "UPDATE city.admin_area SET name = name || '办事处'")
    sql(engine, "UPDATE city.building SET name = '三栋'")
    assert outdated(engine, part) == []


def test_an_area_that_is_no_more_leaves_an_empty_part(
    city: Settings, engine: Engine, part: Layer
) -> None:
    sql(engine, "UPDATE city.admin_area SET ended_at = now() WHERE code = '441900003'")
    update(city, engine, part)
    assert contents(city, part) == []
    sql(engine, "UPDATE city.admin_area SET ended_at = NULL WHERE code = '441900003'")
    update(city, engine, part)
    assert contents(city, part)


def test_whoever_follows_the_city_brings_parts_up(
    city: Settings, engine: Engine, part: Layer
) -> None:
    sql(
        engine, "UPDATE city.building SET height = height + 1 WHERE id = :i", i=member(engine, part)
    )
    told: list[Any] = []
    bring_up(city, engine, 1, [part.name, "gone"], told.append)
    assert [one.name for one in told] == [part.name]
    assert outdated(engine, part) == []


def test_the_root_of_all_leaves_parts_out(city: Settings, part: Layer) -> None:
    assert f"{part.name}/current/tileset.json" not in combined.write(city.tiles_dir).read_text()
    assert part.name not in combined.standing(city.tiles_dir)


def test_tiles_of_a_part_are_made_when_they_are_asked_for(
    city: Settings, engine: Engine, part: Layer
) -> None:
    maker = Maker(engine, geoid(city), city.tiles_dir)
    paths = [path for path in files(city, part) if path.endswith(".glb")]
    before = files(city, part)

    async def ask(name: str) -> list[Any]:
        return [await maker.get(name, path) for path in paths]

    made = asyncio.run(ask(part.name))
    assert [one.plain for one in made] == [before[path] for path in paths]
    assert asyncio.run(ask("no-such-part")) == [None] * len(paths)


def test_a_part_can_be_handed_out(
    city: Settings, part: Layer, cim: Callable[..., Result], tmp_path: Path
) -> None:
    target = tmp_path / "part.3tz"
    assert cim("export", part.name, "--to", str(target)).exit_code == 0
    report = check(target)
    assert report.faults == [] and report.titles == [part.name]


def test_the_check_holds_it_against_the_database(
    city: Settings, engine: Engine, part: Layer, cim: Callable[..., Result]
) -> None:
    words = ("check", "--jobs", "1", "--no-khronos", str(city.tiles_dir / part.name / "current"))
    done = cim(*words)
    assert done.exit_code == 0 and "已与数据库核对" in done.output, done.output
    sql(engine, "UPDATE city.building SET state = 'planned' WHERE id = :i", i=member(engine, part))
    wrong = cim(*words)
    assert wrong.exit_code == 1 and "[ids]" in wrong.output


def test_it_is_listed_with_what_it_is(
    city: Settings, part: Layer, cim: Callable[..., Result]
) -> None:
    (line,) = [row for row in cim("list").output.splitlines() if row.startswith(f"{part.name} ")]
    assert f"part of {part.base}: area 441900003 莞城街道" in line
    assert f"{part.base} 的一部分：行政区 441900003 莞城街道" in line and "现状" in line


def test_build_and_update_know_parts_by_name(
    city: Settings, engine: Engine, part: Layer, cim: Callable[..., Result]
) -> None:
    sql(
        engine, "UPDATE city.building SET height = height + 1 WHERE id = :i", i=member(engine, part)
    )
    told = cim("update", "--tileset", part.name).output
    assert told.startswith(f"{part.name}: ") and len(told.splitlines()) == 1
    assert cim("build", "--jobs", "1", "--tileset", part.name).output.startswith(part.name)
    every = cim("update", "--dry-run").output
    assert f"{part.name}: 0 tiles" in every and "buildings: " in every


def test_a_dry_run_says_how_many_and_leaves_nothing(
    city: Settings, engine: Engine, cim: Callable[..., Result]
) -> None:
    done = cim("build", "--jobs", "1", "--state", "existing", "--as", "dry", "--dry-run")
    count = len(true(engine, EVERYWHERE, "existing"))
    assert done.exit_code == 0
    assert f"dry: {count} buildings, part of buildings: existing" in done.output
    assert "nothing was written" in done.output
    assert not (city.tiles_dir / "dry").exists() and "dry" not in cim("list").output


WRONG = {
    ("--bbox", "113.7,23.0,113.8"): "four numbers are wanted",
    ("--bbox", "west,23.0,113.8,24"): "four numbers are wanted",
    ("--bbox", "nan,23.0,113.8,24"): "four numbers are wanted",
    ("--bbox", "23.0,113.7,23.1,113.8"): "longitude comes before latitude",
    ("--bbox", "113.8,23.0,113.7,23.1"): "west 113.8 is not west of east 113.7",
    ("--bbox", "113.7,23.1,113.8,23.0"): "south 23.1 is not south of north 23",
    ("--bbox", "113.7,23.0,113.7,23.1"): "west 113.7 is not west of east 113.7",
    ("--bbox", "10,50,11,51"): "no building is in it: part of buildings: 10, 50, 11, 51°",
    ("--area", "999999"): "no administrative area, grid or estate is called '999999'",
    ("--area", "'; DROP TABLE city.building; --"): "no administrative area",
    ("--area", "东湖"): "say which: estate:2  东湖, estate:3  东湖",
    ("--area", "东城"): "东城街道 441900004 has no outline",
    ("--state", "ruined"): "ruined is no state of a building: planned, under_construction",
    ("--state", ""): "nothing is no state",
    ("--state", "existing", "--tileset", "planned"): "planned is of one state",
    ("--state", "existing", "--tileset", "terrain"): "a part is one of buildings, units",
    ("--state", "existing", "--as", "../../etc"): "a part cannot be called",
    ("--state", "existing", "--as", "units"): "a part cannot be called",
    ("--as", "mine"): "--as names a part",
    ("--tileset", "nonsense"): "there is no tileset nonsense: there are buildings",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_what_cannot_be_is_said_in_two_languages(
    city: Settings, cim: Callable[..., Result], words: tuple[str, ...]
) -> None:
    before = {path.name for path in city.tiles_dir.iterdir()}
    done = cim("build", "--jobs", "1", *words)
    assert isinstance(done.exception, CimError), done.output
    assert WRONG[words] in str(done.exception)
    assert done.exception.zh != str(done.exception)
    assert {path.name for path in city.tiles_dir.iterdir()} == before


def test_a_name_is_one_parts_alone(city: Settings, part: Layer, cim: Callable[..., Result]) -> None:
    done = cim("build", "--jobs", "1", "--state", "existing", "--as", part.name)
    assert "there is another tileset" in str(done.exception)
    one_of_two = cim("build", "--area", "东湖", "--as", "x", "--jobs", "1")
    assert one_of_two.exit_code == 1
    assert cim("build", "--area", "estate:2", "--jobs", "1").exit_code == 0


def test_a_part_is_removed_with_all_that_is_kept_of_it(
    city: Settings, engine: Engine, part: Layer, cim: Callable[..., Result]
) -> None:
    kept = """
        SELECT (SELECT count(*) FROM platform.tileset WHERE name = :n)
             + (SELECT count(*) FROM platform.tile WHERE tileset = :n)
             + (SELECT count(*) FROM platform.tile_member WHERE tileset = :n)"""
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'tiles\\_%'"
    folder = city.tiles_dir / part.name

    def left() -> tuple[int, int]:
        with engine.connect() as connection:
            rows = connection.execute(text(kept), {"n": part.name}).scalar_one()
            return rows, connection.execute(text(triggers)).scalar_one()

    before = left()
    dry = cim("remove", part.name, "--dry-run")
    assert dry.exit_code == 0 and "nothing was removed" in dry.output and folder.is_dir()
    assert cim("remove", part.name).exit_code == 1 and left() == before
    done = cim("remove", part.name, "--yes")
    assert done.exit_code == 0 and f"已删除：{part.name}" in done.output
    assert not folder.exists() and left()[0] == 0 and left()[1] < before[1]
    assert part.name not in cim("list").output
    assert "no tileset" in str(cim("remove", part.name, "--yes").exception)
    sql(engine, "UPDATE city.building SET height = height + 1")
    root = json.loads((city.tiles_dir / "tileset.json").read_bytes())["root"]
    assert len(root["children"]) == 3  # what is below the ground has nothing
