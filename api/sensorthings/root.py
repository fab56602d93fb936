"""The root document: the entity sets, and which requirements hold."""

from typing import Any

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


def document(root: str) -> dict[str, Any]:
    """The root document for callers that reach it at this address."""
    return {
        "value": [{"name": name, "url": f"{root}/{name}"} for name in SETS],
        "serverSettings": {"conformance": CONFORMANCE},
    }
