"""What QGIS does with our collections: finds, reads, pages, filters and edits them.

Run inside `debian`: features.py ADDRESS-OF-OGC KEY PLACE [STEP…], the place as JSON: x and y of
where nothing stands, EPSG:4547.  What was found is printed as JSON; `test_qgis.py` judges it.
"""

import json
import sys
from typing import Any

from qgis.core import (
    NULL,
    QgsExpression,
    QgsExpressionContext,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProviderRegistry,
    QgsRectangle,
    QgsSettings,
    QgsVectorLayer,
    QgsVectorLayerUtils,
)
from qgis.PyQt.QtCore import QMetaType
from session import ask, headers, layer, run


def listed(root: str, *_: Any) -> list[str]:
    """The collections, as the browser lists them below a connection."""
    for name, value in {"url": root, "version": "OGC_API_FEATURES"}.items():
        QgsSettings().setValue(f"connections/ows/items/wfs/connections/items/city/{name}", value)
    (provider,) = QgsProviderRegistry.instance().providerMetadata("WFS").dataItemProviders()
    item = provider.createDataItem("wfs:/city", None)
    return [child.name() for child in item.createChildren()]


def named(here: QgsVectorLayer, name: str) -> list[QgsFeature]:
    """The features of this name."""
    return list(here.getFeatures(QgsFeatureRequest().setFilterExpression(f"\"name\" = '{name}'")))


def read(root: str, *_: Any) -> dict[str, Any]:
    """The same estate in several systems, and what QGIS takes the fields of buildings for."""
    places = {}
    name = ask(f"{root}/collections/estates/items/1")[0]["properties"]["name"]
    for system in ("OGC:CRS84", "EPSG:4490", "EPSG:4547", "EPSG:3857"):
        here = layer(root, "estates", srsname=system)
        (first,) = named(here, name)
        centre = first.geometry().centroid().asPoint()
        places[system] = [here.crs().authid(), first["name"], centre.x(), centre.y()]
    houses = layer(root, "buildings")
    fields = {
        each.name(): [
            each.typeName() or QMetaType.typeName(each.type()),
            each.alias(),
            each.isReadOnly(),
        ]
        for each in houses.fields()
    }
    return {"places": places, "fields": fields, "system": houses.crs().authid()}


def paged(root: str, *_: Any) -> int:
    """Every building, by as many pages as it takes."""
    return sum(
        1 for _ in layer(root, "buildings", pagingEnabled="true", pageSize="500").getFeatures()
    )


FILTERS = {
    "number": '"floors_above" >= 30',
    "words": '"use" = \'residential\' AND "floors_above" IN (6, 7)',
    "like": '"name" LIKE \'%栋\' AND "height" BETWEEN 30 AND 60',
    "ilike": "\"name\" ILIKE '%号'",
    "null": '"estate_id" IS NULL',
    "truth": '"has_lift" = TRUE',
    "since": "\"updated_at\" > '2020-01-01T00:00:00Z'",
    "before": "\"updated_at\" < '2020-01-01T00:00:00Z'",
    "day": '"completed_on" IS NULL OR "completed_on" >= \'2010-01-01\'',
    "reckoned": '"height" - 2 * "floors_above" > 20',
    "either": "NOT (\"use\" = 'residential' OR \"use\" = 'commercial')",
}


def filtered(root: str, *_: Any) -> dict[str, Any]:
    """How many a filter of the layer leaves, and how many QGIS itself takes of all it has read."""
    found = {}
    every = list(layer(root, "buildings").getFeatures())
    for name, words in FILTERS.items():
        here = layer(root, "buildings")
        assert here.setSubsetString(words), name
        kept = sum(1 for _ in here.getFeatures())
        asked = layer(root, "buildings").getFeatures(QgsFeatureRequest().setFilterExpression(words))
        expression, context = QgsExpression(words), QgsExpressionContext()
        expected = 0
        for each in every:
            context.setFeature(each)
            expected += expression.evaluate(context) == 1
        found[name] = [kept, sum(1 for _ in asked), expected]
    return found


def boxed(root: str, *_: Any) -> dict[str, Any]:
    """How many lie in a box, asked in degrees and in metres; restricted to what is in view."""
    found = {}
    for name in ("OGC:CRS84", "EPSG:4547"):
        here = layer(root, "buildings", srsname=name)
        every = list(here.getFeatures())
        box = here.extent()
        box = QgsRectangle.fromCenterAndSize(box.center(), box.width() / 5, box.height() / 5)
        within = sum(1 for each in every if each.geometry().boundingBox().intersects(box))
        viewed = layer(root, "buildings", srsname=name, restrictToRequestBBOX="1")
        asked = list(viewed.getFeatures(QgsFeatureRequest().setFilterRect(box)))
        found[name] = [len(asked), within, len(every)]
    return found


def editable(root: str, key: str, *_: Any) -> dict[str, Any]:
    """What QGIS offers to whom."""
    holder = headers(Authorization=f"Bearer {key}", If_Match="*")
    found = {}
    for name, said in {"nobody": {}, "holder": {"authcfg": holder}}.items():
        here = layer(root, "estates", **said)
        found[name] = here.dataProvider().capabilitiesString()
    return found


