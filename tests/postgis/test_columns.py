"""Columns go in and come out as they were, in the transaction they were given."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select, text

from cim.errors import StoreError
from cim.model.buildings import building
from cim.store.copy.columns import read, write

CHINA = timezone(timedelta(hours=8))

KINDS: dict[str, Sequence[Any]] = {
    "smallint": [1, None, -32768],
    "integer": [1, None, 2**31 - 1],
    "bigint": [2**62 + 1, None, -1],
    "double precision": [0.1, None, -1e300],
    "boolean": [True, None, False],
    "text": ["松山湖", None, ""],
    "bytea": [b"\0\xff", None, b""],
    "date": [date(1970, 1, 1), None, date(2026, 2, 28)],
    "timestamptz": [
        datetime(2026, 1, 1, 8, 30, tzinfo=CHINA),
        None,
        datetime(1969, 1, 1, tzinfo=UTC),
    ],
    "jsonb": [{"层数": 3}, None, [1, "二"]],
    "numeric": [Decimal("12.50"), None, Decimal(-3)],
    "text[]": [["甲", "乙"], None, []],
    "float8[]": [[1.5, 2.5], None, []],
    "bigint[]": [[1, 2**40], None, []],
}


def table_of(connection: Connection, kind: str) -> None:
    connection.execute(text("DROP TABLE IF EXISTS trial"))
    connection.execute(text(f"CREATE TEMP TABLE trial (n int, value {kind})"))


def stored(connection: Connection) -> list[Any]:
    return [
        value
        for batch in read(connection, text("SELECT value FROM trial ORDER BY n"))
        for value in batch["value"]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_comes_back_as_it_went_in(connection: Connection, kind: str) -> None:
    table_of(connection, kind)
    values = KINDS[kind]
    columns: dict[str, Sequence[Any]] = {"n": range(len(values)), "value": values}
    assert write(connection, "trial", columns, {"n": "integer", "value": kind}) == 3
    assert stored(connection) == list(values)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            st.none() | st.binary(),
        )
    )
)
def test_any_mixture_of_null_and_not_null_keeps_its_rows(
    engine: Engine, rows: list[tuple[Any, ...]]
) -> None:
    with engine.connect() as connection:
        connection.execute(
            text("CREATE TEMP TABLE trial (n int4, a int8, b float8, c text, d bytea, e int2)")
        )
        a, b, c, d = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
        columns: dict[str, Any] = {
            "c": c,
            "a": a,
            "n": range(len(rows)),
            "d": d,
            "b": b,
            "e": np.ones(len(rows)),
        }
        types = {"n": "int4", "a": "int8", "b": "float8", "c": "text", "d": "bytea", "e": "int2"}
        assert write(connection, "trial", columns, types) == len(rows)
        statement = text("SELECT a, b, c, d FROM trial ORDER BY n")
        back = [
            row
            for batch in read(connection, statement, size=7)
            for row in zip(*batch.values(), strict=True)
        ]
        connection.rollback()
    assert back == rows


def test_nan_in_numbers_and_nat_in_times_are_null(connection: Connection) -> None:
    for kind, values in (
        ("float8", np.array([1.5, np.nan])),
        ("int4", np.array([1.0, np.nan])),
        ("numeric", np.array([1.5, np.nan])),
        ("int8", [1, float("nan")]),
        ("date", np.array(["2026-01-01", "NaT"], "M8[D]")),
        ("timestamptz", np.array(["2026-01-01T00:00", "NaT"], "M8[ns]")),
    ):
        table_of(connection, kind)
        write(connection, "trial", {"n": [0, 1], "value": values}, {"n": "int4", "value": kind})
        first, second = stored(connection)
        assert first is not None, kind
        assert second is None, kind


def test_numpy_times_are_utc(connection: Connection) -> None:
    table_of(connection, "timestamptz")
    at = np.array(["2026-05-01T12:30:00.000001"], "M8[us]")
    write(connection, "trial", {"n": [0], "value": at}, {"n": "int4", "value": "timestamptz"})
    assert stored(connection) == [datetime(2026, 5, 1, 12, 30, 0, 1, tzinfo=UTC)]


def test_geometry_is_taken_as_wkb_ewkb_and_shapely_in_either_byte_order(
    connection: Connection,
) -> None:
    connection.execute(text("CREATE TEMP TABLE spot (n int, geom geometry(POINTZ, 4490))"))
    point = shapely.Point(113.9, 22.9, 5)
    given_as = [
        shapely.to_wkb(point, byte_order=1),
        shapely.to_wkb(point, byte_order=0),
        shapely.to_wkb(point, flavor="iso"),
        shapely.to_wkb(shapely.set_srid(point, 4490), include_srid=True),
        None,
    ]
    types = {"n": "int4", "geom": "geometry"}
    write(connection, "spot", {"n": range(5), "geom": given_as}, types)
    write(connection, "spot", {"n": [5], "geom": [point]}, types)
    statement = text("SELECT ST_AsBinary(geom) AS geom FROM spot ORDER BY n")
    (batch,) = read(connection, statement)
    missing = batch["geom"].pop(4)
    assert missing is None
    assert set(shapely.from_wkb(batch["geom"])) == {point}


def test_a_geometry_in_another_system_is_refused(connection: Connection) -> None:
    connection.execute(text("CREATE TEMP TABLE spot (geom geometry(POINT, 4490))"))
    foreign = shapely.to_wkb(shapely.set_srid(shapely.Point(1, 2), 4326), include_srid=True)
    with pytest.raises(Exception, match="SRID"):
        write(connection, "spot", {"geom": [foreign]}, {"geom": "geometry"})


def test_a_value_that_does_not_fit_is_refused_without_being_quoted(connection: Connection) -> None:
    for kind, value in (
        ("smallint", 40_000),
        ("integer", 1.5),
        ("integer", "王大明"),
        ("text", 5),
        ("timestamptz", datetime(2026, 1, 1)),
        ("date", "2026-01-01"),
    ):
        table_of(connection, kind)
        with pytest.raises(StoreError) as refusal:
            write(connection, "trial", {"value": [value]}, {"value": kind})
        assert "value" in str(refusal.value) and str(value) not in str(refusal.value)
        connection.rollback()


def test_columns_of_different_lengths_are_refused(connection: Connection) -> None:
    with pytest.raises(ValueError, match="lengths"):
        write(connection, "trial", {"a": [1], "b": []}, {"a": "int4", "b": "int4"})


def test_no_rows_write_nothing_and_read_as_no_batches(connection: Connection) -> None:
    table_of(connection, "text")
    assert write(connection, "trial", {"n": [], "value": []}, {"n": "int4", "value": "text"}) == 0
    assert list(read(connection, text("SELECT * FROM trial"))) == []


def test_what_was_written_goes_when_the_transaction_does(connection: Connection) -> None:
    write(connection, "city.source_system", {"name": ["一"]}, {"name": "text"})
    connection.rollback()
    (batch,) = read(connection, text("SELECT count(*) AS n FROM city.source_system"))
    assert batch == {"n": [0]}


def test_reading_takes_statements_with_parameters_in_batches(connection: Connection) -> None:
    values = np.arange(10)
    table_of(connection, "int8")
    write(connection, "trial", {"n": values, "value": values * 2}, {"n": "int4", "value": "int8"})
    statement = text("SELECT n, value FROM trial WHERE n >= :least ORDER BY n")
    batches = list(read(connection, statement, {"least": 3}, size=4))
    assert [batch["n"] for batch in batches] == [[3, 4, 5, 6], [7, 8, 9]]
    assert batches[0]["value"] == [6, 8, 10, 12]
    built = select(building.c.id).where(building.c.id.in_([1, 2]))
    assert list(read(connection, built)) == []
