"""Every format, from its examples to rows: what is decoded is stored, what is not is told."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from cim.feeds.decoders import DECODERS
from cim.feeds.ingest import Item
from cim.feeds.reading import Message
from cim.settings import Settings
from tests.feeding import Ingester, furnish
from tests.payloads import NOW, examples, sparkplug

SCRIPT = "function decodeUplink(input) { return { data: { power: input.bytes[0] / 10 } }; }"


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    """A feed of every format, which makes the devices it meets."""
    furnish(engine)
    with engine.begin() as connection:
        for number, name in enumerate(DECODERS):
            connection.execute(
                text("INSERT INTO city.source_system (id, name) VALUES (:id, :name)"),
                {"id": 800 + number, "name": f"格式 {name}"},
            )
            connection.execute(
                text("""
                INSERT INTO platform.feed (id, name, transport, decoder, source_id, provision)
                VALUES (:id, :name, 'http', :name, :id, 'devices')"""),
                {"id": 800 + number, "name": name},
            )
    return engine


@pytest.fixture
def sender(city: Engine, settings: Settings) -> Iterator[Ingester]:
    found = Ingester(settings)
    found.ways.any_age = True  # the examples are of the first of January
    yield found
    if found.ways.codecs is not None:
        found.run(found.ways.codecs.close())
    found.close()


def stored(city: Engine, name: str) -> set[tuple[str, str, int, object]]:
    """Device, stream, time and value of what is kept of a format's devices."""
    with city.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT d.ext_id, s.name, (extract(epoch FROM o.phenomenon_time) * 1000000)::bigint,
                coalesce(to_jsonb(o.result), to_jsonb(o.result_text))
            FROM city.observation o JOIN city.datastream s ON s.id = o.datastream_id
            JOIN city.device d ON d.id = s.device_id
            JOIN city.source_system y ON y.id = d.source_id WHERE y.name = :name"""),
            {"name": f"格式 {name}"},
        )
        return {tuple(row) for row in rows}


@pytest.mark.parametrize("name", sorted(DECODERS.keys() - {"sparkplug"}))
def test_what_a_format_says_is_stored(city: Engine, sender: Ingester, name: str) -> None:
    wanted, faults = set(), 0
    items = []
    for example in examples():
        if example.decoder == name:
            items.append(Item(sender.feeds[name], example.payload, example.message, None))
            wanted |= {(each[0], each[1], each[2] or NOW, each[3]) for each in example.readings}
            faults += len(example.faults)
    found = sender.enter(items)
    # Where two examples say another value of the same moment, the first holds.
    first = {each[:3] for each in wanted}
    assert {each[:3] for each in stored(city, name)} == first
    assert stored(city, name) <= wanted
    assert sum(map(len, found.faults.values())) == faults + found.count("differs")


def test_an_edge_node_of_sparkplug_is_stored_and_asked_to_be_born(
    city: Engine, sender: Ingester
) -> None:
    power = {"name": "power", "alias": 1, "datatype": 10, "double_value": 1.5}
    said = {"alias": 1, "double_value": 2.5, "timestamp": NOW // 1000 + 1000}
    lost = {"alias": 1, "double_value": 9.9, "timestamp": NOW // 1000 + 2000}
    items = [
        Item(sender.feeds["sparkplug"], body, Message(f"spBv1.0/g/{kind}/n", "", NOW), None)
        for kind, body in (
            ("NBIRTH", sparkplug(0, power)),
            ("NDATA", sparkplug(1, said)),
            ("NDATA", sparkplug(5, lost)),
        )
    ]
    found = sender.enter(items)
    assert stored(city, "sparkplug") == {
        ("g/n", "online", NOW, 1),
        ("g/n", "power", NOW, 1.5),
        ("g/n", "power", NOW + 1_000_000, 2.5),
    }
    assert found.count("lost_before") == 2
    assert items[2].decoded is not None
    assert [reply.topic for reply in items[2].decoded.replies] == ["spBv1.0/g/NCMD/n"]


def test_bytes_go_through_the_makers_script_in_its_child(city: Engine, sender: Ingester) -> None:
    message = Message("", "", NOW, {"codec": "maker", "scripts": {"maker": SCRIPT}})
    payload = b"""{"deviceInfo": {"devEui": "00000000000000FF"}, "time": "2026-01-02T00:00:00Z",
        "fPort": 1, "data": "FQ=="}"""
    sender.enter([Item(sender.feeds["chirpstack"], payload, message, None)])
    found = {each for each in stored(city, "chirpstack") if each[0] == "00000000000000ff"}
    assert found == {("00000000000000ff", "power", NOW + 86_400_000_000, 2.1)}
