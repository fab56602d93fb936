"""What should never be pushed: answered with its reason, kept, counted, harmless to the others."""

import gzip
import json
import os
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests.accounts import add_key
from tests.feeding import NOW, furnish, give_key

BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not_decodable"),
    "cut off": (b'[{"device": "meter-1", "stream": "energy", "value": 1', "not_decodable"),
    "bytes": (bytes(range(256)), "not_decodable"),
    "nested": (b"[" * 100_000, "too_deep"),
    "NaN": (b'{"device": "meter-1", "stream": "energy", "value": NaN}', "not_decodable"),
    "infinite": (b'{"device": "meter-1", "stream": "energy", "value": 1e999}', "not_decodable"),
    "a word": (b'{"device": "meter-1", "stream": "energy", "value": "much"}', "not_a_number"),
    "another dimension": (
        b'{"device": "meter-1", "stream": "energy", "value": 1, "unit": "m"}',
        "wrong_unit",
    ),
    "1970": (b'{"device": "meter-1", "stream": "energy", "value": 1, "at": 1000}', "too_old"),
    "2100": (
        b'{"device": "meter-1", "stream": "energy", "value": 1, "at": "2100-01-01T00:00:00Z"}',
        "ahead",
    ),
    "no time": (
        b'{"device": "meter-1", "stream": "energy", "value": 1, "at": "soon"}',
        "not_a_time",
    ),
    "an unknown device": (b'{"device": "../lift-1", "stream": "energy", "value": 1}', "no_device"),
    "an unknown stream": (b'{"device": "meter-1", "stream": "../x", "value": 1}', "no_stream"),
    "a NUL": (b'{"device": "meter-1\\u0000", "stream": "energy", "value": 1}', "no_device"),
    "too many": (
        b"["
        + b",".join([b'{"device": "meter-1", "stream": "energy", "value": 1}'] * 20_001)
        + b"]",
        "too_large",
    ),
}

KEY = {"Authorization": "Bearer key-devices"}


@pytest.fixture(scope="module")
def pushed(client: TestClient, engine: Engine) -> Iterator[TestClient]:
    furnish(engine)
    add_key(engine, "device-office", "key-devices", ["devices"])
    yield client


def good(client: TestClient, number: int) -> None:
    """Somebody else's reading is taken, in the same second."""
    said = {"device": "lift-1", "stream": "running", "value": "up", "at": NOW - number * 1_000_000}
    answer = client.post("/feeds/plain", json=said, headers=KEY)
    assert answer.json() == {"taken": 1, "faults": [], "faults_count": 0}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_answered_with_its_reason_and_kept(
    pushed: TestClient, engine: Engine, name: str
) -> None:
    payload, reason = BAD[name]
    answer = pushed.post("/feeds/plain", content=payload, headers=KEY)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["taken"], [fault["reason"] for fault in told["faults"]]) == (0, [reason])
    assert told["faults"][0]["en"] and told["faults"][0]["zh"]
    with engine.connect() as connection:
        letters = connection.execute(
            text("SELECT reason FROM platform.dead_letter WHERE payload = :payload"),
            {"payload": payload},
        ).scalars()
        kept = list(letters)
    assert kept == ([reason] if len(payload) <= 1 << 20 else [])
    good(pushed, list(BAD).index(name))


def test_the_good_of_a_batch_is_taken_and_the_bad_named(pushed: TestClient) -> None:
    each = [json.loads(BAD[name][0]) for name in ("a word", "1970", "2100", "an unknown device")]
    fine = {"device": "meter-1", "stream": "energy", "value": 5, "at": NOW - 90_000_000}
    answer = pushed.post("/feeds/plain", json=[*each, fine], headers=KEY).json()
    assert (answer["taken"], answer["faults_count"]) == (1, 4)


def test_a_device_that_floods_is_told_and_harms_no_other(
    pushed: TestClient, engine: Engine
) -> None:
    with engine.begin() as connection:
        flooding = {"Authorization": f"Bearer {give_key(connection, 7001, 'meter-1')}"}
    at = NOW - 3_600_000_000
    many = [
        {"device": "meter-1", "stream": "power", "value": 1, "at": at + n} for n in range(3_000)
    ]
    sent = pushed.post("/feeds/plain", json=many, headers=flooding)
    assert sent.status_code == 200, sent.text
    answer = sent.json()
    assert answer["taken"] + answer["faults_count"] == 3_000
    assert answer["faults_count"] >= 1_900
    assert {fault["reason"] for fault in answer["faults"]} == {"flood"}
    with engine.connect() as connection:
        kept = connection.execute(
            text("SELECT 1 + repeats FROM platform.dead_letter WHERE reason = 'flood'")
        )
        assert list(kept.scalars()) == [answer["faults_count"]]  # one letter, not 2,000
    good(pushed, 100)


def test_a_body_that_is_packed_to_nothing_is_refused(pushed: TestClient) -> None:
    """Ten megabytes of spaces in ten kilobytes, and a packing that is none."""
    for body in (gzip.compress(b" " * (10 << 20)), os.urandom(100)):
        told = KEY | {"Content-Encoding": "gzip"}
        answer = pushed.post("/feeds/plain", content=body, headers=told)
        assert answer.status_code in (200, 400, 413, 415), answer.text
        if answer.status_code == 200:
            assert answer.json()["taken"] == 0 and answer.json()["faults_count"] == 1
    good(pushed, 101)
