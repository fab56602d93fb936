"""The latest value of everything, in one answer that is sent piece by piece."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.sensorthings import answers

LATEST = "Observations($top=1;$orderby=phenomenonTime desc)"
RESIDENT = {"Authorization": "Bearer key-residents"}


@pytest.fixture(params=[1, 2, 5000])
def sliced(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SLICE", request.param)


@pytest.mark.parametrize("name", ["Things", "Datastreams", "Locations", "ObservedProperties"])
def test_a_long_answer_says_what_the_pages_say(client: TestClient, sliced: None, name: str) -> None:
    short = client.get(f"/sta/v1.1/{name}?$top=10000&$count=true").json()
    long = client.get(f"/sta/v1.1/{name}?$top=2147483647&$count=true").json()
    assert len(short["value"]) >= 2
    assert long == short


def test_the_latest_value_of_everything_is_one_answer(client: TestClient, sliced: None) -> None:
    query = {"$top": "1000000", "$select": "id,name", "$expand": LATEST}
    found = client.get("/sta/v1.1/Datastreams", params=query, headers=RESIDENT).json()["value"]
    seen = {each["@iot.id"]: [o["result"] for o in each["Observations"]] for each in found}
    assert seen == {1: [], 2: [12.5]}
    anybody = client.get("/sta/v1.1/Datastreams", params=query).json()["value"]
    assert [each["Observations"] for each in anybody] == [[], []]


def test_the_latest_of_things_is_found_within_their_datastreams(client: TestClient) -> None:
    query = {"$top": "1000000", "$filter": "id eq 1610"}
    query["$expand"] = f"Datastreams($select=name;$expand={LATEST})"
    (unit,) = client.get("/sta/v1.1/Things", params=query, headers=RESIDENT).json()["value"]
    (stream,) = unit["Datastreams"]
    assert stream["Observations"][0]["phenomenonTime"] == "2026-11-20T03:00:00Z"


def test_an_answer_longer_than_the_longest_leads_on(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LONGEST", 3)
    monkeypatch.setattr(answers, "SLICE", 2)
    first = client.get("/sta/v1.1/Things?$top=20000&$select=id").json()
    second = client.get(first["@iot.nextLink"]).json()
    ids = [each["@iot.id"] for each in first["value"] + second["value"]]
    assert len(first["value"]) == 3 and ids == sorted(set(ids)) and len(ids) > 20
