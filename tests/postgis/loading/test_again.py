"""The same file loaded twice: known again, unless anything that it hangs on has changed."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely
from sqlalchemy import Engine, text

from cim.load import again, pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings
from cim.store.incoming import touched

SAME = "the same file as on"


class City:
    """A city in which every load is committed."""

    def __init__(self, engine: Engine, settings: Settings, folder: Path) -> None:
        self.engine, self.settings, self.folder = engine, settings, folder

    def load(self, path: Path, **ask: Any) -> Report:
        with self.engine.begin() as connection:
            return pipeline.load(
                connection, self.settings, KINDS["buildings"], path, Request(**ask)
            )

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with self.engine.begin() as connection:
            found = connection.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []

    def houses(self, name: str = "houses", **changes: Any) -> Path:
        """Three houses, of which the last has a height that cannot be."""
        columns = {"编号": ["A1", "A2", "A3"], "高度": [18.5, 54.0, -1.0]} | changes
        features = [
            {
                "type": "Feature",
                "properties": {"编号": key, "高度": height},
                "geometry": shapely.geometry.mapping(shapely.box(x, 23.02, x + 2e-4, 23.0202)),
            }
            for x, key, height in zip((113.75, 113.751, 113.752), *columns.values(), strict=True)
        ]
        path = self.folder / f"{name}.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
        return path


@pytest.fixture
def city(engine: Engine, settings: Settings, tmp_path: Path) -> Iterator[City]:
    found = City(engine, settings, tmp_path)
    yield found
    found.run(
        "TRUNCATE city.building, city.admin_area, platform.quarantine, platform.change, "
        "platform.data_import CASCADE"
    )


def known(report: Report) -> bool:
    """Whether a load found that it had nothing to do."""
    return any(note.startswith(SAME) for note, _ in report.notes)


def test_a_file_that_nothing_happened_to_is_not_read_again(city: City) -> None:
    first = city.load(city.houses())
    rows = city.run("SELECT ext_id, xmin::text FROM city.building ORDER BY 1")
    again, third = city.load(city.houses()), city.load(city.houses())
    assert [known(report) for report in (first, again, third)] == [False, True, True]
    assert (again.read, again.counts.unchanged, again.aside) == (3, 2, {"too_small": 1})
    assert again.exit_code == first.exit_code == 1
    assert city.run("SELECT ext_id, xmin::text FROM city.building ORDER BY 1") == rows
    assert city.run(
        "SELECT i.id = max(i.id) OVER (), q.ext_id, q.field FROM platform.data_import i "
        "JOIN platform.quarantine q ON q.import_id = i.id AND q.cleared_at IS NULL"
    ) == [(True, "A3", "height")]


def test_a_file_known_again_still_says_which_buildings_it_speaks_of(city: City) -> None:
    city.load(city.houses())
    ids = [id for (id,) in city.run("SELECT id FROM city.building ORDER BY 1")]
    with city.engine.begin() as connection:
        mark = touched.mark(connection)
        path = city.houses()
        report = pipeline.load(connection, city.settings, KINDS["buildings"], path, Request())
        assert known(report)
        assert touched.buildings(connection, "buildings", "houses", mark) == ids


def _by_hand(statement: str) -> Callable[[City], None]:
    return lambda city: city.run(statement) and None


@pytest.mark.parametrize(
    ("happens", "counts"),
    [
        (_by_hand("UPDATE city.building SET height = 1 WHERE ext_id = 'A1'"), (0, 1, 1)),
        (_by_hand("UPDATE city.building SET ended_at = now() WHERE ext_id = 'A1'"), (0, 1, 1)),
        (_by_hand("UPDATE city.building SET height = height"), (0, 0, 2)),
        (_by_hand("DELETE FROM city.building WHERE ext_id = 'A1'"), (1, 0, 1)),
        (
            _by_hand(
                "INSERT INTO city.admin_area (code, name, level, geom) "
                "VALUES ('441900', '东莞市', 2, ST_Multi(ST_MakeEnvelope(113, 22, 115, 24, 4490)))"
            ),
            (0, 2, 0),
        ),
        (lambda city: city.houses(高度=[18.5, 54.0, 3.0]) and None, (1, 0, 2)),
        (
            lambda city: (
                city.load(city.houses("later", 高度=[20.0, 54.0, -1.0]), source="houses") and None
            ),
            (0, 1, 1),
        ),
        (_by_hand("UPDATE platform.quarantine SET cleared_at = now()"), (0, 0, 2)),
        (
            _by_hand(
                """UPDATE platform.data_import SET proof = proof || '{"server": "another"}'"""
            ),
            (0, 0, 2),
        ),
    ],
    ids=["edited", "ended", "written", "deleted", "area", "file", "source", "mended", "restored"],
)
def test_anything_that_happened_meanwhile_has_the_file_read(
    city: City, happens: Callable[[City], None], counts: tuple[int, int, int]
) -> None:
    path = city.houses()
    city.load(path)
    happens(city)
    again = city.load(path)
    assert not known(again)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == counts


@pytest.mark.parametrize(
    "ask", [{"full": True}, {"crs": "gcj02"}, {"fields": {"height": None}}, {"layer": "houses"}]
)
def test_what_is_asked_otherwise_has_the_file_read(city: City, ask: dict[str, Any]) -> None:
    city.load(city.houses())
    assert not known(city.load(city.houses(), **ask))


def test_other_settings_have_the_file_read(city: City) -> None:
    city.load(city.houses())
    city.settings = city.settings.model_copy(update={"storey_height_residential": 2.8})
    assert not known(city.load(city.houses()))


def test_a_file_that_grows_while_it_is_read_is_not_known_by_what_it_was(city: City) -> None:
    path = city.houses()

    def grow(*_: Any) -> None:
        path.write_text(path.read_text("utf-8") + " ", "utf-8")

    with city.engine.begin() as connection:
        pipeline.load(connection, city.settings, KINDS["buildings"], path, Request(), grow)
    assert not known(city.load(path))
    assert known(city.load(path))


def test_a_pipe_is_read_whenever_it_is_given(city: City) -> None:
    pipe = city.folder / "houses.geojson"
    os.mkfifo(pipe)
    assert again.look(None, city.settings, KINDS["buildings"], pipe, Request()) is None
