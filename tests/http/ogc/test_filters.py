"""Filters in CQL2 on the city: what they find, in which systems, and what is refused at once."""

from time import process_time
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from api.ogc.filters import compiled
from api.ogc.systems import DEFINITIONS
from cim.errors import BadParameter
from cim.store.queries.collections import items
from cim.store.queries.collections.definitions import COLLECTIONS

TOWER = (
    "POLYGON((113.8799 22.9199,113.8805 22.9199,113.8805 22.9203,113.8799 22.9203,"
    "113.8799 22.9199))"
)


def found(client: TestClient, collection: str, words: Any, **more: str) -> list[int]:
    text = words if isinstance(words, str) else orjson.dumps(words).decode()
    answer = client.get(f"/ogc/collections/{collection}/items", params={"filter": text} | more)
    assert answer.status_code == 200, answer.text
    return [feature["id"] for feature in answer.json()["features"]]


def test_text_and_json_say_the_same(client: TestClient) -> None:
    text = "room_no LIKE '2%' AND NOT storey_no = 1"
    json = {
        "op": "and",
        "args": [
            {"op": "like", "args": [{"property": "room_no"}, "2%"]},
            {"op": "not", "args": [{"op": "=", "args": [{"property": "storey_no"}, 1]}]},
        ],
    }
    assert found(client, "units", text) == [201, 202, 203, 204]
    assert found(client, "units", json) == [201, 202, 203, 204]
    assert found(client, "units", json, **{"filter-lang": "cql2-json"}) == [201, 202, 203, 204]


@pytest.mark.parametrize("language", ["", "cql-text", "CQL2-TEXT"])
def test_a_language_that_is_none_is_refused(client: TestClient, language: str) -> None:
    answer = client.get("/ogc/collections/units/items", params={"filter-lang": language})
    assert answer.status_code == 400 and answer.json()["detail"].startswith("filter-lang")


@pytest.mark.parametrize(
    ("collection", "words", "expected"),
    [
        ("buildings", "height > 3 AND use = 'residential'", [1]),
        ("buildings", "name IS NULL", [2]),
        ("buildings", "height / floors_above = 3", [1, 2]),
        ("buildings", "height / floors_below > 0", [1]),
        ("buildings", "casei(name) = casei('3栋')", [1]),
        ("buildings", "built_year BETWEEN 2010 AND 2020", [1]),
        ("buildings", "id IN (2, 3)", [2]),
        ("buildings", "t_after(updated_at, TIMESTAMP('2000-01-01T00:00:00Z'))", [1, 2]),
        ("buildings", f"S_INTERSECTS(geometry, {TOWER})", [1]),
        ("buildings", f"NOT S_INTERSECTS(geometry, {TOWER})", [2]),
        ("buildings", "S_WITHIN(geometry, BBOX(113.8,22.9,113.9,23))", [1, 2]),
        ("buildings", "S_INTERSECTS(geometry, BBOX(170,-90,113.8802,90))", [1]),
        ("storeys", f"S_INTERSECTS(geometry, {TOWER}) AND no > 1", [2, 3]),
        ("units", f"S_INTERSECTS(geometry, {TOWER}) AND room_no = '101'", [101]),
        ("units", "S_WITHIN(geometry, BBOX(113.8801,22.91,113.8802,22.93)) AND id < 200", [102]),
        ("organisations", f"S_INTERSECTS(geometry, {TOWER})", [1]),
        ("devices", f"S_INTERSECTS(geometry, {TOWER})", [1, 2, 4]),
        ("streets", "S_CROSSES(geometry, LINESTRING(113.88 22.918,113.88 22.92))", [1]),
        ("organisations", "tags IS NULL", [1]),
    ],
)  # fmt: skip
def test_a_filter_finds_what_it_says(
    client: TestClient, collection: str, words: str, expected: list[int]
) -> None:
    assert found(client, collection, words) == expected


