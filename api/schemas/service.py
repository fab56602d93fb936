"""The service and the city as a whole."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.common import Answer, Bounds, Code, Sentence, example


class Health(Answer):
    """That the process answers."""

    model_config = example({"status": "ok", "version": "0.1.0"})

    status: str = Field(description="ok")
    version: str


class DatabaseState(Answer):
    """The database as it was found."""

    ok: bool
    postgis: str | None
    revision: str | None = Field(description="of its tables; the program's own is the newest")


class ReplicaState(Answer):
    """The read replica as it was found."""

    usable: bool = Field(description="whether it is asked")
    behind_bytes: int | None = Field(description="of the primary's log; null while it is away")
    behind_seconds: float | None


class Details(Answer):
    """What the system administrator is told besides."""

    database: DatabaseState
    replica: ReplicaState | None = Field(description="null where there is none")


class Ready(Answer):
    """Whether requests can be answered."""

    model_config = example({"status": "ready", "details": None})

    status: str = Field(description="ready, or not ready")
    details: Details | None = Field(description="for the system administrator alone")


class Tileset(Answer):
    """A tileset that was built."""

    name: str
    url: str = Field(description="of its tileset.json; ends in the version, so tiles can be cached")
    version: str
    kind: Literal["features", "points"] = Field(
        description="buildings and the like, with ids; or the points of a survey, without"
    )
    built_at: datetime
    features: int = Field(description="how many there are; 0 where an archive does not say")
    height_shift: float = Field(description="metres from the height datum up to the ellipsoid")
    part_of: str | None = Field(
        description="the tileset of the whole city that it is a part of; null where it is none"
    )
    part: Sentence | None = Field(description="which part")


class Tilesets(Answer):
    """Every tileset that can be opened."""

    model_config = example(
        {
            "tilesets": [
                {
                    "name": "units",
                    "url": "/tiles/3d/units/tileset.json?v=20261121T101500",
                    "version": "20261121T101500",
                    "kind": "features",
                    "built_at": "2026-11-21T10:15:00Z",
                    "features": 30112,
                    "height_shift": -5.2,
                    "part_of": None,
                    "part": None,
                }
            ]
        }
    )

    tilesets: list[Tileset]


class Focus(Answer):
    """The place worth seeing first."""

    lon: float
    lat: float
    height: float = Field(description="metres above the ground from which it is seen whole")
    ground: float = Field(description="ellipsoidal height of the ground there, metres")
    name: str | None


class CityCounts(Answer):
    """How much of everything; estimates above 100,000 rows."""

    buildings: int
    storeys: int
    units: int
    addresses: int
    organisations: int
    facilities: int
    devices: int
    residents: int | None = Field(description="in hundreds; null for fewer")


class Terrain(Answer):
    """The ground as quantized-mesh tiles."""

    url: str = Field(description="what CesiumTerrainProvider is given")
    version: str = Field(description="changes with the content")


class Grounds(Answer):
    """How high the ground lies where buildings stand, for a city without terrain."""

    step: float = Field(description="edge of a cell in degrees; cells count from 0° E, 0° N")
    cells: list[tuple[int, int, float]] = Field(
        description="column, row, and ellipsoidal height of the lowest ground in it, metres"
    )


class City(Answer):
    """The city: what it is called, where it lies, what it holds, how codes are named."""

    model_config = example(
        {
            "name": "东莞市",
            "bounds": [113.6, 22.7, 114.2, 23.1],
            "focus": {
                "lon": 113.88,
                "lat": 22.92,
                "height": 420.0,
                "ground": 8.5,
                "name": "示范小区",
            },
            "grounds": {"step": 0.005, "cells": [[22776, 4584, 8.5]]},
            "counts": {
                "buildings": 120,
                "storeys": 900,
                "units": 4200,
                "addresses": 4500,
                "organisations": 80,
                "facilities": 60,
                "devices": 300,
                "residents": 9000,
            },
            "tilesets": [],
            "terrain": {"url": "/terrain", "version": "3f0c52a1b7de"},
            "legend": {"use": [{"code": "residential", "zh": "住宅", "en": "residential"}]},
        }
    )

    name: str
    bounds: Bounds | None
    focus: Focus | None
    grounds: Grounds
    counts: CityCounts
    tilesets: list[Tileset]
    terrain: Terrain | None
    legend: dict[str, list[Code]] = Field(
        description="code lists by name; `use` is list building_use"
    )
