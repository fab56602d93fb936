"""Every parameter and body of both descriptions, sent what nobody should: refused by name, at once.

New routes are tried by themselves: what may be sent is read from the descriptions.
"""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cim.settings import Settings
from tests.http.conftest import Key

HOSTILE = {
    "nothing": "",
    "NUL": "%00",
    "half a pair": "%ED%A0%80",
    "no UTF-8": "%FF%FE",
    "turned": "%E2%80%AE1",
    "many": "9" * 400,
    "tiny": "5e-324",
    "huge": "1e308",
    "not a number": "NaN",
    "negative": "-1",
    "text": "x" * 5_000,
    "SQL": quote("' OR 1=1; --"),
    "JSON": quote('{"op":' * 500),
    "brackets": quote("(" * 5_000),
    "far east": "179,-10,-179,10",
    "an unknown system": quote("http://www.opengis.net/def/crs/EPSG/0/999999"),
    "year 0": "0000-01-01T00:00:00Z",
    "list": "%2C" * 500,
}
"""Values as they stand in an address."""

RING = [[113.8 + i * 1e-6, 22.9 + (i % 7) * 1e-6] for i in range(100_000)]
POLYGON = {"type": "Polygon", "coordinates": [[*RING, RING[0]]]}
ACROSS = {"type": "Polygon", "coordinates": [[[179, 0], [-179, 0], [-179, 1], [179, 0]]]}

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"ids": [1,',
    "no UTF-8": b'{"q": "\xff\xfe"}',
    "half a pair": b'{"q": "\\ud800", "ids": ["\\ud800"]}',
    "NUL": b'{"q": "\\u0000", "name": "\\u0000", "ids": [1]}',
    "deep lists": b"[" * 50_000 + b"]" * 50_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "long": json.dumps({"q": "x" * 990_000}).encode(),
    "too long": b'"' + b"x" * 5_000_000 + b'"',
    "not numbers": b'{"ids": [NaN, Infinity, 1e999]}',
    "another kind": b"[1, 2, 3]",
    "alone": b"null",
    "100,000 corners": json.dumps(POLYGON).encode(),
    "across the antimeridian": json.dumps(ACROSS).encode(),
    "a polygon of nothing": b'{"type": "Polygon", "coordinates": []}',
    "a polygon of text": b'{"type": "Polygon", "coordinates": [[["a", "b"]]]}',
}

SECONDS = 0.5
"""CPU seconds of an answer at most; on a machine of its own a refusal takes some milliseconds."""

SLOW = ("100,000 corners",)
"""What is worked on, if the caller may: not refused."""


@pytest.fixture(scope="module")
def tried(city: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(city.model_copy(update={"rate_nobody": 0.0}))) as client:
        yield client


def operations(client: TestClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, whole path and description of every operation."""
    for root, address in (("", "/openapi.json"), ("/ogc", "/ogc/api")):
        document = client.get(address, headers={"Accept": "application/json"}).json()
        shared = document["components"].get("parameters", {})
        for path, methods in document["paths"].items():
            if root and "/collections/" in path and "/units" not in path:
                continue  # collections are of one make
            for method, operation in methods.items():
                if method == "parameters":
                    continue
                parameters = [
                    shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
                    for each in operation.get("parameters", [])
                ]
                yield method.upper(), root + path, operation | {"parameters": parameters}


def example(parameter: dict[str, Any]) -> str:
    """A value that a parameter takes, as it stands in an address."""
    schema = parameter.get("schema", {})
    known = parameter.get("examples") or schema.get("examples")
    if isinstance(known, dict):
        known = [each["value"] for each in known.values()]
    value = known[0] if known else parameter.get("example", schema.get("default"))
    if value is None:
        value = schema.get("enum", [1])[0]
    return quote(str(value))


def asked(
    path: str, operation: dict[str, Any], other: str = "", value: str = ""
) -> tuple[str, dict[str, str]]:
    """An address and headers: what is required by its example, and one parameter as given."""
    query, headers = [], {}
    for each in operation["parameters"]:
        name, mine = each["name"], each["name"] == other
        if each["in"] == "path":
            path = path.replace("{" + name + "}", value if mine else example(each))
        elif each["in"] == "query" and (mine or each.get("required")):
            query.append(f"{name}={value if mine else example(each)}")
        elif each["in"] == "header" and (mine or each.get("required")):
            headers[name] = value if mine else example(each)
    return path + ("?" + "&".join(query) if query else ""), headers


def check(answer: Any, spent: float, what: str) -> None:
    assert answer.status_code < 500, (what, answer.text[:300])
    assert spent < SECONDS, (what, spent)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", what
        said = answer.json()
        assert said["detail"] and said["detail_zh"], what
        for leak in ("SELECT ", "Traceback", "asyncpg", "sqlalchemy"):
            assert leak not in answer.text, what


def test_every_parameter_bears_whatever_is_sent(tried: TestClient, key: Key) -> None:
    count, headed = 0, set()
    for method, path, operation in operations(tried):
        if path.endswith(("/stream", "/live")):
            continue  # it would not end
        for parameter in operation["parameters"]:
            if parameter["in"] == "header" and parameter["name"] in headed:
                continue  # read in one place for all
            headed |= {parameter["name"]} if parameter["in"] == "header" else set()
            for what, value in HOSTILE.items():
                address, headers = asked(path, operation, parameter["name"], value)
                headers |= key("data-and-people")
                begun = time.process_time()
                answer = tried.request(method, address, headers=headers, follow_redirects=False)
                spent = time.process_time() - begun
                check(answer, spent, f"{method} {path} {parameter['name']}: {what}")
                count += 1
    assert count > 1000


def test_every_body_bears_whatever_is_sent(tried: TestClient, key: Key) -> None:
    count = 0
    for method, path, operation in operations(tried):
        kinds = list(operation.get("requestBody", {}).get("content", {}))
        for kind in kinds:
            for what, body in BODIES.items():
                address, headers = asked(path, operation)
                headers |= key("data-and-people") | {"Content-Type": kind}
                begun = time.process_time()
                answer = tried.request(method, address, headers=headers, content=body)
                spent = 0.0 if what in SLOW else time.process_time() - begun
                check(answer, spent, f"{method} {path} as {kind}: {what}")
                count += 1
    assert count > 100


def test_a_parameter_that_is_not_known_is_named_below_ogc(tried: TestClient) -> None:
    answer = tried.get("/ogc/collections/units/items?unheard=1")
    assert answer.status_code == 400 and "unheard" in answer.json()["detail"]
