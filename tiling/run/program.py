"""What of the program decides on a tileset besides the city: a change of it makes all anew.

These modules, and no others, say which tile a building is in and what bytes a tile has.  Commands,
checks and whatever hands tiles out may change, and a city of millions need not be built for it.
"""

from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("deflate", "mapbox-earcut", "meshopt", "numpy", "shapely")
"""Whose versions bytes may depend on."""

MODULES = (
    "cim.crs.ecef",
    "cim.crs.geoid",
    "cim.geometry.wkb",
    "cim.store.queries.terrain",
    "cim.store.queries.tiles.leaves",
    "cim.store.queries.tiles.members",
    "cim.store.queries.tiles.parts",
    "cim.store.queries.tiles.rows",
    "cim.store.queries.tiles.which",
    "tiling.city.layers",
    "tiling.city.members",
    "tiling.city.parts",
    "tiling.city.rows",
    "tiling.city.tile",
    "tiling.formats.gltf",
    "tiling.formats.metadata",
    "tiling.formats.packed",
    "tiling.formats.subtree",
    "tiling.formats.tiles3d",
    "tiling.formats.tree",
    "tiling.run.batch",
    "tiling.run.publish",
    "tiling.shapes.mesh",
    "tiling.shapes.outlines",
    "tiling.shapes.reasons",
    "tiling.shapes.rings",
    "tiling.shapes.shells",
    "tiling.shapes.solids",
    "tiling.shapes.standing",
)
"""All that tiles, places and versions are made by; a test knows which those are."""

ROOT = Path(__file__).parents[2]


@cache
def program() -> bytes:
    """The digest of what decides, and of what it stands on."""
    found = blake2b(digest_size=12)
    for library in LIBRARIES:
        found.update(version(library).encode())
    for module in MODULES:
        found.update(ROOT.joinpath(*module.split(".")).with_suffix(".py").read_bytes())
    return found.digest()
