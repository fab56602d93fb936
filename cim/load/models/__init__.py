"""Floor models (IFC): storeys, units and rooms of a building as its designers drew them.

A file is read in a child process (`sandbox`, `reading`), becomes a plain `model`, is drawn as
storeys and units (`drawing`, `names`, `solids`), finds its place (`placement`) and its building,
and goes into the store (`loading`).  The library that reads IFC is never imported here.
"""

from cim.load.kind import Kind
from cim.load.models.loading import load
from cim.model.buildings import unit

KIND = Kind(
    name="model",
    zh="建筑模型",
    en="floor models (IFC): storeys, units and rooms of one building",
    table=unit,
    object_type="unit",
    fields=(),
    derives=True,
)
"""What a model goes by where kinds are named; it has no columns and no mapping."""

ENDINGS = (".ifc", ".ifczip", ".ifcxml")
"""How names of models end; ifcXML is known, and refused with a sentence."""

__all__ = ["ENDINGS", "KIND", "load"]