def test_lists_are_compared_as_sets(client: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE city.estate SET aliases = ARRAY['甲苑', '乙苑']")
    for words, expected in {
        "a_contains(aliases, ('甲苑'))": [1],
        "a_contains(aliases, ('甲苑', '丙苑'))": [],
        "a_equals(aliases, ('乙苑', '甲苑'))": [1],
        "a_containedBy(aliases, ('甲苑', '乙苑', '丙苑'))": [1],
        "a_overlaps(aliases, ('丙苑', '乙苑'))": [1],
    }.items():
        assert found(client, "estates", words) == expected, words


def test_coordinates_are_read_in_the_system_that_is_named(client: TestClient) -> None:
    plane = "S_INTERSECTS(geometry, BBOX(2535000,487000,2536000,488000))"
    assert found(client, "buildings", plane, **{"filter-crs": f"{DEFINITIONS}/EPSG/0/4547"}) == [1]
    swapped = "S_INTERSECTS(geometry, POINT(22.9201 113.8801))"
    assert found(client, "buildings", swapped, **{"filter-crs": f"{DEFINITIONS}/EPSG/0/4490"}) == [
        1
    ]
    assert found(client, "buildings", swapped) == []


def test_pages_keep_the_filter(client: TestClient) -> None:
    first = client.get(
        "/ogc/collections/units/items",
        params={"filter": "storey_no = 2", "limit": 3, "count": "exact"},
    ).json()
    following = next(link["href"] for link in first["links"] if link["rel"] == "next")
    second = client.get(following).json()
    assert first["numberMatched"] == second["numberMatched"] == 4
    assert [f["id"] for f in first["features"] + second["features"]] == [201, 202, 203, 204]


HOSTILE = [
    "pg_sleep(10) = 1", "pg_read_file('PG_VERSION') = 'x'", "length(name) > 1", "secrecy = 0",
    "name = (select 1)", "name IN (select name)", "name = 'a'; drop table city.building",
    "name = 'a' -- x", "name = 'a' /* x */", "cast(name as integer) = 1", "name::text = 'a'",
    "city.building.name = 'a'", "ST_Buffer(geometry, 1) = geometry", "name LIKE 'a\\",
    "name = 3", "height = 'a'", "geometry = geometry", "has_lift + 1 = 2", "height", "1", "''",
    "name = 'a\0b'", "name = 'a' AND", "t_after(name, height)", "updated_at > 'yesterday'",
    "updated_at > TIMESTAMP('0000-01-01T00:00:00Z')", "completed_on = DATE('2026-02-30')",
    "S_INTERSECTS(geometry, POINT(1e999 0))", "S_INTERSECTS(geometry, POINT EMPTY)",
    "S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 1 0, 0 1, 0 0)))", "S_INTERSECTS(name, POINT(0 0))",
    "S_INTERSECTS(geometry, BBOX(0,5,1,4))", "S_WITHIN(geometry, GEOMETRYCOLLECTION(POINT(0 0)))",
    "(" * 60_000, "not " * 15_000 + "has_lift", "-" * 60_000 + "1 = height", "((height))" * 6000,
    "height = 1 " + "and height = 1 " * 4000, "name = '" + "x" * 70_000 + "'",
    '{"op":"not","args":[' * 3000, "[" * 60_000, '{"op":"and","args":[]}', '{"op":["="],"args":3}',
    '{"op":"=","args":[{"property":{}},1]}', '{"op":"=","args":[1,null]}', "{}", "{", "nul",
    '{"op":"=","args":["\\ud800","a"]}', '{"op":"=","args":["\\u0000","a"]}',
    '{"op":"=","args":[{"property":"height"},1e400]}',
    '{"op":"s_intersects","args":[{"property":"geometry"},{"type":"Point","coordinates":[]}]}',
    '{"op":"s_intersects","args":[{"property":"geometry"},{"type":"Polygon","coordinates":[[[0]]]}]}',
    '{"op":"s_intersects","args":[{"property":"geometry"},{"type":"Point","coordinates":"x"}]}',
    '{"op":"s_intersects","args":[{"property":"geometry"},{"bbox":[1,2,3,"x"]}]}',
    "S_INTERSECTS(geometry, LINESTRING(" + ",".join(["1 2"] * 12_000) + "))",
]  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_filter_is_refused_at_once(client: TestClient, words: str) -> None:
    here = COLLECTIONS["buildings"]
    taken = []
    for _ in range(3):  # the least of three: a collection of garbage is nobody's filter's fault
        begun = process_time()
        with pytest.raises(BadParameter) as refused:
            compiled(here, {"filter": words})
        taken.append(process_time() - begun)
    assert min(taken) < 0.1, taken
    assert str(refused.value).startswith("filter") and len(str(refused.value)) < 1500
    if len(words) < 15_000:
        answer = client.get("/ogc/collections/buildings/items", params={"filter": words})
        assert answer.status_code == 400


WORDS = st.sampled_from(
    "name height floors_above id geometry = <> < > and or not like in between is null ( ) , + - * "
    "/ % ^ 1 2.5 'a' '3栋' casei s_intersects POINT(1 2) BBOX(0,0,1,1) DATE('2026-01-01') true "
    "false t_after updated_at INTERVAL('..','..') a_contains \0 \ud800 -- ;".split()
)


@given(st.lists(WORDS, max_size=14))
@settings(max_examples=300)
def test_any_words_are_a_filter_or_refused(words: list[str]) -> None:
    try:
        made = compiled(COLLECTIONS["buildings"], {"filter": " ".join(words)})
    except BadParameter:
        return
    assert items.count(items.Ask(COLLECTIONS["buildings"], where=tuple(made))) is not None


LEAVES = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5),
    st.sampled_from([{"property": each} for each in ("name", "height", "updated_at", "geometry")]),
    st.sampled_from([{"date": "2026-01-01"}, {"interval": ["..", ".."]}, {"bbox": [0, 0, 1, 1]}]),
    st.sampled_from([{"type": "Point", "coordinates": [1, 2]}, {"type": "Polygon"}, {}]),
)  # fmt: skip
OPERATORS = ["and", "or", "not", "=", "<", "like", "in", "between", "isNull", "s_within", "t_after"]
OPERATORS += ["a_equals", "casei", "+", "/", "^", "pg_sleep", ""]
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"op": st.sampled_from(OPERATORS), "args": st.lists(inner, max_size=3)}
        ),
        st.lists(inner, max_size=3),
    ),
    max_leaves=12,
)


