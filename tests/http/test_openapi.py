"""The description that clients are made from: complete, and true."""

from typing import Any

import pytest
from fastapi.testclient import TestClient


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [ref for part in value.values() for ref in references(part)]
        return (
            [ref for part in value for ref in references(part)] if isinstance(value, list) else []
        )

    schemas = document["components"]["schemas"]
    assert document["openapi"].startswith("3.1")
    found = references(document)
    assert found and all(ref.removeprefix("#/components/schemas/") in schemas for ref in found)


def test_operations_are_named_once_and_say_what_they_do(document: dict[str, Any]) -> None:
    every = operations(document)
    names = [operation["operationId"] for _, _, operation in every]
    assert len(set(names)) == len(names)
    for path, _, operation in every:
        assert operation["summary"] and operation["description"] and operation["tags"], path
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter["name"])


def test_every_answer_shows_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        answer = next(said for code, said in operation["responses"].items() if code < "300")
        for media, content in answer.get("content", {}).items():
            if "json" not in media:
                continue
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            example = content.get("example") or document["components"]["schemas"][name]["example"]
            assert example, path
            if name:
                required = document["components"]["schemas"][name]["required"]
                assert set(required) == set(example), path


def test_problems_are_described_with_the_type_they_have(document: dict[str, Any]) -> None:
    described = 0
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and path != "/ready":
                assert list(response["content"]) == ["application/problem+json"], (path, status)
                described += 1
    assert described > 20


def test_what_a_key_is_for_is_described(document: dict[str, Any]) -> None:
    card = document["paths"]["/units/{id}/card"]["get"]
    assert card["security"] and "401" in card["responses"]
    assert "X-Purpose" in [parameter["name"] for parameter in card["parameters"]]


def test_no_personal_field_can_be_put_into_a_url(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            if parameter["in"] in ("query", "path"):
                words = parameter["name"].lower()
                assert not any(part in words for part in ("purpose", "person", "phone", "token")), (
                    path
                )
