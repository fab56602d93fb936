"""A map of the city as a style for MapLibre: built-up density from afar, then houses by their use.

It draws in every reader of such styles: no sprite, no glyphs from elsewhere (MapLibre takes the
fonts of the machine from 5.11 on), and one source, the tiles of the usual collections.
"""

from typing import Any

from api.ogc.describing import Document
from cim.codes import LISTS
from cim.store.queries.vector.drawing import DRAWINGS
from cim.store.queries.vector.matrices import WEB

GROUND, LAND, EDGE, ROAD = "#eceae4", "#f6f4ee", "#b9b3a6", "#ffffff"
INK, MUTED, HALO = "#1c2733", "#5a6876", "#ffffffcc"
USES = {
    "residential": "#f4c95d",
    "retail": "#e4572e",
    "office": "#4c86a8",
    "public": "#76b041",
    "industry": "#8d6a9f",
    "mixed": "#e99a4e",
}
PLAIN = "#d6d2c8"
"""A house of other use, or of none that is known."""

DENSITY: list[tuple[float, str]] = [
    (0.0, "#f2f1ee"), (0.05, "#eff3ff"), (0.15, "#bdd7e7"), (0.25, "#6baed6"), (0.35, "#3182bd"),
    (0.5, "#08519c"),
]  # fmt: skip
"""Share of the ground that is built over, and its colour."""

FONT = ["Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"]
WORDS = {
    "zh": {"name": "城市地图", "density": "建筑密度", "use": "建筑用途", "other": "其他或未知"},
    "en": {"name": "The city", "density": "ground built over", "use": "use", "other": "other"},
}
SOURCE = "city"


def city(root: str, language: str) -> Document:
    """The style; `language` is that of its name and legend, names of places are as they are."""
    words = WORDS[language]
    uses = {
        item["code"]: item["zh"] if language == "zh" else item["en"]
        for item in LISTS["building_use"]["items"]
    }
    legend = {
        words["density"]: [{"from": least, "colour": colour} for least, colour in DENSITY],
        words["use"]: [
            *({"label": uses[code], "colour": colour} for code, colour in USES.items()),
            {"label": words["other"], "colour": PLAIN},
        ],
    }
    return {
        "version": 8,
        "name": words["name"],
        "metadata": {"legend": legend, "language": language},
        "sources": {
            SOURCE: {"type": "vector", "url": f"{root}/tiles/{WEB.name}?f=tilejson"},
        },
        "layers": [
            {"id": "ground", "type": "background", "paint": {"background-color": GROUND}},
            *_places(),
            *_density(),
            *_streets(),
            *_houses(),
            *_edges(),
            *_facilities(),
            *_labels(),
        ],
    }


def _layer(name: str, kind: str, source: str, **other: Any) -> Document:
    return {"id": name, "type": kind, "source": SOURCE, "source-layer": source} | other


def _places() -> list[Document]:
    estates = {"fill-color": "#cfe8c4", "fill-opacity": 0.45}
    parcels = {"line-color": "#c48f8f", "line-width": 0.8}
    return [
        _layer("areas", "fill", "areas", paint={"fill-color": LAND}),
        _layer("estates", "fill", "estates", paint=estates),
        _layer("parcels", "line", "parcels", minzoom=14, paint=parcels),
    ]


def _density() -> list[Document]:
    stops = [part for stop in DENSITY for part in stop]
    colour = ["interpolate", ["linear"], ["get", "density"], *stops]
    opacity = ["interpolate", ["linear"], ["zoom"], 12, 0.85, 14, 0.4]
    paint = {"fill-color": colour, "fill-opacity": opacity, "fill-antialias": False}
    return [_layer("density", "fill", DRAWINGS["buildings"].cells_name, maxzoom=14, paint=paint)]


def _streets() -> list[Document]:
    wide = ["interpolate", ["exponential", 1.6], ["zoom"], 10, 0.5, 14, 2, 18, 12]
    paint = {"line-color": ROAD, "line-width": wide}
    round_ = {"line-cap": "round", "line-join": "round"}
    return [_layer("streets", "line", "streets", layout=round_, paint=paint)]


def _houses() -> list[Document]:
    pairs = [part for pair in USES.items() for part in pair]
    colour = ["match", ["coalesce", ["get", "use"], ""], *pairs, PLAIN]
    planned = [
        "match",
        ["coalesce", ["get", "state"], ""],
        ["planned", "under_construction"],
        0.4,
        1,
    ]
    filled = {"fill-color": colour, "fill-opacity": planned}
    drawn = {"line-color": INK, "line-opacity": 0.5, "line-width": 0.5}
    return [
        _layer("houses", "fill", "buildings", paint=filled),
        _layer("house-edges", "line", "buildings", minzoom=14, paint=drawn),
    ]


def _edges() -> list[Document]:
    dashed = {"line-color": MUTED, "line-width": 1.2, "line-dasharray": [3, 2]}
    thin = {"line-color": MUTED, "line-opacity": 0.4, "line-width": 0.6}
    return [
        _layer("grid-edges", "line", "grids", minzoom=14, paint=thin),
        _layer("area-edges", "line", "areas", paint=dashed),
    ]


def _facilities() -> list[Document]:
    paint = {
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 13, 2, 18, 6],
        "circle-color": "#0b6bcb",
        "circle-stroke-color": "#ffffff",
        "circle-stroke-width": 1,
    }
    return [_layer("facilities", "circle", "facilities", minzoom=15, paint=paint)]


def _labels() -> list[Document]:
    def words(name: str, source: str, size: float, **other: Any) -> Document:
        layout = {"text-field": ["get", "name"], "text-font": FONT, "text-size": size}
        layout |= other.pop("layout", {})
        paint = {"text-color": INK, "text-halo-color": HALO, "text-halo-width": 1.5}
        return _layer(name, "symbol", source, layout=layout, paint=paint, **other)

    community, along = ["==", ["get", "level"], 5], {"symbol-placement": "line"}
    return [
        words("house-names", "buildings", 11, minzoom=16),
        words("street-names", "streets", 11, minzoom=14, layout=along),
        words("estate-names", "estates_names", 12, minzoom=14),
        words("community-names", "areas_names", 12, minzoom=12, filter=community),
        words("area-names", "areas_names", 14, maxzoom=14, filter=["!", community]),
    ]
