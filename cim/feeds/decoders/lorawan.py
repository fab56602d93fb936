"""Bytes of a device as a LoRaWAN network hands them on: which codec reads them.

Options of the feed: `codec` names the codec of all its devices, `codecs` one by kind of device
(the network's profile or model); a name is that of a table (`cim/feeds/codecs/tables`), or of a
script in `scripts`, name → JavaScript.
"""

from typing import Any

from cim.feeds.codecs import table
from cim.feeds.decoders.values import add, dict_of, fault, text_of
from cim.feeds.reading import Decoded, Frame, Message

LARGEST = 4_096
"""Bytes of one frame that are read; LoRaWAN has 242 at most, NB-IoT some hundreds."""


def read(out: Decoded, message: Message, kind: str, frame: Frame) -> None:
    """Read a frame by its table, or put it where its script is run; else say what is missing."""
    options = message.options
    name = text_of(dict_of(options.get("codecs")).get(kind)) or text_of(options.get("codec"))
    script = dict_of(options.get("scripts")).get(name)
    if len(frame.data) > LARGEST:
        fault(out, "too_large", f"a frame of {len(frame.data)} bytes", frame.device)
    elif type(script) is str and script:
        out.frames.append(Frame(frame.device, script, frame.data, frame.port, frame.at))
    elif found := table.named(name):
        _table(out, found, frame)
    else:
        fault(out, "no_codec", f"kind {kind!r}, codec {name!r}")


def _table(out: Decoded, found: Any, frame: Frame) -> None:
    values, wrong = table.read(found, frame.data, frame.port)
    for name, value in values.items():
        add(out, frame.device, name, frame.at, value)
    if wrong:
        fault(out, "codec", wrong)