@given(TREES)
@settings(max_examples=400)
def test_any_tree_is_a_filter_that_runs_or_refused(engine: Engine, tree: Any) -> None:
    try:
        words = orjson.dumps(tree).decode()
    except (TypeError, ValueError):
        return
    here = COLLECTIONS["buildings"]
    try:
        made = compiled(here, {"filter": words, "filter-lang": "cql2-json"})
    except BadParameter:
        return
    with engine.connect() as connection:
        assert connection.execute(items.count(items.Ask(here, where=tuple(made)))).scalar_one() >= 0


def test_secrecy_goes_by_right_and_place(city: Any, engine: Engine) -> None:
    devices = COLLECTIONS["devices"]

    def seen(*sight: Any) -> int:
        with engine.connect() as connection:
            return int(
                connection.execute(items.count(items.Ask(devices, sight=sight))).scalar_one()
            )

    assert seen() == 3
    assert seen((1, None)) == 3 and seen((2, None)) == 4
    assert seen((2, ((), ()))) == 3
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE city.device SET building_id = 1 WHERE id = 3")
    assert seen((2, ((5,), ()))) == 4 and seen((2, ((6,), ()))) == 3
    assert seen((2, ((), (1,)))) == 4 and seen((2, ((), (2,)))) == 3
    assert seen((1, ((5,), ())), (2, ((), (2,)))) == 3
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE city.device SET building_id = NULL WHERE id = 3")
