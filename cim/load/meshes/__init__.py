"""Meshes (OBJ, glTF, PLY, STL): how a building is drawn, in place of its prism or solid.

A file is read in a child process (`reading`), as floor models are, finds its place on a building
(`placing`) and goes beside it into the store (`loading`), or is taken back (`ending`).  What the
mesh says of floors and rooms is nothing: the building's storeys and units stay as they are.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cim.load.meshes.ending import end
    from cim.load.meshes.loading import KIND, keep, load

ENDINGS = (".obj", ".gltf", ".glb", ".ply", ".stl")
"""How names of meshes end."""

__all__ = ["ENDINGS", "KIND", "end", "keep", "load"]


def __getattr__(name: str) -> Any:
    """What needs the store is imported once it is asked for: the child that reads never does."""
    if name in __all__:
        room = "ending" if name == "end" else "loading"
        return getattr(import_module(f"cim.load.meshes.{room}"), name)
    raise AttributeError(name)
