"""The examples of docs/reference/feeds-formats.md are what they say they are."""

import re
from pathlib import Path

from cim.feeds.decoders import DECODERS
from cim.feeds.reading import Message

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/feeds-formats.md"


def test_every_format_is_described_and_its_examples_become_readings() -> None:
    page = PAGE.read_text(encoding="utf-8")
    chapters = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    assert chapters.keys() >= DECODERS.keys()
    for name, decoder in DECODERS.items():
        assert f"| [`{name}`](#{name}) |" in page
        blocks = re.findall(r"```json\n(.*?)```", chapters[name], re.S)
        assert blocks or name == "sparkplug"
        for block in blocks:
            found = decoder.decode(block.encode(), Message())
            assert found.faults == [], (name, block)
            assert found.readings, (name, block)
