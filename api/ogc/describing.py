"""What the service says of itself and its collections, as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from api.ogc.systems import CRS84, STORED, SYSTEMS
from api.ogc.words import CHINESE
from cim.intake.edits import writable
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.shape import Collection, Kind, Property

Document = dict[str, Any]
Bounds = tuple[float, float, float, float]

SPEC = "http://www.opengis.net/spec"
REL = "http://www.opengis.net/def/rel/ogc/1.0"
GEOJSON, JSON, HTML = "application/geo+json", "application/json", "text/html"
SCHEMA = "application/schema+json"
STYLE = "application/vnd.mapbox.style+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
MEDIA = {
    "json": GEOJSON,
    "html": HTML,
    "csv": "text/csv; charset=utf-8",
    "fgb": "application/flatgeobuf",
}
"""How items are answered, by `f`."""

CONFORMS = (
    *(f"{SPEC}/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "oas30", "html", "geojson")),
    f"{SPEC}/ogcapi-features-2/1.0/conf/crs",
    *(
        f"{SPEC}/ogcapi-features-3/1.0/conf/{name}"
        for name in ("queryables", "queryables-query-parameters", "filter", "features-filter")
    ),
    *(
        f"{SPEC}/ogcapi-features-4/1.0/conf/{name}"
        for name in ("create-replace-delete", "update", "optimistic-locking-etags", "features")
    ),
    f"{SPEC}/ogcapi-features-5/1.0/conf/schemas",
    *(
        f"{SPEC}/cql2/1.0/conf/{name}"
        for name in (
            "cql2-text",
            "cql2-json",
            "basic-cql2",
            "advanced-comparison-operators",
            "case-insensitive-comparison",
            "basic-spatial-functions",
            "basic-spatial-functions-plus",
            "spatial-functions",
            "temporal-functions",
            "array-functions",
            "property-property",
            "arithmetic",
            "basic-spatial-operators",  # what QGIS looks for, a name of an earlier draft
        )
    ),
    *(
        f"{SPEC}/ogcapi-tiles-1/1.0/conf/{name}"
        for name in (
            "core",
            "tileset",
            "tilesets-list",
            "dataset-tilesets",
            "geodata-tilesets",
            "collections-selection",
            "mvt",
            "oas30",
        )
    ),
    *(
        f"{SPEC}/tms/2.0/conf/{name}"
        for name in (
            "tilematrixset",
            "tilematrixsetlimits",
            "tilesetmetadata",
            "json-tilematrixset",
            "json-tilematrixsetlimits",
            "json-tilesetmetadata",
        )
    ),
)

JSON_TYPES: dict[Kind, Document] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    "strings": {"type": "array", "items": {"type": "string"}},
}

TITLE = "cimtwin"
ABOUT = (
    "The city's public collections: areas, buildings and what is in them, addresses, facilities. "
    "城市公开数据：行政区划、建筑物、楼层户室、地址与设施。"
)


def link(href: str, rel: str, media: str, title: str = "") -> Document:
    """One link of a document."""
    return {"href": href, "rel": rel, "type": media} | ({"title": title} if title else {})


def with_query(path: str, given: Mapping[str, str], **changed: str | None) -> str:
    """An address with parameters, some of them changed, or left out by None."""
    query = {name: v for name, v in {**given, **changed}.items() if v is not None}
    return f"{path}?{urlencode(query)}" if query else path


def both_ways(path: str, shown: str, media: str = JSON) -> list[Document]:
    """The links of a page to itself and to the form it is not in; `shown` is `json` or `html`."""
    pages = {"json": media, "html": HTML}
    return [
        link(f"{path}?f={name}", "self" if name == shown else "alternate", type_)
        for name, type_ in pages.items()
    ]


def landing(root: str, shown: str) -> Document:
    """The landing page."""
    return {
        "title": TITLE,
        "description": ABOUT,
        "links": [
            *both_ways(root, shown),
            link(
                f"{root}/api", "service-desc", OPENAPI, "The interface, as OpenAPI 3.0 · 接口定义"
            ),
            link(f"{root}/api?f=html", "service-doc", HTML, "The interface in words · 接口说明"),
            link(f"{root}/conformance", "conformance", JSON, "Conformance classes · 符合性类"),
            link(f"{root}/conformance", f"{REL}/conformance", JSON, "Conformance · 符合性类"),
            link(f"{root}/collections", "data", JSON, "Collections · 数据集"),
            link(f"{root}/collections", f"{REL}/data", JSON, "Collections · 数据集"),
            link(f"{root}/tiles", f"{REL}/tilesets-vector", JSON, "Vector tiles · 矢量瓦片"),
            link(
                f"{root}/tileMatrixSets", f"{REL}/tiling-schemes", JSON, "Tiling schemes · 瓦片网格"
            ),
            link(f"{root}/styles/city", "stylesheet", STYLE, "The map for MapLibre · 地图样式"),
        ],
    }


def conformance() -> Document:
    """The conformance classes that hold."""
    return {"conformsTo": list(CONFORMS)}


def collection(root: str, here: Collection, extent: Bounds | None) -> Document:
    """One collection: titles, extent, systems and links."""
    path = f"{root}/collections/{here.name}"
    found: Document = {
        "id": here.name,
        "title": f"{here.zh} {here.en}",
        "description": here.about,
        "itemType": "feature",
        "crs": list(SYSTEMS),
        "storageCrs": STORED,
        "links": [
            *both_ways(path, "json"),
            *(
                link(f"{path}/items?f={name}", "items", media, f"{here.zh} {here.en}")
                for name, media in MEDIA.items()
            ),
            link(f"{path}/schema", f"{REL}/schema", SCHEMA, "Properties · 字段"),
            link(f"{path}/schema/geojson", "describedby", SCHEMA, "A feature · 要素的类型"),
            link(f"{path}/queryables", f"{REL}/queryables", SCHEMA, "Queryables · 可查询字段"),
            link(f"{path}/tiles", f"{REL}/tilesets-vector", JSON, "Vector tiles · 矢量瓦片"),
            link(f"{root}/collections", "collection", JSON, "Collections · 数据集"),
        ],
    }
    if extent is not None:
        found["extent"] = {"spatial": {"bbox": [list(extent)], "crs": CRS84}}
    return found


def collections(root: str, extents: Mapping[str, Bounds], shown: str) -> Document:
    """Every collection."""
    return {
        "links": both_ways(f"{root}/collections", shown),
        "crs": list(SYSTEMS),
        "collections": [
            collection(root, each, extents.get(name)) for name, each in COLLECTIONS.items()
        ],
    }


def titled(name: str) -> str:
    """A property's title in both languages.

    >>> titled("floors_above")
    '地上层数 floors above'
    """
    return f"{CHINESE.get(name, '')} {name.replace('_', ' ')}".strip()


def property_schema(each: Property) -> Document:
    """A property as JSON Schema."""
    return {"title": titled(each.name), "description": each.about, **JSON_TYPES[each.kind]}


def queryables(root: str, here: Collection) -> Document:
    """What may be asked of a collection, as JSON Schema."""
    return _described(f"{root}/collections/{here.name}/queryables", here) | {
        "type": "object",
        "properties": {
            "id": {"title": titled("id"), "type": "integer", "x-ogc-role": "id"},
            **_properties(here),
        },
        "additionalProperties": False,
    }


def _described(address: str, here: Collection) -> Document:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "title": f"{here.zh} {here.en}",
    }


def _properties(here: Collection) -> dict[str, Document]:
    """The geometry and the properties of a collection."""
    shape = {"MultiPolygon": "multipolygon", "MultiLineString": "multilinestring", "Point": "point"}
    geometry = {
        "title": titled("geometry"),
        "format": f"geometry-{shape[here.geometry_kind]}",
        "x-ogc-role": "primary-geometry",
    }
    return {"geometry": geometry} | {
        each.name: property_schema(each) for each in here.properties.values()
    }


def schema(root: str, here: Collection) -> Document:
    """The properties of a collection, in their order, and which of them are not written.

    The id is none of them: it stands beside them in a feature, and QGIS would seek it among them.
    """
    kept = writable(here.name)
    properties = _properties(here)
    for place, (name, each) in enumerate(properties.items(), 1):
        each["x-ogc-propertySeq"] = place
        if name not in (kept | {"geometry"} if kept else ()):
            each["readOnly"] = True
    return _described(f"{root}/collections/{here.name}/schema", here) | {
        "type": "object",
        "properties": properties,
    }


def feature_schema(root: str, here: Collection) -> Document:
    """A feature of a collection as JSON Schema; a property that has no value is null.

    Only the property that `datetime` asks of is said to be a time: GDAL turns a comparison of any
    other into `datetime` too. What is what stands in the schema and in the queryables.
    """
    properties = {each.name: property_schema(each) for each in here.properties.values()}
    for name, each in properties.items():
        if name != here.changed:
            each.pop("format", None)
    return _described(f"{root}/collections/{here.name}/schema/geojson", here) | {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "id": {"type": "integer"},
            "geometry": {"$ref": f"https://geojson.org/schema/{here.geometry_kind}.json"},
            "properties": {"type": "object", "properties": properties},
        },
    }


def page_links(
    path: str, given: Mapping[str, str], shown: str, after: str | None, here: Collection
) -> list[Document]:
    """The links of a page of items: itself, its other forms, the next page, its collection."""
    names: Sequence[str] = [shown, *(name for name in MEDIA if name != shown)]
    found = [
        link(with_query(path, given, f=name), "self" if name == shown else "alternate", MEDIA[name])
        for name in names
    ]
    if after is not None:
        found.append(link(with_query(path, given, f=shown, after=after), "next", MEDIA[shown]))
    above = path.removesuffix("/items")
    return [*found, link(above, "collection", JSON, f"{here.zh} {here.en}")]


def feature_links(path: str, key: int, shown: str) -> list[Document]:
    """The links of one feature."""
    return [
        *both_ways(f"{path}/{key}", shown, GEOJSON),
        link(path.removesuffix("/items"), "collection", JSON),
    ]
