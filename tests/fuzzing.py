"""A decoder tried with bytes that grow towards what it has not done yet (atheris).

    python tests/fuzzing.py DECODER CORPUS -runs=100000

CORPUS is a folder for what it learns; the examples of `tests.payloads` are its first lessons. It
exits with 0 after as many tries, and with something else where a decoder raised or gave what it may
not.
"""

import math
import sys
from pathlib import Path

import atheris
import cbor2

with atheris.instrument_imports(include=["cim.feeds"]):
    from cim.feeds.codecs import table
    from cim.feeds.decoders import DECODERS, sparkplug
    from cim.feeds.handshakes import genuine
    from cim.feeds.reading import Decoded, Message

sys.path.insert(0, str(Path(__file__).parents[1]))  # a program by itself, beside the tests

from cim.feeds.reasons import REASONS
from tests.payloads import NOW, examples
from tests.payloads import sparkplug as sparkplug_payload

SPARKPLUG = [
    f"spBv1.0/g/{kind}/n" + ("/d" if kind[0] == "D" else "")
    for kind in ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH")
]


def judge(found: Decoded) -> None:
    """What holds of whatever a decoder gives."""
    for one in found.readings:
        assert one.device and one.stream and (one.value is None) != (one.text is None)
        assert one.value is None or math.isfinite(one.value)
        assert one.at is None or -1e18 < one.at < 1e18
        f"{one.device}{one.stream}{one.text}".encode()
    assert all(fault.reason in REASONS for fault in found.faults)


def tried(name: str) -> object:
    """What atheris calls with bytes."""
    if name == "sparkplug":
        return _sparkplug
    if name == "tables":
        return _tables
    ways = [Message("", "", NOW), *(one.message for one in examples() if one.decoder == name)]
    decode = DECODERS[name].decode

    def one(data: bytes) -> None:
        judge(decode(data, ways[len(data) % len(ways)]))
        genuine(name, data, "t")

    return one


def _sparkplug(data: bytes) -> None:
    """Up to eight messages of one node: the first byte of each says its kind."""
    state = None
    for body in data.split(b"\xff\xfe", 8):
        message = Message(SPARKPLUG[body[0] % 6] if body else "spBv1.0", "", NOW)
        found, state = sparkplug.step(body[1:], message, state)
        judge(found)


def _tables(data: bytes) -> None:
    names = sorted(table.tables())
    if data:
        table.read(table.tables()[names[data[0] % len(names)]], data[1:], len(data) % 256)


def seeds(name: str, corpus: Path) -> None:
    """The examples of a decoder, as the first files of its corpus."""
    corpus.mkdir(parents=True, exist_ok=True)
    found = [one.payload for one in examples() if one.decoder == name]
    if name == "senml":
        found.append(cbor2.dumps([{-2: "e:", -3: 1767225600, 0: "t", 1: "Cel", 2: 21.5, 8: b"x"}]))
    if name == "sparkplug":
        metric = {"name": "a", "alias": 1, "datatype": 3, "int_value": 4294967295, "quality": 0}
        said = {"alias": 1, "double_value": 1.5}
        found = [b"\0" + sparkplug_payload(0, metric) + b"\xff\xfe\1" + sparkplug_payload(1, said)]
    for number, payload in enumerate(found):
        (corpus / f"seed-{number}").write_bytes(payload)


def main() -> None:
    """Try one decoder."""
    name, corpus, *options = sys.argv[1:]
    seeds(name, Path(corpus))
    atheris.Setup(
        [
            sys.argv[0],
            corpus,
            "-max_len=4096",
            "-timeout=10",
            "-verbosity=0",
            f"-artifact_prefix={corpus}/",
            *options,
        ],
        tried(name),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
