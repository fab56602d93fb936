"""City models small enough to read: houses with gables, as CityJSON and as its lines."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

EAST, NORTH = 474_400.0, 2_546_800.0
"""Where they stand, in EPSG:4547: Dongguan."""

HEADER = {
    "type": "CityJSON",
    "version": "2.0",
    "transform": {"scale": [0.001, 0.001, 0.001], "translate": [EAST, NORTH, 0.0]},
    "metadata": {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/4547"},
}

FACES = {
    "GroundSurface": [[0, 3, 2, 1]],
    "WallSurface": [[0, 1, 5, 4], [2, 3, 7, 6], [1, 2, 6, 9, 5], [3, 0, 4, 8, 7]],
    "RoofSurface": [[4, 5, 9, 8], [6, 7, 8, 9]],
}
"""A house of 10 by 8 m: corners below 0-3, eaves 4-7, the ridge 8-9."""


def corners(x: float = 0.0, base: float = 20.0, eaves: float = 5.0, ridge: float = 8.0) -> list:
    """Vertices of a house whose corner is `x` metres east, in whole millimetres."""
    ring = [(x, 0.0), (x + 10, 0.0), (x + 10, 8.0), (x, 8.0)]
    places = [(*p, base) for p in ring] + [(*p, base + eaves) for p in ring]
    places += [(x, 4.0, base + ridge), (x + 10, 4.0, base + ridge)]
    return [[round(v * 1000) for v in place] for place in places]


def solid(first: int = 0, lod: Any = "2.2", leave: Iterable[str] = ()) -> dict[str, Any]:
    """The solid of a house whose vertices begin at `first`, without what is to be left out."""
    faces, values = [], []
    for number, (kind, listed) in enumerate(FACES.items()):
        for face in listed if kind not in leave else []:
            faces.append([[first + corner for corner in face]])
            values.append(number)
    surfaces = [{"type": kind} for kind in FACES]
    return {
        "type": "Solid",
        "lod": lod,
        "boundaries": [faces],
        "semantics": {"surfaces": surfaces, "values": [values]},
    }


def document(path: Path, objects: dict[str, Any], vertices: list[list[int]], **header: Any) -> Path:
    """A CityJSON document."""
    whole = HEADER | header | {"CityObjects": objects, "vertices": vertices}
    path.write_text(json.dumps(whole, ensure_ascii=False), "utf-8")
    return path


def houses(path: Path, count: int = 3, **options: Any) -> Path:
    """Houses in a row, 20 m apart; `options` go to their corners."""
    objects: dict[str, Any] = {}
    vertices: list[list[int]] = []
    for number in range(count):
        objects[f"H{number}"] = {
            "type": "Building",
            "attributes": {"naam": f"Huis {number}", "bouwjaar": 1990 + number},
            "geometry": [solid(len(vertices))],
        }
        vertices += corners(20.0 * number, **options)
    return document(path, objects, vertices)


def lines(path: Path, source: Path) -> Path:
    """The document as lines: a feature for each building, with vertices of its own."""
    whole = json.loads(source.read_text("utf-8"))
    header = {k: v for k, v in whole.items() if k not in ("CityObjects", "vertices")}
    rows: list[Any] = [header | {"CityObjects": {}, "vertices": []}]
    rows += [
        {"type": "CityJSONFeature", "id": key, "CityObjects": {key: item},
         "vertices": whole["vertices"]}
        for key, item in whole["CityObjects"].items()
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path
