"""Floor models drawn for tests, as a designer's program writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ifcopenshell
import ifcopenshell.guid
import numpy as np

Outline = Sequence[tuple[float, float]]

ROOM = ((0.0, 0.0), (5.0, 0.0), (5.0, 4.0), (0.0, 4.0))
"""A room of 20 m²."""

EAST = ((5.2, 0.0), (9.2, 0.0), (9.2, 4.0), (5.2, 4.0))
"""A room of 16 m² beside ROOM."""


class Drawing:
    """One building in a new file, written as a designer does; lengths are given in metres."""

    def __init__(self, schema: str = "IFC4", scale: float = 1.0, guid: str | None = None) -> None:
        self.file, self.scale = ifcopenshell.file(schema=schema), scale
        prefix = {1.0: None, 0.001: "MILLI"}[scale]
        length = self.file.create_entity("IfcSIUnit", None, "LENGTHUNIT", prefix, "METRE")
        units = self.file.create_entity("IfcUnitAssignment", [length])
        world = self.file.create_entity("IfcAxis2Placement3D", self.point(0, 0, 0))
        self.context = self.file.create_entity(
            "IfcGeometricRepresentationContext", None, "Model", 3, 1e-5, world
        )
        self.project = self.rooted("IfcProject", "p", RepresentationContexts=[self.context],
                                   UnitsInContext=units)  # fmt: skip
        self.site = self.rooted("IfcSite", "site", ObjectPlacement=self.place(0))
        self.building = self.rooted("IfcBuilding", "示范楼", ObjectPlacement=self.place(0))
        if guid:
            self.building.GlobalId = guid
        self.join(self.project, [self.site])
        self.join(self.site, [self.building])

    def rooted(self, kind: str, name: str | None, **values: Any) -> Any:
        guid = ifcopenshell.guid.new()
        return self.file.create_entity(kind, GlobalId=guid, Name=name, **values)

    def point(self, *metres: float) -> Any:
        numbers = [float(number) / self.scale for number in metres]
        return self.file.create_entity("IfcCartesianPoint", numbers)

    def place(self, z: float) -> Any:
        where = self.file.create_entity("IfcAxis2Placement3D", self.point(0, 0, z))
        return self.file.create_entity("IfcLocalPlacement", None, where)

    def join(self, whole: Any, parts: list[Any]) -> None:
        self.rooted("IfcRelAggregates", None, RelatingObject=whole, RelatedObjects=parts)

    def storey(self, name: str, z: float) -> Any:
        storey = self.rooted("IfcBuildingStorey", name, ObjectPlacement=self.place(z))
        self.join(self.building, [storey])
        return storey

    def room(self, storey: Any, name: str, z: float, outline: Outline | None = ROOM,
             height: float = 2.8, long_name: str | None = None) -> Any:  # fmt: skip
        body = None if outline is None else self.body(outline, height)
        space = self.rooted("IfcSpace", name, LongName=long_name, ObjectPlacement=self.place(z),
                            Representation=body)  # fmt: skip
        self.join(storey, [space])
        return space

    def body(self, outline: Outline, height: float) -> Any:
        ring = [self.point(x, y) for x, y in [*outline, outline[0]]]
        profile = self.file.create_entity(
            "IfcArbitraryClosedProfileDef", "AREA", None,
            self.file.create_entity("IfcPolyline", ring),
        )  # fmt: skip
        up = self.file.create_entity("IfcDirection", [0.0, 0.0, 1.0])
        where = self.file.create_entity("IfcAxis2Placement3D", self.point(0, 0, 0))
        solid = self.file.create_entity(
            "IfcExtrudedAreaSolid", profile, where, up, height / self.scale
        )
        shape = self.file.create_entity(
            "IfcShapeRepresentation", self.context, "Body", "SweptSolid", [solid]
        )
        return self.file.create_entity("IfcProductDefinitionShape", None, None, [shape])

    def zone(self, name: str, rooms: list[Any], purpose: str | None = None) -> None:
        zone = self.rooted("IfcZone", name, ObjectType=purpose)
        self.rooted("IfcRelAssignsToGroup", None, RelatedObjects=rooms, RelatingGroup=zone)

    def converted(self, east: float, north: float, system: str, turn: float = 0.0) -> None:
        target = self.file.create_entity("IfcProjectedCRS", system)
        angle = np.radians(turn)
        self.file.create_entity(
            "IfcMapConversion", self.context, target, east, north, 7.5,
            float(np.cos(angle)), float(np.sin(angle)), self.scale,
        )  # fmt: skip

    def write(self, path: Path) -> Path:
        self.file.write(str(path))
        return path


def two_flats(**how: Any) -> Any:
    """Two storeys with two flats on each, told by zones; named in Chinese."""
    drawing = Drawing(**how)
    for number, (name, z) in enumerate((("首层", 0.0), ("二层", 3.0)), 1):
        storey = drawing.storey(name, z)
        west = drawing.room(storey, f"{number}-1", z, long_name="客厅")
        east = drawing.room(storey, f"{number}-2", z, EAST, long_name="卧室")
        drawing.zone(f"{number}01", [west])
        drawing.zone(f"{number}02", [east])
        drawing.zone("防火分区", [west, east], "fire")
    return drawing
