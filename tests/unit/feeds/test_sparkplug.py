"""Edge nodes of Sparkplug B: born, counted, lost, asked to be born again, dead."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cim.feeds.decoders import sparkplug
from cim.feeds.decoders.sparkplug_schema import payload_class
from cim.feeds.reading import Decoded, Message
from tests.payloads import NOW
from tests.payloads import sparkplug as payload
from tests.unit.feeds.test_decoders import judged

BIRTH = (
    {"name": "bdSeq", "datatype": 4, "long_value": 3},
    {"name": "Node Control/Rebirth", "datatype": 11, "boolean_value": False},
    {"name": "power", "alias": 1, "datatype": 10, "double_value": 1.5},
    {"name": "change", "alias": 2, "datatype": 3, "int_value": 4294967295},
    {"name": "mode", "alias": 3, "datatype": 12, "is_null": True},
)


class Reader:
    """What one node's messages become, one after the other."""

    def __init__(self) -> None:
        self.state: Any = None
        self.now = NOW

    def hear(self, kind: str, body: bytes, device: str = "") -> Decoded:
        topic = f"spBv1.0/house/{kind}/edge" + (f"/{device}" if device else "")
        found, self.state = sparkplug.step(body, Message(topic, "", self.now), self.state)
        judged(found)
        return found


def said(found: Decoded) -> list[tuple[str, str, Any]]:
    return [
        (one.device, one.stream, one.text if one.value is None else one.value)
        for one in found.readings
    ]


def test_a_birth_names_what_data_says_by_alias() -> None:
    node = Reader()
    assert said(node.hear("NBIRTH", payload(0, *map(dict, BIRTH)))) == [
        ("house/edge", "online", 1.0),
        ("house/edge", "power", 1.5),
        ("house/edge", "change", -1.0),
    ]
    lamp = {"name": "lamp", "alias": 9, "datatype": 11, "boolean_value": True}
    assert said(node.hear("DBIRTH", payload(1, lamp), "hall")) == [
        ("house/edge/hall", "online", 1.0),
        ("house/edge/hall", "lamp", 1.0),
    ]
    found = node.hear("NDATA", payload(2, {"alias": 1, "double_value": 2.0, "timestamp": 7}))
    assert said(found) == [("house/edge", "power", 2.0)]
    assert found.readings[0].at == 7_000
    assert said(node.hear("DDATA", payload(3, {"alias": 9, "boolean_value": False}), "hall")) == [
        ("house/edge/hall", "lamp", 0.0)
    ]
    assert said(node.hear("NDATA", payload(4, {"alias": 2, "int_value": 4294967294}))) == [
        ("house/edge", "change", -2.0)
    ]


def test_after_a_gap_nothing_is_guessed_and_a_birth_is_asked_for_once() -> None:
    node = Reader()
    node.hear("NBIRTH", payload(0, *map(dict, BIRTH)))
    found = node.hear("NDATA", payload(2, {"alias": 1, "double_value": 2.0}, {"name": "x"}))
    assert said(found) == []
    assert [(one.reason, one.path) for one in found.faults] == [
        ("lost_before", "seq"),
        ("not_a_value", "x"),
        ("lost_before", "metrics"),
    ]
    [reply] = found.replies
    assert reply.topic == "spBv1.0/house/NCMD/edge"
    [asked] = payload_class().FromString(reply.payload).metrics
    assert (asked.name, asked.datatype, asked.boolean_value) == ("Node Control/Rebirth", 11, True)
    again = node.hear("NDATA", payload(3, {"name": "power", "datatype": 10, "double_value": 3}))
    assert said(again) == [("house/edge", "power", 3.0)]
    assert again.replies == []
    node.now += 61_000_000
    assert len(node.hear("NDATA", payload(4)).replies) == 1
    node.hear("NBIRTH", payload(0, *map(dict, BIRTH)))
    assert said(node.hear("NDATA", payload(1, {"alias": 1, "double_value": 4}))) == [
        ("house/edge", "power", 4.0)
    ]


