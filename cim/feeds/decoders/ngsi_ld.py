"""NGSI-LD (ETSI GS CIM 009): notifications of a context broker, in JSON.

    {"type": "Notification", "notifiedAt": "2026-01-01T00:00:01Z", "data": [
      {"id": "urn:ngsi-ld:Device:meter-7", "type": "Device",
       "temperature": {"type": "Property", "value": 21.5, "unitCode": "CEL",
                       "observedAt": "2026-01-01T00:00:00Z"}}]}

Normalised, concise (`{"value": …}`) and simplified (`"temperature": 21.5`) entities; several values
of one attribute, told apart by `datasetId`, are `name` and `name[dataset]`. Relationships, places
and texts by language are no readings. An entity or a list of them may come without the envelope.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders.unit_codes import COMMON
from cim.feeds.decoders.values import add, decoder, dict_of, fault, list_of, text_of, time_of
from cim.feeds.reading import Decoded, Decoder, Message

_JSON: Final = msgspec.json.Decoder()
_OTHERS: Final = frozenset(
    ("Relationship", "GeoProperty", "LanguageProperty", "VocabProperty", "ListRelationship")
)
_ABOUT: Final = frozenset(
    ("id", "type", "@context", "createdAt", "modifiedAt", "deletedAt", "scope")
)


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The readings of a notification."""
    body = _JSON.decode(payload)
    inner = dict_of(body)
    enveloped = "data" in inner and inner.get("type") == "Notification"
    entities = list_of(inner["data"] if enveloped else body)
    notified = inner.get("notifiedAt") if enveloped else None
    for place, entity in enumerate(entities):
        if type(entity) is not dict:
            fault(out, "not_decodable", "no entity", f"data[{place}]")
            continue
        device = text_of(entity.get("id"))
        for name, held in entity.items():
            if name not in _ABOUT:
                _attribute(out, device, name, held, notified)


def _attribute(out: Decoded, device: str, name: str, held: Any, notified: Any) -> None:
    """One attribute: a property, several of them, or, simplified, its value."""
    several = type(held) is list and held and all(_property(dict_of(one)) for one in held)
    for one in held if several else [held]:
        full = dict_of(one)
        if text_of(full.get("type")) in _OTHERS or "object" in full or "languageMap" in full:
            continue
        if not _property(full):
            at, good = time_of(out, notified, "notifiedAt")
            if good:
                add(out, device, name, at, one)
            continue
        at, good = time_of(out, full.get("observedAt", notified), f"{name}.observedAt")
        dataset = text_of(full.get("datasetId"))
        code = text_of(full.get("unitCode"))
        path = f"{name}[{dataset}]" if dataset else name
        if good:
            add(out, device, path, at, full["value"], COMMON.get(code, code) or None)


def _property(one: dict[str, Any]) -> bool:
    return "value" in one and one.get("type", "Property") == "Property"


DECODER: Final = Decoder(
    decode,
    ("application/json", "application/ld+json"),
    "NGSI-LD notifications",
    "NGSI-LD 通知",
)