def square(x: float, y: float, side: float = 90) -> QgsGeometry:
    return QgsGeometry.fromRect(QgsRectangle(x, y, x + side, y + side))


def edited(root: str, key: str, place: list[float]) -> dict[str, Any]:
    """An estate made, renamed, moved and ended, each committed as QGIS commits."""
    holder = headers(Authorization=f"Bearer {key}", If_Match="*")
    here = layer(root, "estates", srsname="EPSG:4547", authcfg=holder)
    found: dict[str, Any] = {}

    def committed(name: str) -> None:
        done = here.commitChanges()
        found[name] = {"done": done, "errors": [] if done else here.commitErrors()}
        assert done, found

    assert here.startEditing()
    made = QgsVectorLayerUtils.createFeature(here, square(*place))
    made["name"] = "量子花园"
    made["gated"] = True
    assert here.addFeature(made)
    committed("made")
    (mine,) = named(here, "量子花园")
    found["made"]["feature"] = {n: None if v == NULL else v for n, v in mine.attributeMap().items()}
    assert here.startEditing()
    assert here.changeAttributeValue(mine.id(), here.fields().indexOf("name"), "量子新园")
    committed("renamed")
    assert here.startEditing()
    assert here.changeGeometry(mine.id(), square(place[0] + 30, place[1]))
    committed("moved")
    again = layer(root, "estates", srsname="EPSG:4547")
    (seen,) = named(again, "量子新园")
    found["seen"] = [seen["name"], seen["gated"], *box_of(seen)]
    assert here.startEditing()
    assert here.deleteFeature(mine.id())
    committed("ended")
    after = layer(root, "estates")
    found["left"] = len(named(after, "量子新园"))
    return found


def box_of(feature: QgsFeature) -> list[float]:
    box = feature.geometry().boundingBox()
    return [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()]


def commit(here: QgsVectorLayer, feature: QgsFeature, values: dict[str, Any]) -> dict[str, Any]:
    """Change attributes and commit; what was not committed is still to be seen in the layer."""
    if not here.isEditable():
        assert here.startEditing()
    for name, value in values.items():
        place = here.fields().indexOf(name)
        assert here.changeAttributeValue(feature.id(), place, value), name
    done = here.commitChanges()
    now = here.getFeature(feature.id())
    shown = {name: None if now[name] == NULL else now[name] for name in values}
    errors = [] if done else here.commitErrors()
    return {"done": done, "errors": errors, "modified": here.isModified(), "shown": shown}


def typed(root: str, key: str, *_: Any) -> dict[str, Any]:
    """Values of each type written to a building, and one of them emptied."""
    here = layer(root, "buildings", authcfg=headers(Authorization=f"Bearer {key}", If_Match="*"))
    house = next(here.getFeatures())
    values = {"name": "改名楼", "built_year": 1998, "gross_area": 1234.5, "has_lift": True}
    written = commit(here, house, values)
    return {
        "written": written,
        "emptied": commit(here, house, {"built_year": NULL}),
    }


def refused(root: str, key: str, *_: Any) -> dict[str, Any]:
    """What is said of a value that cannot be, and of who has no key."""
    here = layer(root, "buildings", authcfg=headers(Authorization=f"Bearer {key}", If_Match="*"))
    found = commit(here, next(here.getFeatures()), {"use": "castle"})
    here.rollBack()
    return found | {"nobody": layer(root, "buildings").startEditing()}


def conflicting(root: str, key: str, *_: Any) -> dict[str, Any]:
    """An edit of what somebody else has changed since it was read; and the same, read again."""
    at = f"{root}/collections/estates/items/1"
    known = {"Authorization": f"Bearer {key}"}

    def layer_of(version: str) -> QgsVectorLayer:
        return layer(root, "estates", authcfg=headers(**known, If_Match=version))

    name = ask(at)[0]["properties"]["name"]
    mine = layer_of(ask(at)[1]["ETag"])
    (seen,) = named(mine, name)
    body = json.dumps({"properties": {"rating": "标杆型"}}).encode()
    ask(at, "PATCH", body, **known, If_Match="*")
    found = {
        "late": commit(mine, seen, {"rating": "基础型"}),
        "kept": ask(at)[0]["properties"]["rating"],
    }
    mine.rollBack()
    without = layer(root, "estates", authcfg=headers(**known))
    found["without"] = commit(without, named(without, name)[0], {"rating": "基础型"})
    without.rollBack()
    again = layer_of(ask(at)[1]["ETag"])
    found["again"] = commit(again, named(again, name)[0], {"rating": "基础型"})
    return found


STEPS = {
    each.__name__: each
    for each in (
        listed,
        read,
        paged,
        filtered,
        boxed,
        editable,
        edited,
        typed,
        refused,
        conflicting,
    )
}

if __name__ == "__main__":
    root, key, place, *wanted = sys.argv[1:]
    chosen = {name: step for name, step in STEPS.items() if name in (wanted or STEPS)}
    run(chosen, root, key, json.loads(place))
