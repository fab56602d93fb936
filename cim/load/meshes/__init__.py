"""Meshes (OBJ, glTF, PLY, STL): how a building is drawn, in place of its prism or solid.

A file is read in a child process (`reading`), as floor models are, finds its place on a building
(`placing`) and goes beside it into the store (`loading`), or is taken back (`ending`).  What the
mesh says of floors and rooms is nothing: the building's storeys and units stay as they are.
"""

from cim.load.kind import Kind
from cim.load.meshes.ending import end
from cim.load.meshes.loading import keep, load
from cim.model.buildings import building_geom

KIND = Kind(
    name="mesh",
    zh="建筑网格模型",
    en="meshes (OBJ, glTF, PLY, STL): how one building is drawn",
    table=building_geom,
    object_type="building",
    fields=(),
)
"""What a mesh goes by where kinds are named; it has no columns and no mapping."""

ENDINGS = (".obj", ".gltf", ".glb", ".ply", ".stl")
"""How names of meshes end."""

__all__ = ["ENDINGS", "KIND", "end", "keep", "load"]
