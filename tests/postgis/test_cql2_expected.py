"""CQL2 against the numbers of its standard: 340 conditions on countries, places and rivers.

The numbers are those of the abstract tests of OGC 21-065r2; the data is Natural Earth's at 1:110
million, which is in the public domain, with the times that the tests ask of three of the places.
"""

import csv
from pathlib import Path
from typing import Any

import cql2
import orjson
import pyogrio
import pytest
import shapely
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Float,
    MetaData,
    Table,
    Text,
    text,
    true,
)
from sqlalchemy.dialects import postgresql

from api.ogc.describing import CONFORMS
from api.ogc.filters import compiled
from cim.model.base import Shape
from cim.store.queries.collections import items
from cim.store.queries.collections.shape import Collection, shown

DATA = Path(__file__).parent / "natural_earth"
LAYERS = {"countries": "MultiPolygon", "places": "Point", "rivers": "LineString"}
TYPES: dict[str, Any] = {
    "object": Text(),
    "int64": BigInteger(),
    "float64": Float(),
    "bool": Boolean(),
    "datetime64[D]": Date(),
    "datetime64[ms]": DateTime(timezone=True),
}


def expected() -> list[tuple[str, str, int, str]]:
    with (DATA / "expected.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(class_, layer, int(number), words) for class_, layer, number, words in rows]


EXPECTED = expected()


def fill(connection: Connection, name: str, kind: str) -> Collection:
    """A layer as a table of its own, and that as a collection."""
    path = DATA / f"{name}.fgb"
    meta, found = pyogrio.read_arrow(path)
    told = pyogrio.read_info(path)
    types = dict(zip(told["fields"], map(str, told["dtypes"]), strict=True))
    columns = [Column(field, TYPES[types[field]]) for field in types]
    shape = Shape("GEOMETRY")
    table = Table(
        name, MetaData(), Column("id", BigInteger), *columns, Column("geom", shape), schema="city"
    )
    fields = [f'"{each.name}" {each.type.compile(postgresql.dialect())}' for each in columns]
    wanted = ", ".join(["id bigint", *fields, "geom geometry(GEOMETRY, 4490)"])
    connection.execute(text(f"CREATE TABLE city.{name} ({wanted})"))
    rows = found.to_pylist()
    for number, row in enumerate(rows, 1):
        drawn = row.pop(meta["geometry_name"] or "wkb_geometry")
        values = {"id": number, "geom": f"SRID=4490;{shapely.from_wkb(drawn).wkt}", **row}
        connection.execute(table.insert().values(values))
    properties = {column.name: shown(column.name, column) for column in columns}
    return Collection(
        name=name,
        zh=name,
        en=name,
        about="",
        tables=table,
        key=table.c.id,
        geometry=table.c.geom,
        geometry_kind=kind,  # type: ignore[arg-type]  # the type knows no lines, the table of counts has them
        properties=properties,
        present=true(),
        sortable=(),
    )


@pytest.fixture(scope="module")
def world(engine: Engine) -> dict[str, Collection]:
    with engine.begin() as connection:
        return {name: fill(connection, name, kind) for name, kind in LAYERS.items()}


@pytest.mark.parametrize("language", ["cql2-text", "cql2-json"])
@pytest.mark.parametrize("class_", dict.fromkeys(row[0] for row in EXPECTED))
def test_as_many_match_as_the_standard_says(
    world: dict[str, Collection], engine: Engine, class_: str, language: str
) -> None:
    wrong = []
    with engine.connect() as connection:
        for _, layer, number, words in (row for row in EXPECTED if row[0] == class_):
            given = {"filter": words, "filter-lang": language}
            if language == "cql2-json":
                given["filter"] = orjson.dumps(cql2.parse_text(words).to_json()).decode()
            ask = items.Ask(world[layer], where=tuple(compiled(world[layer], given)))
            found = connection.execute(items.count(ask)).scalar_one()
            if found != number:
                wrong.append((words, number, found))
    assert wrong == []


def test_the_numbers_are_of_every_class_that_is_declared() -> None:
    declared = {each.rpartition("/")[2] for each in CONFORMS if "/cql2/" in each}
    unproved = {"cql2-text", "cql2-json", "array-functions", "basic-spatial-operators"}
    assert {row[0] for row in EXPECTED} == declared - unproved and len(EXPECTED) == 340