def test_numbers_go_round() -> None:
    node = Reader()
    node.hear("NBIRTH", payload(0, *map(dict, BIRTH)))
    for seq in [*range(1, 256), 0, 1]:
        found = node.hear("NDATA", payload(seq, {"alias": 1, "double_value": float(seq)}))
        assert (found.faults, len(found.readings)) == ([], 1)


def test_who_comes_late_asks_for_a_birth() -> None:
    found = Reader().hear("DDATA", payload(17, {"alias": 1, "double_value": 1}), "hall")
    assert [one.reason for one in found.faults] == ["lost_before"]
    assert len(found.replies) == 1


def test_a_death_takes_all_of_a_node_but_not_one_of_an_earlier_session() -> None:
    node = Reader()
    node.hear("NBIRTH", payload(0, *map(dict, BIRTH)))
    node.hear("DBIRTH", payload(1), "hall")
    old = {"name": "bdSeq", "datatype": 4, "long_value": 2}
    assert said(node.hear("NDEATH", payload(None, old))) == []
    own = {"name": "bdSeq", "datatype": 4, "long_value": 3}
    assert sorted(said(node.hear("NDEATH", payload(None, own)))) == [
        ("house/edge", "online", 0.0),
        ("house/edge/hall", "online", 0.0),
    ]
    assert node.state == sparkplug.Node()


def test_the_death_of_a_device_is_counted_and_forgets_its_names() -> None:
    node = Reader()
    node.hear("NBIRTH", payload(0, *map(dict, BIRTH)))
    lamp = {"name": "lamp", "alias": 9, "datatype": 11, "boolean_value": True}
    node.hear("DBIRTH", payload(1, lamp), "hall")
    assert said(node.hear("DDEATH", payload(2), "hall")) == [("house/edge/hall", "online", 0.0)]
    found = node.hear("DDATA", payload(3, {"alias": 9, "boolean_value": True}), "hall")
    assert [one.reason for one in found.faults] == ["lost_before"]


def test_quality_and_values_that_are_none() -> None:
    node = Reader()
    found = node.hear(
        "NBIRTH",
        payload(
            0,
            {"name": "a", "datatype": 10, "double_value": 1, "quality": 0},
            {"name": "b", "datatype": 10, "double_value": 1, "quality": 500},
            {"name": "c", "datatype": 10, "double_value": 1, "quality": 192},
            {"name": "d", "datatype": 17, "bytes_value": b"\1"},
            {"name": "e", "datatype": 10, "double_value": float("nan")},
        ),
    )
    assert {one.stream: one.quality for one in found.readings} == {
        "online": 0,
        "a": 5,
        "b": 1,
        "c": 0,
    }
    assert [(one.reason, one.path) for one in found.faults] == [
        ("not_a_value", "d"),
        ("not_finite", "e"),
    ]


def test_commands_and_states_of_hosts_are_nobodys_readings() -> None:
    for topic in ("spBv1.0/house/NCMD/edge", "spBv1.0/STATE/host", "spBv1.0/house/DCMD/edge/d"):
        found = sparkplug.decode(b"{}", Message(topic, "", NOW))
        assert (found.readings, found.faults) == ([], [])
    found = sparkplug.decode(b"", Message("elsewhere/NDATA", "", NOW))
    assert [one.reason for one in found.faults] == ["not_decodable"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]),
            st.sampled_from(["", "hall"]),
            st.integers(0, 3) | st.none(),
            st.binary(max_size=20),
        ),
        max_size=12,
    )
)
def test_messages_in_any_order_raise_nothing(messages: list[tuple[str, str, Any, bytes]]) -> None:
    node = Reader()
    for kind, device, seq, tail in messages:
        body = payload(seq, {"alias": 1, "double_value": 1.0}) + tail
        node.hear(kind, body, device)
