"""What the service says of its tiles: matrix sets, tilesets, TileJSON."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from api.ogc.describing import JSON, REL, Bounds, Document, link, property_schema
from api.ogc.systems import CRS84
from cim.store.queries.vector.drawing import DRAWINGS, FULL, USUAL, Drawing
from cim.store.queries.vector.matrices import MATRIX_SETS, WEB, MatrixSet

MVT = "application/vnd.mapbox-vector-tile"
TILEJSON = "application/vnd.mapbox.tile+json"

SCREEN = 256
"""Points of a screen across a tile, as scales of matrix sets count them."""

PIXEL = 0.00028
"""Metres of a point of a screen, as they count."""

DEGREE = 6378137 * 3.141592653589793 / 180
"""Metres of a degree of the equator, as they count."""

EVERYWHERE: Bounds = (-180.0, -90.0, 180.0, 90.0)


def matrix_sets(root: str) -> Document:
    """Every tile matrix set."""
    return {
        "links": [link(f"{root}/tileMatrixSets", "self", JSON)],
        "tileMatrixSets": [
            {
                "id": name,
                "title": f"{each.zh} {each.en}",
                **({"uri": each.uri} if each.uri else {}),
                "crs": each.crs,
                "links": [link(f"{root}/tileMatrixSets/{name}", "self", JSON)],
            }
            for name, each in MATRIX_SETS.items()
        ],
    }


def matrix_set(root: str, here: MatrixSet) -> Document:
    """A tile matrix set with all its levels."""
    return {
        "id": here.name,
        "title": f"{here.zh} {here.en}",
        **({"uri": here.uri} if here.uri else {}),
        "crs": here.crs,
        "orderedAxes": ["Lat", "Lon"]
        if here.swapped
        else ["E", "N"]
        if here is WEB
        else ["Lon", "Lat"],
        "tileMatrices": [_matrix(here, z) for z in range(here.first, here.last + 1)],
        "links": [link(f"{root}/tileMatrixSets/{here.name}", "self", JSON)],
    }


def _matrix(here: MatrixSet, z: int) -> Document:
    size = here.span / here.rows(z) / SCREEN
    metres = size if here is WEB else size * DEGREE
    origin = [here.left, here.top]
    return {
        "id": str(z),
        "scaleDenominator": metres / PIXEL,
        "cellSize": size,
        "cornerOfOrigin": "topLeft",
        "pointOfOrigin": origin[::-1] if here.swapped else origin,
        "tileWidth": SCREEN,
        "tileHeight": SCREEN,
        "matrixWidth": here.rows(z) * here.columns,
        "matrixHeight": here.rows(z),
    }


def tilesets(root: str, path: str, title: str) -> Document:
    """The tilesets of a collection, or of several together: one for each matrix set."""
    return {
        "links": [link(f"{root}{path}", "self", JSON)],
        "tilesets": [
            {
                "title": f"{title} · {name}",
                **_matrices(root, each)[0],
                "dataType": "vector",
                "links": [
                    link(f"{root}{path}/{name}", "self", JSON, f"{title} · {name}"),
                    *_matrices(root, each)[1],
                ],
            }
            for name, each in MATRIX_SETS.items()
        ],
    }


def _matrices(root: str, here: MatrixSet) -> tuple[Document, list[Document]]:
    """By what a tileset names its matrix set, and the link to it."""
    href = f"{root}/tileMatrixSets/{here.name}"
    return (
        {"tileMatrixSetURI": here.uri or href, "crs": here.crs},
        [link(href, f"{REL}/tiling-scheme", JSON, here.name)],
    )


def tileset(
    root: str,
    path: str,
    here: MatrixSet,
    drawings: Sequence[Drawing],
    extent: Bounds,
    given: Mapping[str, str],
) -> Document:
    """A tileset: where its tiles are, of which levels, and what is in them."""
    title, about = words(drawings)
    query = f"?{urlencode(given)}" if given else ""
    self = f"{root}{path}/{here.name}"
    template = f"{self}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}{query}"
    named, links = _matrices(root, here)
    west, south, east, north = extent
    middle = [(west + east) / 2, (south + north) / 2]
    return {
        "title": f"{title} · {here.name}",
        "description": about,
        "tileMatrixSetId": here.name,
        **named,
        "dataType": "vector",
        "accessConstraints": "unclassified",
        "links": [
            link(f"{self}{query}", "self", JSON),
            *(
                [link(f"{self}?{urlencode({**given, 'f': 'tilejson'})}", "alternate", TILEJSON)]
                if here is WEB
                else []
            ),
            {**link(template, "item", MVT, "Tiles · 瓦片"), "templated": True},
            *links,
        ],
        "layers": [layer for each in drawings for layer in _layers(root, here, each)],
        "tileMatrixSetLimits": limits(here, begins(drawings), extent),
        "boundingBox": {"lowerLeft": [west, south], "upperRight": [east, north], "crs": CRS84},
        "centerPoint": {"coordinates": middle, "crs": CRS84, "tileMatrix": str(here.level(13))},
    }


def begins(drawings: Sequence[Drawing]) -> int:
    """The zoom from which there is anything of these collections."""
    return min(each.begins for each in drawings)


def limits(here: MatrixSet, first: int, extent: Bounds) -> list[Document]:
    """The rows and columns of each level that there is anything in."""
    found = []
    for z in range(here.level(first), here.deepest + 1):
        columns, rows = here.tiles(z, extent)
        found.append(
            {
                "tileMatrix": str(z),
                "minTileRow": rows[0],
                "maxTileRow": rows[-1],
                "minTileCol": columns[0],
                "maxTileCol": columns[-1],
            }
        )
    return found


GEOMETRY = {"Point": 0, "MultiLineString": 1, "MultiPolygon": 2}
COUNT: Document = {"title": "数量 count", "description": "features counted", "type": "integer"}
DERIVED: dict[str, tuple[str, str]] = {
    "density": ("建筑密度 density", "footprints ÷ ground of the cell"),
    "far": ("容积率 floor area ratio", "known floor areas ÷ ground of the cell"),
}


def _layers(root: str, here: MatrixSet, drawing: Drawing) -> list[Document]:
    """The layers of a collection, as tilesets and styles name them."""
    collection = drawing.collection
    found: list[Document] = [
        {
            "id": drawing.name,
            "title": f"{collection.zh} {collection.en}",
            "description": told(drawing, here),
            "dataType": "vector",
            "geometryDimension": GEOMETRY[collection.geometry_kind],
            "minTileMatrix": str(here.level(drawing.first)),
            "maxTileMatrix": str(here.deepest),
            "featureType": drawing.name,
            "propertiesSchema": {
                "type": "object",
                "properties": {
                    name: property_schema(each) for name, each in collection.properties.items()
                },
            },
            "links": [link(f"{root}/collections/{drawing.name}", f"{REL}/geodata", JSON)],
        }
    ]
    if drawing.named:
        found.append(
            {
                "id": drawing.names_name,
                "title": f"{collection.zh}名称 {collection.en}, names",
                "description": "A point within each feature, for its name. 要素内的注记点。",
                "dataType": "vector",
                "geometryDimension": 0,
                "minTileMatrix": str(here.level(drawing.first)),
                "maxTileMatrix": str(here.deepest),
                "propertiesSchema": {
                    "type": "object",
                    "properties": {
                        name: property_schema(collection.properties[name])
                        for name in drawing.labels
                    },
                },
            }
        )
    if drawing.cells:
        sums = {name: property_schema(collection.properties[name]) for name in drawing.summed}
        more = {
            name: {"title": title, "description": about, "type": "number"}
            for name, (title, about) in DERIVED.items()
            if sums
        }
        found.append(
            {
                "id": drawing.cells_name,
                "title": f"{collection.zh}统计格网 {collection.en}, counted",
                "description": "Squares with the number of all features whose middle is in them, "
                "and sums over them. 方格内全部要素的数量与合计。",
                "dataType": "vector",
                "geometryDimension": 2,
                "minTileMatrix": str(here.level(0)),
                "maxTileMatrix": str(here.level(drawing.every - 1)),
                "propertiesSchema": {
                    "type": "object",
                    "properties": {"count": COUNT, **sums, **more},
                },
            }
        )
    return found


def told(drawing: Drawing, here: MatrixSet) -> str:
    """From which level what is there, in both languages."""
    first, every, full = (here.level(zoom) for zoom in (drawing.first, drawing.every, FULL))
    en = [f"Every feature from level {every}"]
    zh = [f"自第 {every} 级起显示全部要素"]
    if drawing.levels:
        steps = ", ".join(f"{level} from {here.level(zoom)}" for zoom, level in drawing.levels)
        en.append(f"lowest administrative level by tile level: {steps}")
        zh.append(f"行政级别随瓦片级别增加（{steps}）")
    elif first < every:
        en.append(f"the larger ones, at most {drawing.few:,} of a tile, from level {first}")
        zh.append(f"自第 {first} 级起显示较大要素（每瓦片至多 {drawing.few:,} 个）")
    if drawing.cells:
        en.append("before, cells count all of them")
        zh.append("此前以格网统计全部要素")
    if drawing.brief and first < full:
        en.append(f"every property from level {full}, before {', '.join(drawing.brief)}")
        zh.append(f"自第 {full} 级起含全部字段，此前仅 {'、'.join(drawing.brief)}")
    en.append(
        f"where a tile has no room for all, the layer {drawing.left_name} says how many it lacks"
    )
    zh.append(f"瓦片容量不足时，图层 {drawing.left_name} 说明缺少的数量")
    return f"{'; '.join(en)}. {'；'.join(zh)}。"


def words(drawings: Sequence[Drawing]) -> tuple[str, str]:
    """Title and description of a tileset."""
    if len(drawings) == 1:
        only = drawings[0].collection
        return f"{only.zh} {only.en}", only.about
    names = [each.name for each in drawings]
    title = "城市地图 The city's map" if names == list(USUAL) else "、".join(names)
    return (
        title,
        f"Layers: {', '.join(names)}; choose others by collections=: {', '.join(DRAWINGS)}.",
    )


def tilejson(
    root: str, path: str, drawings: Sequence[Drawing], extent: Bounds, given: Mapping[str, str]
) -> Document:
    """TileJSON 3.0.0, as MapLibre and QGIS read it; of Web Mercator alone, for which it is."""
    title, about = words(drawings)
    query = f"?{urlencode(given)}" if given else ""
    west, south, east, north = extent
    first = begins(drawings)
    return {
        "tilejson": "3.0.0",
        "name": title,
        "description": about,
        "scheme": "xyz",
        "tiles": [f"{root}{path}/{WEB.name}/{{z}}/{{y}}/{{x}}{query}"],
        "minzoom": first,
        "maxzoom": WEB.deepest,
        "bounds": [west, max(south, -85.05), east, min(north, 85.05)],
        "center": [(west + east) / 2, (south + north) / 2, max(first, 13)],
        "vector_layers": [
            {
                "id": layer["id"],
                "description": layer["title"],
                "minzoom": int(layer["minTileMatrix"]),
                "maxzoom": int(layer["maxTileMatrix"]),
                "fields": {
                    name: _field(each)
                    for name, each in layer["propertiesSchema"]["properties"].items()
                },
            }
            for each in drawings
            for layer in _layers(root, WEB, each)
        ],
    }


def _field(each: Document) -> str:
    kind = {"integer": "Number", "number": "Number", "boolean": "Boolean"}
    return kind.get(each["type"], "String")
