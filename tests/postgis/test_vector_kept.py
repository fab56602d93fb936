"""Kept vector tiles are found while they are true, whatever runs beside what makes them."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, text

from cim.commands.vector import vector as command
from cim.settings import Settings
from cim.store import vector
from cim.store.queries.vector import cells, keeping
from cim.store.queries.vector import tiles as queries
from cim.store.queries.vector.drawing import DRAWINGS, Drawing
from cim.store.queries.vector.keeping import Place
from cim.store.queries.vector.matrices import GEOGRAPHIC, WEB, MatrixSet, blocks
from cim.store.vector import Made, run
from cim.store.watching import columns_read

BUILDINGS = DRAWINGS["buildings"]
HERE = (113.8802, 22.9201)

INSERT = """
    INSERT INTO city.building (name, footprint, footprint_area, height, height_method,
                               floors_above, floors_method)
    SELECT 'n' || n, ST_Multi(ST_MakeEnvelope(x, y, x + 0.0003, y + 0.0002, 4490)), 700, 9,
           'given', 3, 'given'
    FROM (SELECT n, :west + n % :row * 0.0005 AS x, :south + n / :row * 0.0004 AS y
          FROM generate_series(0, :many - 1) n) t"""


def build(connection: Connection, many: int, west: float = 113.88, south: float = 22.92) -> None:
    row = {"many": many, "row": max(int(many**0.5), 1), "west": west, "south": south}
    connection.execute(text(INSERT), row)


@pytest.fixture(autouse=True)
def city(engine: Engine) -> Iterator[None]:
    with engine.begin() as connection:
        build(connection, 9)
    yield
    with engine.begin() as connection:
        for table in ("city.building CASCADE", "platform.vector_tile", "platform.vector_cell"):
            connection.execute(text(f"TRUNCATE {table}"))
        for table in ("touched", "state"):
            connection.execute(text(f"DELETE FROM platform.vector_{table}"))


def place(zoom: int, matrices: MatrixSet = WEB, at: tuple[float, float] = HERE) -> Place:
    z = matrices.level(zoom)
    columns, rows = matrices.tiles(z, (*at, *at))
    return Place(matrices, z, columns[0], rows[0])


def take(engine: Engine, steps: Any) -> Any:
    with engine.begin() as connection:
        return run(connection, steps)


def keep(engine: Engine, there: Place, drawing: Drawing = BUILDINGS) -> Made:
    take(engine, vector.sweep(drawing))
    made: Made = take(engine, vector.make(drawing, there))
    take(engine, vector.keep(drawing, there, made, "p"))
    return made


def kept(engine: Engine, there: Place, program: str = "p") -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(keeping.find_one("buildings", there, program)).all())


ZOOMS = [0, 6, 12, 14]


@pytest.mark.parametrize("matrices", [WEB, GEOGRAPHIC])
@pytest.mark.parametrize("zoom", ZOOMS)
def test_a_tile_is_kept_until_something_in_it_changes(
    engine: Engine, zoom: int, matrices: MatrixSet
) -> None:
    there = place(zoom, matrices)
    keep(engine, there)
    assert kept(engine, there)
    with engine.begin() as connection:
        build(connection, 1)
    assert not kept(engine, there)


@pytest.mark.parametrize("zoom", ZOOMS)
def test_what_was_begun_before_a_commit_is_not_taken_after_it(engine: Engine, zoom: int) -> None:
    there = place(zoom)
    with engine.connect() as writer:
        build(writer, 1)
        keep(engine, there)
        assert kept(engine, there)  # true as long as the other has not committed
        writer.commit()
    assert not kept(engine, there)


def test_what_was_made_across_a_sweep_is_not_kept(engine: Engine) -> None:
    there = place(14)
    take(engine, vector.sweep(BUILDINGS))
    with engine.connect() as writer:
        build(writer, 1)
        made = take(engine, vector.make(BUILDINGS, there))
        writer.commit()
    take(engine, vector.sweep(BUILDINGS))  # forgets the change that the tile lacks
    take(engine, vector.keep(BUILDINGS, there, made, "p"))
    assert not kept(engine, there)


def test_a_sweep_clears_what_is_stale_and_nothing_else(engine: Engine) -> None:
    here, far, wide = place(14), place(14, at=(113.98, 22.8)), place(6)
    with engine.begin() as connection:
        build(connection, 1, 113.98, 22.8)
    for each in (here, far, wide):
        keep(engine, each)
    with engine.begin() as connection:
        build(connection, 1, 113.98, 22.8)
    assert take(engine, vector.sweep(BUILDINGS)) == 2
    assert [kept(engine, each) for each in (here, far, wide)] == [True, False, False]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM platform.vector_touched")) == 0


def test_another_program_makes_its_own(engine: Engine) -> None:
    there = place(14)
    keep(engine, there)
    assert kept(engine, there) and not kept(engine, there, "q")
    known = take(engine, vector.program())
    assert known == take(engine, vector.program()) and len(known) == 24


def test_cells_count_what_is_there_whatever_happened(engine: Engine) -> None:
    chance = random.Random(7)
    take(engine, vector.sweep(BUILDINGS))
    for _ in range(12):
        with engine.begin() as connection:
            for _ in range(chance.randint(1, 3)):
                at = (113.8 + chance.random() * 0.2, 22.8 + chance.random() * 0.2)
                some = {"part": chance.randint(0, 6)}
                what = chance.choice(["insert", "move", "end", "grow", "delete"])
                if what == "insert":
                    build(connection, chance.choice([1, 4, 200]), *at)
                    continue
                statement = {
                    "move": "UPDATE city.building SET footprint ="
                    " ST_Translate(footprint, 0.01, -0.02)",
                    "end": "UPDATE city.building SET ended_at = now()",
                    "grow": "UPDATE city.building SET gross_area = id, footprint_area = id / 7.0",
                    "delete": "DELETE FROM city.building",
                }[what]
                connection.execute(text(f"{statement} WHERE id % 7 = :part"), some)
        take(engine, vector.sweep(BUILDINGS))
        told = counted(engine)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM platform.vector_state"))
        take(engine, vector.sweep(BUILDINGS))
        assert told == counted(engine)


def counted(engine: Engine) -> list[Any]:
    asked = "SELECT x, y, count, sums[1], sums[2] FROM platform.vector_cell ORDER BY 1, 2"
    with engine.connect() as connection:
        return [
            (row[0], row[1], row[2], round(row[3], 3), round(row[4], 3))
            for row in connection.execute(text(asked))
        ]


def test_a_load_of_many_places_is_told_as_one(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM platform.vector_touched"))
        build(connection, 40_000, 113.7, 22.8)
        told = connection.execute(
            text("SELECT west, south, east, north FROM platform.vector_touched")
        ).all()
    assert len(told) == 1
    around = blocks((113.7, 22.8, 113.7 + 199 * 0.0005 + 0.0003, 22.8 + 200 * 0.0004))
    assert tuple(told[0]) == around


def test_loads_that_switch_triggers_off_are_told_of(engine: Engine) -> None:
    there = place(14)
    keep(engine, there)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE city.building SET name = 'x'"))
    assert not kept(engine, there)


@pytest.mark.parametrize(
    "drawing",
    [each for each in DRAWINGS.values() if each.kept],
    ids=[each.name for each in DRAWINGS.values() if each.kept],
)
def test_every_column_that_kept_tiles_show_is_watched(
    connection: Connection, drawing: Drawing
) -> None:
    table = drawing.collection.key.table  # type: ignore[attr-defined]  # kept ones are tables
    statements = [queries.made(queries.Asked(drawing, place(zoom), 1)) for zoom in range(15)]
    read = columns_read([*statements, cells.count(drawing, None), cells.count(drawing, ([1], [1]))])
    assert set(read) == {table}
    asked = text(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'vector_update'"
        " AND tgrelid = CAST(:name AS regclass)"
    )
    definition = connection.scalar(asked, {"name": table.fullname})
    words = definition.partition("touch_vector_tiles(")[2].strip(")").split(", ")
    watched = [word.strip("'") for word in words]
    assert watched[0] == drawing.name
    assert read[table] - {"id", "ended_at"} <= set(watched[1:])
    assert drawing.collection.secrecy is None


def test_tiles_are_made_ahead_and_let_go_of(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))

    def say(*words: str) -> str:
        done = CliRunner().invoke(command, words)
        assert done.exit_code == 0, done.output
        return done.stdout

    fill = ("fill", "--collection", "buildings")
    assert "15 tiles" in say(*fill, "--dry-run")
    assert "made 15 tiles; 0 were there" in say(*fill)
    program = take(engine, vector.program())
    assert all(kept(engine, place(zoom), program) for zoom in range(15))
    assert "made 0 tiles; 15 were there" in say(*fill)
    with engine.begin() as connection:
        build(connection, 1)
    assert "made 15 tiles" in say(*fill)
    assert "15 tiles" in say("drop")
    assert not kept(engine, place(14), program)


def test_a_crowded_tile_stays_within_its_bytes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.building (name, footprint, footprint_area, height,"
                " height_method, floors_above, floors_method)"
                " SELECT md5(n::text), ST_Multi(ST_MakeEnvelope(x, y, x + 0.00002, y + 0.00003,"
                " 4490)), 7, n % 97, 'given', 3, 'given' FROM (SELECT n, 113.8799 + n % 200 *"
                " 0.00002 AS x, 22.9201 + n / 200 * 0.00003 AS y"
                " FROM generate_series(0, 25000) n) t"
            )
        )
    for zoom in (14, 15):
        made = take(engine, vector.make(BUILDINGS, place(zoom)))
        assert 100_000 < len(made.tile.data) <= 500_000
        assert made.tile.left_out > 5_000
