"""The tiles in the document that describes the interface."""

from api.ogc.describing import JSON, STYLE, Document
from api.ogc.openapi import operation, parameter
from api.ogc.tiles.describing import MVT, TILEJSON
from cim.store.queries.vector.drawing import DRAWINGS
from cim.store.queries.vector.matrices import MATRIX_SETS

NUMBER: Document = {"type": "integer", "minimum": 0}


def _in_path(name: str, about: str, schema: Document) -> Document:
    return parameter(name, about, schema, **{"in": "path", "required": True})


SET = _in_path(
    "tileMatrixSetId",
    "a tile matrix set · 瓦片矩阵集",
    {"type": "string", "enum": list(MATRIX_SETS)},
)
PLACE = [
    SET,
    _in_path("tileMatrix", "level · 级别", NUMBER),
    _in_path("tileRow", "row from the north · 行号", NUMBER),
    _in_path("tileCol", "column from the west · 列号", NUMBER),
]
COLLECTIONS = parameter(
    "collections",
    "collections that are in the tiles · 瓦片包含的数据集",
    {"type": "array", "items": {"type": "string", "enum": list(DRAWINGS)}},
    style="form",
    explode=False,
)


def _form(*names: str) -> Document:
    return parameter("f", "the form of the answer", {"type": "string", "enum": list(names)})


def _get(name: str, summary: str, parameters: list[Document], *media: str) -> Document:
    return operation(name, summary, parameters, *media, tag="tiles")


def _tiles(path: str, name: str, title: str, asked: list[Document]) -> dict[str, Document]:
    """The three addresses of tiles of a collection, or of several."""
    tile = _get(f"tile_{name}", title, [*PLACE, *asked, _form("mvt")], MVT)
    tile["get"]["responses"]["204"] = {"description": "There is nothing to see · 无要素"}
    return {
        path: _get(f"tilesets_{name}", title, [*asked, _form("json")], JSON),
        f"{path}/{{tileMatrixSetId}}": _get(
            f"tileset_{name}", title, [SET, *asked, _form("json", "tilejson")], JSON, TILEJSON
        ),
        f"{path}/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}": tile,
    }


def paths() -> dict[str, Document]:
    """Every address of tiles, below the landing page."""
    language = parameter(
        "lang", "the language of the legend", {"type": "string", "enum": ["zh", "en"]}
    )
    found = {
        "/tileMatrixSets": _get(
            "matrix_sets", "Tile matrix sets · 瓦片矩阵集", [_form("json")], JSON
        ),
        "/tileMatrixSets/{tileMatrixSetId}": _get(
            "matrix_set", "A tile matrix set · 瓦片矩阵集", [SET, _form("json")], JSON
        ),
        "/styles/city": _get(
            "city_style", "The map for MapLibre · 地图样式", [language, _form("mbs", "json")], STYLE
        ),
        **_tiles("/tiles", "city", "Several collections together · 多个数据集", [COLLECTIONS]),
    }
    for name, each in DRAWINGS.items():
        title = f"{each.collection.zh} {each.collection.en}"
        found |= _tiles(f"/collections/{name}/tiles", name, title, [])
    return found
