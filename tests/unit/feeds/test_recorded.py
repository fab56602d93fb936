"""Files of messages: what each line is, and that none of them ends the reading."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cim.feeds.recorded import Line, lines


def _lines(folder: Path, *given: bytes) -> list[Line]:
    path = folder / "day.jsonl"
    path.write_bytes(b"\n".join(given))
    return list(lines(path))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b'{"at": 5, "topic": "a/b", "payload": {"v": 1}}', Line(5, "a/b", b'{"v": 1}')),
        (b'{"at": 5e3, "payload": "text"}', Line(5000, "", b"text")),
        (b'{"payload": {"base64": "AAEC"}}', Line(0, "", b"\x00\x01\x02")),
        (b'{"device": "d", "value": 1}', Line(0, "", b'{"device": "d", "value": 1}')),
    ],
)
def test_a_line_is_a_message_or_a_payload(tmp_path: Path, written: bytes, meant: Line) -> None:
    assert _lines(tmp_path, written) == [meant]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b'{"at": 5, "payl', "no JSON: Unterminated string starting at at character 11"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"at": "noon", "payload": 1}', "at: "),
        (b'{"at": -1, "payload": 1}', "at: "),
        (b'{"at": 1e300, "payload": 1}', "at: "),
        (b'{"at": NaN, "payload": 1}', "at: "),
        (b'{"topic": ["a"], "payload": 1}', "topic: "),
        (b'{"topic": "a\\u0000b", "payload": 1}', "topic: "),
        (b'{"payload": {"base64": "A*"}}', "payload: it is not base64"),
        (b'{"payload": {"base64": 7}}', "payload: base64 is no text"),
        (b'{"payload": "\\ud800"}', "half a character"),
    ],
)
def test_a_line_that_is_neither_says_where_and_why_and_the_next_is_read(
    tmp_path: Path, written: bytes, why: str
) -> None:
    bad, good = _lines(tmp_path, written, b"", b'{"payload": "next"}')[0:2]
    assert bad.fault.startswith("day.jsonl, line 1: ") and why in bad.fault
    assert bad.payload == written
    assert good == Line(0, "", b"next")


@given(some.lists(some.binary(max_size=60)))
def test_no_file_ends_the_reading(tmp_path_factory: pytest.TempPathFactory, held: list[bytes]):
    assert all(line.payload for line in _lines(tmp_path_factory.mktemp("any"), *held))
