"""The city as a whole."""

from typing import Any

import numpy as np
from fastapi import APIRouter
from fastapi.responses import Response

from api.answers.cards import height_shift
from api.database.store import Store
from api.deps import GeoidDep, MemoryDep, SettingsDep, StoreDep
from api.routes import PROBLEMS, json
from api.routes.terrain import offered
from api.routes.tilesets import opened
from api.schemas.service import City
from api.tilesets.archives import ArchivesDep
from cim.crs.geoid import Geoid
from cim.privacy.counting import COARSE, told
from cim.settings import Settings
from cim.store.queries import city as queries

router = APIRouter(tags=["city"])

CELL = 0.005
"""Degrees, some 500 m: buildings this near to one another stand on one ground."""

CELLS = 1000
"""As many are told of a city; where it has more they are larger."""

LISTS = {"building_use": "use"}
"""Code lists that go by a shorter name in the legend."""


@router.get(
    "/city",
    summary="The city: name, bounds, contents, legend",
    response_model=City,
    responses=PROBLEMS,
)
async def city(
    store: StoreDep,
    memory: MemoryDep,
    settings: SettingsDep,
    geoid: GeoidDep,
    archives: ArchivesDep,
) -> Response:
    """What a viewer needs to open: kept for ten seconds."""

    async def look() -> dict[str, Any]:
        return await whole(store, settings, geoid)

    found = await memory.get("city", look)
    ground = offered(settings)
    return json(found | {"tilesets": await opened(store, settings, archives), "terrain": ground})


async def whole(store: Store, settings: Settings, geoid: Geoid) -> dict[str, Any]:
    """The city without its tilesets."""
    row = await store.row(queries.counts())
    assert row is not None  # counts of tables always are
    people = told(await store.value(queries.residents()), COARSE, empty=row.units == 0)
    counts = dict(row._mapping) | {"residents": people}
    exact = counts["buildings"] <= queries.EXACT_UP_TO
    box = await store.row(queries.bounds(exact=exact)) if counts["buildings"] else None
    legend: dict[str, list[dict[str, str]]] = {"use": []}
    for item in await store.rows(queries.legend()):
        name = LISTS.get(item.list_code, item.list_code)
        legend.setdefault(name, []).append({"code": item.code, "zh": item.zh, "en": item.en})
    return {
        "name": settings.city_name or await store.value(queries.name()),
        "bounds": list(box) if box is not None and box.west is not None else None,
        "focus": await focus(store, geoid, counts["buildings"]),
        "grounds": await grounds(store, geoid, counts["buildings"]),
        "counts": counts,
        "legend": legend,
    }


async def focus(store: Store, geoid: Geoid, buildings: int) -> dict[str, Any] | None:
    """The place worth seeing first: the fullest estate, else the densest block."""
    place = await store.row(queries.estate_focus())
    if place is None:
        place = await store.row(queries.cell_focus(_percent(buildings)))
    if place is None:
        return None
    return {
        "lon": place.lon,
        "lat": place.lat,
        "height": round(min(max(150.0, 1.6 * place.size), 3000.0), 1),
        "ground": round(place.ground_elev + height_shift(geoid, place.lon, place.lat), 2),
        "name": place.name,
    }


async def grounds(store: Store, geoid: Geoid, buildings: int) -> dict[str, Any]:
    """The lowest ground of each part of the city: no building of a city without terrain is below.

    Parts of a city may lie far from one another, and much higher.
    """
    rows = await store.rows(queries.grounds(_percent(buildings), CELL))
    places = np.array([(row.lon, row.lat) for row in rows], np.float64).reshape(-1, 2)
    shifts = geoid.height(places[:, 0], places[:, 1])
    step = CELL
    cells = {
        (row.x, row.y): round(row.ground + float(shift), 2)
        for row, shift in zip(rows, shifts, strict=True)
    }
    while len(cells) > CELLS:
        step *= 2
        cells = _halved(cells)
    return {"step": step, "cells": [(x, y, ground) for (x, y), ground in sorted(cells.items())]}


def _halved(cells: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """Two by two cells as one.

    >>> _halved({(-1, 0): 7.0, (0, 0): 3.0, (1, 1): 2.0})
    {(-1, 0): 7.0, (0, 0): 2.0}
    """
    found: dict[tuple[int, int], float] = {}
    for (x, y), ground in cells.items():
        key = (x // 2, y // 2)
        found[key] = min(ground, found.get(key, ground))
    return found


def _percent(buildings: int) -> float:
    """The share of the buildings that is looked at, in per cent."""
    return min(100.0, 100.0 * queries.EXACT_UP_TO / max(buildings, 1))
