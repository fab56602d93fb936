"""Payloads of every format, and the readings and faults that they become."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.feeds.decoders import DECODERS, values
from cim.feeds.reading import Decoded, Message
from cim.feeds.reasons import REASONS
from tests.payloads import NOW, Example, examples

EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.decoder}: {e.name}" for e in EXAMPLES])
def test_an_example_becomes_its_readings_and_faults(example: Example) -> None:
    found = DECODERS[example.decoder].decode(example.payload, example.message)
    assert [_short(reading, example) for reading in found.readings] == [
        [*reading, None][:5] for reading in example.readings
    ]
    assert [[fault.reason, fault.path] for fault in found.faults] == example.faults


def _short(reading: Any, example: Example) -> list[Any]:
    value = reading.text if reading.value is None else reading.value
    return [reading.device, reading.stream, reading.at, value, reading.unit]


def test_every_format_has_examples_but_the_one_of_bytes() -> None:
    assert {example.decoder for example in EXAMPLES} == DECODERS.keys() - {"sparkplug"}


def judged(found: Decoded) -> None:
    """What holds of whatever a decoder gives."""
    for reading in found.readings:
        assert reading.device and reading.stream
        assert (reading.value is None) != (reading.text is None)
        assert reading.value is None or math.isfinite(reading.value)
        assert reading.at is None or -1e18 < reading.at < 1e18
        f"{reading.device}{reading.stream}{reading.text}".encode()
    for fault in found.faults:
        assert fault.reason in REASONS
        assert len(fault.detail) <= values.LONGEST
        assert len(fault.path) <= values.NAME
    assert len(found.readings) <= values.MOST


OTHERS = sorted(DECODERS.keys() - {"cim"})
TOPICS = ["", "spBv1.0/g/NDATA/n", "spBv1.0/g/DBIRTH/n/d", "v1.1/Datastreams(1)/Observations"]


@pytest.mark.parametrize("name", OTHERS)
@given(st.data())
def test_no_bytes_raise(name: str, data: st.DataObject) -> None:
    payload = data.draw(st.binary(max_size=300))
    message = Message(data.draw(st.sampled_from(TOPICS)), "", NOW)
    judged(DECODERS[name].decode(payload, message))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("name", sorted(DECODERS.keys() - {"cim", "sparkplug"}))
@given(st.data())
def test_an_example_with_a_part_of_it_changed_raises_nothing(
    name: str, data: st.DataObject
) -> None:
    example = data.draw(st.sampled_from([one for one in EXAMPLES if one.decoder == name]))
    try:
        body = json.loads(example.payload)
    except ValueError:
        return
    body = _changed(body, data)
    payload = json.dumps(body).encode("utf-8", "surrogatepass")
    judged(DECODERS[name].decode(payload, example.message))


def _changed(body: Any, data: st.DataObject) -> Any:
    """The same JSON with one of its parts another."""
    if isinstance(body, dict) and body and data.draw(st.integers(0, 9)) > 0:
        key = data.draw(st.sampled_from(sorted(body)))
        return {**body, key: _changed(body[key], data)}
    if isinstance(body, list) and body and data.draw(st.integers(0, 9)) > 0:
        place = data.draw(st.integers(0, len(body) - 1))
        return [*body[:place], _changed(body[place], data), *body[place + 1 :]]
    return data.draw(JSON)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_too_large_or_too_deep_is_one_fault(name: str) -> None:
    topic = Message("spBv1.0/g/NDATA/n", "", NOW)
    decode = DECODERS[name].decode
    large = decode(b" " * (values.LARGEST + 1), topic)
    assert [fault.reason for fault in large.faults] == ["too_large"]
    deep = decode(b"[" * 100_000, topic)
    assert [fault.reason for fault in deep.faults] in (["too_deep"], ["not_decodable"])


def test_readings_are_counted_and_nesting_is_bounded() -> None:
    many = json.dumps({f"k{number}": 1 for number in range(values.MOST + 1)}).encode()
    message = Message(options={"device": "d"})
    found = DECODERS["thingsboard"].decode(many, message)
    assert found.readings == []
    assert [fault.reason for fault in found.faults] == ["too_large"]
    nested: Any = 1
    for _ in range(values.DEEPEST + 2):
        nested = {"a": nested}
    found = DECODERS["thingsboard"].decode(json.dumps(nested).encode(), message)
    assert [fault.reason for fault in found.faults] == ["too_deep"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not_a_value"),
        ("x" * (values.LONGEST + 1), "too_large"),
        ("a\x00b", "not_a_value"),
        (10**400, "not_finite"),
    ],
)
def test_values_that_nobody_can_keep_are_named(value: Any, reason: str) -> None:
    payload = json.dumps({"a": value, "b": 1}).encode()
    found = DECODERS["thingsboard"].decode(payload, Message(options={"device": "d"}))
    assert [fault.reason for fault in found.faults] == [reason]
    assert [reading.stream for reading in found.readings] == ["b"]


@pytest.mark.parametrize("name", ["faceUrl", "plate_no", "人脸", "语音", "data.voicePrint"])
def test_faces_plates_and_voices_are_refused_wherever_they_stand(name: str) -> None:
    payload = msgspec.json.encode({"ok": 1, "inside": {name: {"x": "secret"}}, name: 3})
    found = DECODERS["thingsboard"].decode(payload, Message(options={"device": "d"}))
    assert [reading.stream for reading in found.readings] == ["ok"]
    assert {fault.reason for fault in found.faults} == {"biometric"}
    assert "secret" not in repr(found)
