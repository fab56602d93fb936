"""SenML in CBOR says what the same pack in JSON says."""

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.feeds.decoders import DECODERS, senml
from cim.feeds.reading import Message
from tests.payloads import examples
from tests.unit.feeds.test_decoders import judged

NUMBERS = {name: label for label, name in senml._LABELS.items()}


def packed(records: Any) -> bytes:
    """A pack of JSON in CBOR, by the labels of RFC 8428."""
    return cbor2.dumps(
        [{NUMBERS.get(name, name): value for name, value in record.items()} for record in records]
    )


@pytest.mark.parametrize("example", [one for one in examples() if one.decoder == "senml"])
def test_a_pack_in_cbor_is_the_pack_in_json(example: Any) -> None:
    records = json.loads(example.payload)
    if not isinstance(records, list):
        return
    found = DECODERS["senml"].decode(packed(records), example.message)
    same = DECODERS["senml"].decode(example.payload, example.message)
    assert (found.readings, found.faults) == (same.readings, same.faults)


def test_labels_are_those_of_the_standard() -> None:
    # RFC 8428, 6: a list, a record of four, and the base name is -2, 0x21 in CBOR.
    pack = [{"bn": "urn:dev:ow:10e2073a0108006:", "n": "voltage", "u": "V", "v": 120.1}]
    given_ = packed(pack)
    assert given_[:3] == bytes((0x81, 0xA4, 0x21))
    [found] = DECODERS["senml"].decode(given_, Message()).readings
    assert (found.device, found.stream, found.value, found.unit) == (
        "urn:dev:ow:10e2073a0108006",
        "voltage",
        120.1,
        "V",
    )


@given(st.binary(max_size=80), st.sampled_from([0x80, 0x81, 0x82, 0x9B, 0x9F]))
def test_no_bytes_behind_a_list_raise(tail: bytes, first: int) -> None:
    judged(DECODERS["senml"].decode(bytes((first,)) + tail, Message()))


@given(
    st.lists(
        st.dictionaries(
            st.integers(-7, 9) | st.text(max_size=3),
            st.floats()
            | st.binary()
            | st.text(max_size=5)
            | st.booleans()
            | st.none()
            | st.integers()
            | st.decimals(),
        ),
        max_size=3,
    )
)
def test_no_record_raises(records: list[dict[Any, Any]]) -> None:
    judged(DECODERS["senml"].decode(cbor2.dumps(records), Message(received_at=10**15)))
