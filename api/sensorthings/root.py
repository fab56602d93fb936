"""The root document: the entity sets, and which requirements hold."""

from typing import Any

from cim.feeds import broker
from cim.feeds.mqtt import place
from cim.settings import Settings
from cim.store.queries.sensorthings.entities import SETS

VERSION = "v1.1"
_SPEC = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
_DATAMODEL = (
    "thing", "location", "historical-location", "datastream", "sensor", "observed-property",
    "observation", "feature-of-interest",
)  # fmt: skip
_READ = (
    "resource-path/resource-path-to-entities",
    *(
        f"request-data/{name}"
        for name in (
            "order", "expand", "select", "status-code", "query-status-code", "orderby", "top",
            "skip", "count", "filter", "built-in-filter-operations", "built-in-query-functions",
            "pagination",
        )
    ),
    "multi-datastream/properties",
    "multi-datastream/relations",
    "data-array/data-array",
)  # fmt: skip
_WRITTEN = (
    "create-entity", "link-to-existing-entities", "deep-insert", "deep-insert-status-code",
    "update-entity", "delete-entity", "historical-location-auto-creation",
    "historical-location-manual-creation", "update-entity-put", "update-entity-jsonpatch",
)  # fmt: skip

CONFORMANCE = [
    _SPEC + name
    for name in (
        *(
            f"datamodel/{entity}/{what}"
            for entity in _DATAMODEL
            for what in ("properties", "relations")
        ),
        "datamodel/entity-control-information/common-control-information",
        *_READ,
        *(f"create-update-delete/{name}" for name in _WRITTEN),
        "multi-datastream/constraints",
        "batch-request/batch-request",
    )
] + ["https://fraunhoferiosb.github.io/FROST-Server/extensions/JsonBatchRequest.html"]  # fmt: skip


MQTT = [
    _SPEC + "create-observations-via-mqtt/observations-creation",
    _SPEC + "receive-updates-via-mqtt/receive-updates",
]
"""What holds besides where there is a broker."""


def at_broker(settings: Settings) -> str | None:
    """Where SensorThings is spoken over MQTT, without what lets in; None where no broker is up."""
    found = None if settings.mqtt_url else broker.running(settings)
    url = found.url if found else settings.mqtt_url
    if not url:
        return None
    where = place(url)
    return f"mqtt{'s' if where.tls else ''}://{where.host}:{where.port}"


def document(root: str, mqtt: str | None = None) -> dict[str, Any]:
    """The root document for callers that reach it at this address, and a broker at that."""
    more = {uri: {"endpoints": [mqtt]} for uri in MQTT} if mqtt else {}
    return {
        "value": [{"name": name, "url": f"{root}/{name}"} for name in SETS],
        "serverSettings": {"conformance": CONFORMANCE + list(more), **more},
    }
