"""Answers that would be too long: pages end early, sets within entities share what there is."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.sensorthings import answers
from cim.store import direct
from cim.store.queries.sensorthings import pages, shown
from cim.store.queries.sensorthings.addresses import address
from cim.store.queries.sensorthings.entities import NAMES
from cim.store.queries.sensorthings.options import options
from cim.store.queries.sensorthings.shape import Asking
from tests.accounts import add_key
from tests.http.sensorthings.test_writing import THING

STA = "/sta/v1.1"
SETS = "$expand=Datastreams($expand=Observations($select=result))"


@pytest.fixture(scope="module")
def station(client: TestClient, engine: Engine) -> str:
    """A Thing of two datastreams with five readings each: 0 to 4, and 10 to 14."""
    with engine.begin() as connection:
        connection.execute(text("SELECT setval('city.datastream_id_seq', 1000)"))
    add_key(engine, "sensor-office", "key-devices", ["devices"])
    (stream,) = THING["Datastreams"]  # type: ignore[misc]  # a literal of many kinds
    streams = [
        stream | {"name": f"stream {begin}", "Observations": [
            {"phenomenonTime": f"2026-11-20T0{n}:00:00Z", "result": begin + n} for n in range(5)
        ]} for begin in (0, 10)
    ]  # fmt: skip
    body: Any = THING | {"Datastreams": streams}
    office = {"Authorization": "Bearer key-devices"}
    return client.post(f"{STA}/Things", json=body, headers=office).headers["Location"]


def walked(client: TestClient, url: str, link: str = "@iot.nextLink") -> list[list[Any]]:
    """The pages that an address leads to."""
    pages = []
    while url:
        found = client.get(url)
        assert found.status_code == 200, found.text
        pages.append(found.json()["value"])
        url = found.json().get(link, "")
    return pages


@pytest.mark.parametrize("query", ["", "$orderby=name desc&", f"{SETS}&"])
def test_a_page_ends_where_there_is_no_room_and_leads_on(
    client: TestClient, station: str, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    (whole,) = walked(client, f"{STA}/Things?{query}$top=10000")
    monkeypatch.setattr(answers, "ROOM", 3000)
    monkeypatch.setattr(answers, "PLAIN", 0)
    pages = walked(client, f"{STA}/Things?{query}$top=10000")
    assert len(pages) > 2
    assert [each["@iot.id"] for page in pages for each in page] == [
        each["@iot.id"] for each in whole
    ]


def test_a_page_ends_where_it_takes_long(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = walked(client, f"{STA}/Sensors?$top=10000")
    monkeypatch.setattr(direct, "LONG", 0.0)
    monkeypatch.setattr(answers, "PLAIN", 0)
    pages = walked(client, f"{STA}/Sensors?$top=10000")
    assert [len(page) for page in pages if page] == [1] * len(whole)
    assert list(chain(*pages)) == whole


@pytest.mark.parametrize(
    ("within", "lengths"), [(60_000, [5, 5]), (8, [2, 2]), (6, [1, 1]), (2, [1, 2])]
)
def test_sets_within_one_entity_share_what_may_be_shown(
    client: TestClient, station: str, monkeypatch: pytest.MonkeyPatch, within: int, lengths: Any
) -> None:
    monkeypatch.setattr(shown, "WITHIN", within)
    found = client.get(f"{station}?{SETS}").json()
    streams = found["Datastreams"]
    if "Datastreams@iot.nextLink" in found:
        streams += chain(*walked(client, found["Datastreams@iot.nextLink"]))
    monkeypatch.undo()
    results = []
    assert [len(stream["Observations"]) for stream in streams] == lengths
    for stream in streams:
        following = walked(client, stream.get("Observations@iot.nextLink", ""))
        results.append([o["result"] for o in chain(stream["Observations"], *following)])
    assert results == [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]


def test_the_link_within_an_entity_goes_on_behind_the_last(
    client: TestClient, station: str
) -> None:
    query = "Observations($top=2;$orderby=result desc;$filter=result gt 0)"
    found = client.get(f"{station}/Datastreams?$orderby=name&$expand={query}").json()["value"][0]
    pages = walked(client, found["Observations@iot.nextLink"])
    results = [[o["result"] for o in page] for page in [found["Observations"], *pages]]
    assert results == [[4, 3], [2, 1]]
    assert "$skip=" not in found["Observations@iot.nextLink"]


@pytest.mark.parametrize("query", ["", "$orderby=description,name desc&"])
def test_what_is_skipped_is_not_made(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    (whole,) = walked(client, f"{STA}/Things?{query}$top=10000")
    monkeypatch.setattr(answers, "FAR", 0)
    for skip in (1, 7, len(whole) - 1, len(whole), 10**9):
        found = client.get(f"{STA}/Things?{query}$top=10000&$skip={skip}&$count=true").json()
        assert found["value"] == whole[skip:]
        assert found["@iot.count"] == len(whole)


def test_a_path_over_many_links_is_not_followed(client: TestClient) -> None:
    steps = "/".join(["Datastreams/Thing"] * 5)
    for query in (f"$filter={steps}/name eq 'x'", f"$orderby={steps}/name"):
        answer = client.get(f"{STA}/Things?{query}")
        assert (answer.status_code, "8 links" in answer.text) == (400, True)


def test_much_is_not_skipped_within_every_entity_of_a_page(client: TestClient) -> None:
    answer = client.get(f"{STA}/Things?$expand=Datastreams($skip=10001)")
    assert answer.status_code == 400
    assert "nextLink" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("Datastreams(2)/Observations", []),
        ("Datastreams(2)/Observations", [("$orderby", "phenomenonTime desc"), ("$top", "1")]),
        ("Things(1610)/Datastreams", [("$expand", "Observations($top=5)")]),
    ],
)
def test_readings_that_may_not_be_seen_are_not_even_looked_at(
    city: Any, engine: Engine, path: str, query: list[tuple[str, str]]
) -> None:
    given = options(query)
    where = pages.summed(pages.target(address(path, NAMES)), given)
    looked = {}
    for name, asking in (("anybody", Asking("")), ("resident", Asking("", None))):
        asked = pages.page(asking, where, given).asked
        with engine.connect() as connection:
            plain: Any = connection.connection.driver_connection
            cursor = psycopg.RawCursor(plain)
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked.sql}", asked.values)
            ((told,),) = cursor.fetchall()
        tables = {each["Relation Name"] for each in _nodes(told[0]["Plan"])
                  if each.get("Relation Name") and each["Actual Loops"]}  # fmt: skip
        looked[name] = {each for each in tables if each.startswith("observation")}
    assert looked["resident"]
    assert not looked["anybody"]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", []):
        yield from _nodes(each)
