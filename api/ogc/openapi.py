"""The standard part of the service as OpenAPI 3.0: every collection by name."""

from typing import Any

from api.ogc.describing import (
    ABOUT,
    GEOJSON,
    HTML,
    JSON,
    JSON_TYPES,
    MEDIA,
    OPENAPI,
    SCHEMA,
    TITLE,
    titled,
)
from api.ogc.reading import MOST
from api.ogc.systems import SYSTEMS
from cim.intake.edits import EDITED, writable
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.shape import Collection

Document = dict[str, Any]

PROBLEMS: Document = {
    code: {
        "description": text,
        "content": {"application/problem+json": {"schema": {"type": "object"}}},
    }
    for code, text in {
        "400": "A parameter is malformed or not known · 参数有误或未知",
        "404": "Nothing goes by that name · 未找到",
        "503": "The database did not answer in time · 数据库响应超时",
    }.items()
}


def parameter(name: str, about: str, schema: Document, **other: Any) -> Document:
    """A parameter, of the query unless `other` says where."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": about,
        "schema": schema,
    } | other


TEXT: Document = {"type": "string"}
LISTED: Document = {"style": "form", "explode": False}
NUMBERS: Document = {
    "type": "array",
    "minItems": 4,
    "maxItems": 6,
    "items": {"type": "number"},
}
URI: Document = {"type": "string", "format": "uri", "enum": list(SYSTEMS)}

SHARED: dict[str, Document] = {
    "limit": parameter(
        "limit",
        "most features of an answer",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100},
        **LISTED,
    ),
    "bbox": parameter("bbox", "features that meet this box", NUMBERS, **LISTED),
    "bbox-crs": parameter("bbox-crs", "the system of bbox", URI),
    "datetime": parameter("datetime", "features last changed then", TEXT, **LISTED),
    "crs": parameter("crs", "the system of the answer", URI),
    "properties": parameter(
        "properties", "properties that are answered", {"type": "array", "items": TEXT}, **LISTED
    ),
    "sortby": parameter(
        "sortby", "properties to sort by, - before one turns it", {"type": "array", "items": TEXT},
        **LISTED,
    ),
    "count": parameter(
        "count",
        "how matching features are counted: exact (numberMatched), estimated (numberEstimated)",
        {"type": "string", "enum": ["none", "exact", "estimated"], "default": "none"},
    ),
    "resultType": parameter(
        "resultType",
        "hits gives numberMatched and no features",
        {"type": "string", "enum": ["results", "hits"], "default": "results"},
    ),
    "after": parameter("after", "taken from the link to the next page", TEXT),
    "filter": parameter("filter", "a condition in CQL2", TEXT),
    "filter-lang": parameter(
        "filter-lang",
        "the language of filter",
        {"type": "string", "enum": ["cql2-text", "cql2-json"], "default": "cql2-text"},
    ),
    "filter-crs": parameter("filter-crs", "the system of coordinates in filter", URI),
    "f": parameter("f", "the form of the answer", {"type": "string", "enum": list(MEDIA)}),
}  # fmt: skip

PAGE = parameter("f", "the form of the answer", {"type": "string", "enum": ["json", "html"]})


def operation(
    name: str, summary: str, parameters: list[Document], *media: str, tag: str = "features"
) -> Document:
    """What an address answers to GET, in these types."""
    content = {
        each: {"schema": {"type": "object" if "json" in each else "string"}} for each in media
    }
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "description": summary,
            "tags": [tag],
            "parameters": parameters,
            "responses": {"200": {"description": summary, "content": content}, **PROBLEMS},
        }
    }


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/parameters/{name}"}


def _of(here: Collection) -> dict[str, Document]:
    path, title = f"/collections/{here.name}", f"{here.zh} {here.en}"
    asked = [
        parameter(name, each.about or titled(name), JSON_TYPES[each.kind])
        for name, each in here.properties.items()
        if name not in SHARED and each.kind != "strings"
    ]
    one = {"name": "featureId", "in": "path", "required": True, "description": "its id"}
    found = {
        path: operation(f"describe_{here.name}", title, [PAGE], JSON, HTML),
        f"{path}/queryables": operation(f"queryables_{here.name}", title, [PAGE], SCHEMA, HTML),
        f"{path}/schema": operation(f"schema_{here.name}", title, [PAGE], SCHEMA, HTML),
        f"{path}/schema/geojson": operation(f"feature_{here.name}", title, [PAGE], SCHEMA, HTML),
        f"{path}/items": operation(
            f"items_{here.name}",
            title,
            [*map(_reference, SHARED), *asked],
            *(media.partition(";")[0] for media in MEDIA.values()),
        ),
        f"{path}/items/{{featureId}}": operation(
            f"item_{here.name}",
            title,
            [one | {"schema": {"type": "string"}}, _reference("crs"), PAGE],
            GEOJSON,
            HTML,
        ),
    }
    if here.name in EDITED:
        found[f"{path}/items"] |= {"post": _written(here, "create", "201", [], GEOJSON)}
        key = one | {"schema": {"type": "string"}}
        found[f"{path}/items/{{featureId}}"] |= {
            "put": _written(here, "replace", "204", [key, MATCH], GEOJSON),
            "patch": _written(here, "update", "204", [key, MATCH], MERGE, GEOJSON),
            "delete": _written(here, "end", "204", [key, MATCH]),
        }
    return found


MERGE = "application/merge-patch+json"
DONE = {"create": "made · 新增", "replace": "replaced · 替换", "update": "changed · 修改",
        "end": "ended, and kept · 终止"}  # fmt: skip
REFUSED = {
    "400": "The body is no feature · 请求体不是要素",
    "401": "A key is needed · 需要密钥",
    "403": "Not with this role, or not there · 无权修改",
    "404": "Nothing goes by that id · 未找到",
    "409": "A file of this kind is being loaded · 正在载入同类数据",
    "412": "The feature has changed since · 该要素已被修改",
    "422": "A property cannot come in; it is named · 字段有误",
    "428": "If-Match is missing · 缺少 If-Match",
}
MATCH = parameter(
    "If-Match", "the ETag of the version that is changed, or *", TEXT,
    **{"in": "header", "required": True},
)  # fmt: skip
SENT = parameter(
    "Content-Crs",
    "the system of the coordinates that are sent",
    {"type": "string", "enum": [f"<{uri}>" for uri in SYSTEMS]},
    **{"in": "header"},
)


def _written(
    here: Collection, does: str, status: str, parameters: list[Document], *media: str
) -> Document:
    """What an address answers to those who write."""
    told: Document = {
        "operationId": f"{does}_{here.name}",
        "summary": f"{here.zh} {here.en}: {DONE[does]}",
        "tags": ["features"],
        "security": [{"key": []}],
        "parameters": [*parameters, *([SENT] if media else [])],
        "responses": {status: {"description": DONE[does]}}
        | {code: _problem(text) for code, text in REFUSED.items()},
    }
    if media:
        schema = _feature(here, whole=does != "update")
        content = {each: {"schema": schema} for each in media}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _feature(here: Collection, *, whole: bool) -> Document:
    """What is sent of a feature: all of it, or what is to be changed."""
    empty = {"nullable": True}
    properties = {
        name: JSON_TYPES[here.properties[name].kind] | empty
        for name in here.properties
        if name in writable(here.name)
    }
    members: Document = {
        "geometry": {"type": "object", "description": here.geometry_kind} | empty,
        "properties": {"type": "object", "properties": properties},
    }
    if not whole:
        return {"type": "object", "properties": members}
    members["properties"] |= empty  # as GeoJSON has it
    members["type"] = {"type": "string", "enum": ["Feature"]}
    return {"type": "object", "required": ["type", "properties"], "properties": members}


def _problem(text: str) -> Document:
    content = {"application/problem+json": {"schema": {"type": "object"}}}
    return {"description": text, "content": content}


def document(root: str, version: str, more: dict[str, Document]) -> Document:
    """The whole description; `root` is the address of the landing page, `more` are other paths."""
    paths = {
        "/": operation("landing", "The landing page · 首页", [PAGE], JSON, HTML),
        "/conformance": operation("conformance", "What holds · 符合性", [PAGE], JSON, HTML),
        "/api": operation("api", "This description · 接口定义", [PAGE], OPENAPI, HTML),
        "/collections": operation("collections", "Collections · 数据集", [PAGE], JSON, HTML),
    }
    for each in COLLECTIONS.values():
        paths |= _of(each)
    paths |= more
    return {
        "openapi": "3.0.3",
        "info": {"title": TITLE, "description": ABOUT, "version": version},
        "servers": [{"url": root}],
        "tags": [
            {"name": "features", "description": "OGC API – Features"},
            {"name": "tiles", "description": "OGC API – Tiles"},
        ],
        "paths": paths,
        "components": {
            "parameters": SHARED,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
