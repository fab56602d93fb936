"""The demo's feed: devices that are there, streams of their types, counters that rise, one lift."""

import datetime as dt
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from cim.feeds.decoders import DECODERS
from cim.feeds.reading import Message, Reading
from sample_data import live, places
from sample_data.places import Plan

BEGIN = dt.datetime(2026, 11, 22, 20, tzinfo=dt.timezone(dt.timedelta(hours=8)))
TYPES = Path(__file__).resolve().parents[3] / "cim/codes/device_types.json"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return places.lay_out(300, 7)


@pytest.fixture(scope="module")
def readings(plan: Plan) -> list[Reading]:
    """Ten minutes of it, as our own decoder reads them."""
    found = []
    last = 0
    for sent in live.messages(plan, BEGIN, 600):
        assert sent.at >= last
        last = sent.at
        decoded = DECODERS["cim"].decode(sent.payload, Message(sent.topic))
        assert decoded.faults == []
        assert {one.at for one in decoded.readings} == {sent.at}
        found += decoded.readings
    return found


def test_streams_are_those_of_the_types_of_devices(plan: Plan, readings: list[Reading]) -> None:
    kinds = {device.key: device.kind for device in live._devices(plan)}
    types = {one["class"]: one["streams"] for one in json.loads(TYPES.read_text(encoding="utf-8"))}
    for reading in readings:
        [stream] = [one for one in types[kinds[reading.device]] if one["name"] == reading.stream]
        if stream["type"] == "number":
            assert reading.value is not None
            assert stream.get("low", -1e9) <= reading.value <= stream.get("high", 1e9)


def test_counters_rise(readings: list[Reading]) -> None:
    counted = defaultdict(list)
    for reading in readings:
        if reading.stream in ("energy", "volume", "trips"):
            counted[reading.device, reading.stream].append(reading.value)
    assert len(counted) > 100
    assert all(values == sorted(values) for values in counted.values())
    longest = max(counted.values(), key=len)
    assert longest[-1] > longest[0]


def test_one_lift_breaks_and_is_mended(plan: Plan, readings: list[Reading]) -> None:
    story = live.broken(plan)
    start = int(BEGIN.timestamp())
    told: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for reading in readings:
        if reading.device == story and reading.at is not None:
            told[reading.stream].append(
                (reading.at // 1_000_000 - start, reading.text or reading.value)
            )
    faults = [second for second, code in told["fault"] if code == "E32"]
    assert (faults[0], faults[-1] < live.MENDED) == (live.BREAKS, True)
    assert dict(told["fault"])[live.MENDED] == "0"
    stands = {value for second, value in told["floor"] if live.BREAKS <= second < live.MENDED}
    assert len(stands) == 1
    assert {one.text for one in readings if one.stream == "fault" and one.device != story} == {"0"}


def test_the_same_moment_says_the_same(plan: Plan) -> None:
    later = BEGIN + dt.timedelta(seconds=300)
    whole = {one for one in live.messages(plan, BEGIN, 360) if b"DE" in one.payload}
    part = {one for one in live.messages(plan, later, 60) if b"DE" in one.payload}
    assert part and part <= whole


def test_a_file_of_it_has_a_message_a_line(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    count = live.write(path, plan, BEGIN, 30)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == count > 0
    assert set(lines[0]) == {"at", "topic", "payload"}


def test_it_is_said_as_time_goes_by(plan: Plan) -> None:
    said: list[bytes] = []

    def post(body: bytes) -> None:
        said.append(body)
        if len(said) == 1:
            raise ConnectionError("the city is not there yet")

    began = time.time()
    live.speak(plan, post, 3)
    assert time.time() - began >= 1
    assert len(said) >= 2
    found = DECODERS["cim"].decode(said[-1], Message())
    assert found.faults == [] and len({one.at for one in found.readings}) == 1


def test_the_story_begins_anew(plan: Plan) -> None:
    seconds = live.AGAIN + live.MENDED + 1
    story = live.broken(plan).encode()
    faults = [
        sent.at // 1_000_000 - int(BEGIN.timestamp())
        for sent in live.messages(plan, BEGIN, seconds)
        if story in sent.payload and b"E32" in sent.payload
    ]
    assert min(faults) == live.BREAKS
    assert live.AGAIN + live.BREAKS in faults
    assert not [second for second in faults if live.MENDED <= second < live.AGAIN + live.BREAKS]
