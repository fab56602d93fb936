"""Floor models (IFC): storeys, units and rooms of a building as its designers drew them.

A file is read in a child process (`sandbox`, `reading`), becomes a plain `model`, is drawn as
storeys and units (`drawing`, `names`, `solids`), finds its place (`placement`) and its building,
and goes into the store (`loading`).  The library that reads IFC is never imported here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cim.load.models.loading import KIND, load

ENDINGS = (".ifc", ".ifczip", ".ifcxml")
"""How names of models end; ifcXML is known, and refused with a sentence."""

__all__ = ["ENDINGS", "KIND", "load"]


def __getattr__(name: str) -> Any:
    """What needs the store is imported once it is asked for: the child that reads never does."""
    if name in __all__:
        return getattr(import_module("cim.load.models.loading"), name)
    raise AttributeError(name)
