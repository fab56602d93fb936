"""China Mobile's OneNET: what it pushes to an application, in JSON.

    {"msg": {"type": 1, "dev_id": 2016617, "ds_id": "power", "at": 1767225600000, "value": 21.5},
     "msg_signature": "…", "nonce": "…"}

`msg` is one message, a list, or either written as a text. Type 1 is a data point, 2 going online
(`status` 1) or offline; 7, the answer to a command, has no reading. Messages of the thing model
say `messageType`: `notify` has properties or events by name (`data.params`), `lifeCycle` is
`online`; answers, logs of scenes and places have no readings. Signatures are
`cim.feeds.handshakes`'s.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders.values import add, decoder, dict_of, fault, list_of, text_of, time_of
from cim.feeds.reading import Decoded, Decoder, Message

_JSON: Final = msgspec.json.Decoder()
_OTHERS: Final = ("lifeCycle", "reply", "sceneLog", "lbsAndWifi")
"""Messages without values of streams; `lifeCycle` says only whether a device is there."""


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The readings of one push."""
    body = dict_of(_JSON.decode(payload))
    if "enc_msg" in body:
        fault(out, "not_decodable", "an encrypted push: turn encryption off, HTTPS protects it")
        return
    held = body.get("msg")
    if type(held) is str:
        held = _JSON.decode(held)
    found = list_of(held)
    if not found:
        fault(out, "not_decodable", "no msg", "msg")
    for place, one in enumerate(found):
        if type(one) is not dict:
            fault(out, "not_decodable", "no message", f"msg[{place}]")
        elif "messageType" in one or "notifyType" in one:
            _notice(out, one, f"msg[{place}]")
        elif "type" in one:
            _point(out, one, f"msg[{place}]")
        else:
            fault(out, "not_decodable", "neither type nor messageType", f"msg[{place}]")


def _point(out: Decoded, one: dict[str, Any], where: str) -> None:
    """A message of the multi-protocol platform."""
    device = text_of(one.get("dev_id"))
    at, good = time_of(out, one.get("at"), where)
    if not good:
        return
    if one["type"] == 1:
        add(out, device, text_of(one.get("ds_id")), at, one.get("value"))
    elif one["type"] == 2:
        add(out, device, "online", at, one.get("status"))
    elif one["type"] != 7:
        fault(out, "not_decodable", "a type of message that is not known", where)


def _notice(out: Decoded, one: dict[str, Any], where: str) -> None:
    """A message of the thing model: properties by name, each a value and its time."""
    device = text_of(one.get("deviceName"))
    data = dict_of(one.get("data"))
    kind = text_of(one.get("messageType")) or "notify"
    if kind == "lifeCycle":
        at, good = time_of(out, data.get("time", one.get("timestamp")), where)
        status = text_of(data.get("status"))
        if good:
            add(out, device, "online", at, {"online": True, "offline": False}.get(status, status))
    if kind in _OTHERS:
        return
    if kind != "notify":
        fault(out, "not_decodable", "a kind of message that is not known", where)
        return
    for name, held in dict_of(data.get("params")).items():
        bare = type(held) is dict and "value" in held
        at, good = time_of(out, held.get("time") if bare else data.get("time"), where)
        if good:
            add(out, device, name, at, held["value"] if bare else held)


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "China Mobile OneNET pushes",
    "中国移动 OneNET 推送",
)
