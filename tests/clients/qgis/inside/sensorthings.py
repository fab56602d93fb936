"""What QGIS's SensorThings provider does with our devices: opens, pages, filters and expands them.

Run inside `debian`: sensorthings.py ADDRESS (ending in /sta/v1.1) [STEP…].
What was found is printed as JSON; `test_sensorthings.py` judges it.
"""

import sys
from itertools import islice
from typing import Any

from qgis.core import (
    NULL,
    Qgis,
    QgsFeatureRequest,
    QgsProviderRegistry,
    QgsRectangle,
    QgsSensorThingsExpansionDefinition,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from session import MESSAGES, run

ENTITIES = (
    "Thing",
    "Location",
    "HistoricalLocation",
    "Datastream",
    "Sensor",
    "ObservedProperty",
    "Observation",
    "FeatureOfInterest",
    "MultiDatastream",
)


def layer(root: str, entity: str, **said: Any) -> QgsVectorLayer:
    """A layer of an entity, as its dialog makes it."""
    metadata = QgsProviderRegistry.instance().providerMetadata("sensorthings")
    if entity in ("Location", "FeatureOfInterest", "MultiDatastream"):
        said.setdefault("geometryType", "point")
    uri = metadata.encodeUri({"url": root, "entity": entity, **said})
    found = QgsVectorLayer(uri, entity, "sensorthings")
    assert found.isValid(), (entity, uri, found.error().message(), MESSAGES)
    return found


def plain(value: Any) -> Any:
    return None if value == NULL else value


def opened(root: str) -> dict[str, Any]:
    """Every entity: how many there are, and the first as QGIS has it."""
    found = {}
    for entity in ENTITIES:
        here = layer(root, entity, pageSize=50, featureLimit=100)
        first = next(here.getFeatures(), None)
        shown = {n: plain(v) for n, v in first.attributeMap().items()} if first else None
        found[entity] = {
            "count": here.featureCount(),
            "first": shown,
            "error": here.dataProvider().error().message(),
        }
        if first and first.hasGeometry():
            found[entity]["place"] = first.geometry().asWkt(6)
    return found


def paged(root: str) -> dict[str, int]:
    """Datastreams in pages of a hundred; no more of them than the limit says."""
    every = [
        each["id"] for each in layer(root, "Datastream", pageSize=100, featureLimit=0).getFeatures()
    ]
    few = [
        each["id"]
        for each in layer(root, "Datastream", pageSize=100, featureLimit=150).getFeatures()
    ]
    return {"every": len(every), "different": len(set(every)), "few": len(few)}


def boxed(root: str) -> dict[str, Any]:
    """Locations in a box: of the layer, and of what is in view."""
    here = layer(root, "Location", featureLimit=300)
    places = [each.geometry().asPoint() for each in here.getFeatures() if each.hasGeometry()]
    first = places[0]
    box = QgsRectangle(first.x() - 4e-4, first.y() - 4e-4, first.x() + 4e-4, first.y() + 4e-4)
    viewed = layer(root, "Location", featureLimit=0).getFeatures(
        QgsFeatureRequest().setFilterRect(box)
    )
    limited = layer(root, "Location", bounds=box, featureLimit=0).getFeatures()
    return {
        "box": [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()],
        "viewed": sorted(each["id"] for each in viewed),
        "limited": sorted(each["id"] for each in limited),
    }


FILTERS = {
    "Thing": "startswith(name, '首层') and properties/class eq 'smoke'",
    "Datastream": "unitOfMeasurement/symbol eq 'kW'",
    "Observation": "result gt 6 and phenomenonTime ge 2020-01-01T00:00:00Z",
    "Location": "Things/Datastreams/unitOfMeasurement/symbol eq 'kW'",
}


def filtered(root: str) -> dict[str, int]:
    """How many a filter of the layer leaves, of a hundred at most."""
    return {
        entity: sum(1 for _ in layer(root, entity, sql=words, featureLimit=100).getFeatures())
        for entity, words in FILTERS.items()
    }


def shaped(root: str) -> dict[str, Any]:
    """Locations that are no points: their kinds are asked for one by one."""
    found = {}
    for kind in ("point", "multipoint", "line", "polygon"):
        here = layer(root, "Location", geometryType=kind, pageSize=20, featureLimit=20)
        shapes = [each.geometry() for each in islice(here.getFeatures(), 20)]
        found[kind] = sorted({shape.asWkt().split(" ")[0] for shape in shapes})
    return found


def expanded(root: str) -> dict[str, Any]:
    """Locations with their Things, Datastreams and newest Observations, a row each."""
    kinds = Qgis.SensorThingsEntity
    ascending, descending = Qt.AscendingOrder, Qt.DescendingOrder
    wanted = [
        QgsSensorThingsExpansionDefinition(kinds.Thing, "", ascending, 10),
        QgsSensorThingsExpansionDefinition(kinds.Datastream, "name", ascending, 3),
        QgsSensorThingsExpansionDefinition(kinds.Observation, "phenomenonTime", descending, 2),
    ]
    here = layer(
        root,
        "Location",
        expandTo=wanted,
        pageSize=20,
        featureLimit=40,
        sql="Things/Datastreams/unitOfMeasurement/symbol eq 'kW'",
    )
    rows = list(islice(here.getFeatures(), 40))
    return {
        "fields": here.fields().names(),
        "rows": len(rows),
        "first": {n: plain(v) for n, v in rows[0].attributeMap().items()} if rows else None,
    }


STEPS = {each.__name__: each for each in (opened, paged, boxed, filtered, shaped, expanded)}

if __name__ == "__main__":
    root, *wanted = sys.argv[1:]
    run({name: step for name, step in STEPS.items() if name in (wanted or STEPS)}, root)
