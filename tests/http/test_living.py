"""What tells whether somebody is at home is for callers that are known."""

from typing import Any

from fastapi.testclient import TestClient


def test_the_public_sees_a_meter_without_what_it_reads(client: TestClient) -> None:
    meter, lift = client.get("/units/201/card").json()["devices"]
    assert meter["withheld"] is True
    assert [stream["value"] for stream in meter["datastreams"]] == [None]
    assert [stream["at"] for stream in meter["datastreams"]] == [None]
    assert lift["withheld"] is False


def test_a_known_caller_sees_what_it_reads(client: TestClient, key: Any) -> None:
    meter, _ = client.get("/units/201/card", headers=key("statistics")).json()["devices"]
    assert meter["withheld"] is False
    assert [stream["value"] for stream in meter["datastreams"]] == [12.5]


def test_the_public_gets_no_readings_of_a_home(client: TestClient) -> None:
    answer = client.get("/datastreams/2/observations")
    assert answer.status_code == 403
    assert "points" not in answer.json() and "密钥" in answer.json()["detail_zh"]


def test_occupancy_is_unknown_to_the_public(client: TestClient, key: Any) -> None:
    card, grid = "/units/201/card", "/buildings/1/floor-grid"
    known = key("statistics")

    def occupancies(**headers: str) -> set[str]:
        storeys = client.get(grid, headers=headers).json()["storeys"]
        return {unit["occupancy"] for storey in storeys for unit in storey["units"]}

    assert client.get(card).json()["unit"]["occupancy"] == "unknown"
    assert occupancies() == {"unknown"}
    assert client.get(card, headers=known).json()["unit"]["occupancy"] == "自住"
    assert "自住" in occupancies(**known)
