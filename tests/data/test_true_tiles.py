"""A real city edited at random: by whatever road its tiles are made, they are the same bytes."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from api.tilesets.making import Maker
from cim import derive
from cim.crs.geoid import geoid
from cim.intake.bringing import Units, bring
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.settings import Settings
from tests.workers import scheduling, working
from tiling.city.layers import LAYERS, Layer
from tiling.disk.folder import version_at
from tiling.run.build import build
from tiling.run.cluster import cluster
from tiling.run.update import update

DATA = Path(__file__).parents[3] / "shared/data"
SUZHOU = DATA / "buildings/suzhou/example/data/bd_demo_2.json"
DELFT = DATA / "citymodels/cityjson-delft-zurich/tests/data/delft.json"
"""Of these, buildings have solids."""

EDITS = (
    "UPDATE city.building SET height = height + 9 WHERE id = ANY(:ids)",
    "UPDATE city.building SET footprint = ST_Translate(footprint, 0.004, 0.002) "
    "WHERE id = ANY(:ids)",
    "UPDATE city.building SET state = 'demolished' WHERE id = ANY(:ids)",
    "UPDATE city.building SET ground_elev = 3.5, use_code = 'office' WHERE id = ANY(:ids)",
    "UPDATE city.unit SET kind = 'office' WHERE building_id = ANY(:ids)",
    "UPDATE city.unit SET ended_at = now() WHERE building_id = ANY(:ids) AND id % 3 = 0",
    "UPDATE city.storey SET elev_top = elev_top + 0.2 WHERE building_id = ANY(:ids)",
    "UPDATE city.building_geom SET is_current = false WHERE building_id = ANY(:ids)",
    "UPDATE city.building SET footprint = ST_Multi(ST_Scale(footprint, ST_Point(4, 4), "
    "ST_Centroid(footprint))) WHERE id = ANY(:ids)",
)


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    """Suzhou and Delft with storeys and units, partly planned and with basements, tiled, edited."""
    if not SUZHOU.is_file():
        pytest.skip("../shared/data is absent: Suzhou's buildings")
    settings = settings.model_copy(update={"geoid_grid": DATA / "terrain/egm96_15.gtx"})
    for file in (SUZHOU, DELFT):
        request = Request(source=file.stem)
        bring(settings, KINDS["buildings"], file, request, units=Units(), keep=True)
    with engine.begin() as connection:
        for part in ("state = 'planned' WHERE id % 4 = 1", "floors_below = 2 WHERE id % 4 < 2"):
            connection.execute(text(f"UPDATE city.building SET {part}"))
        derive.run(connection, settings)
    for layer in LAYERS.values():
        build(settings, engine, layer)
    random = np.random.default_rng(11)
    with engine.connect() as connection:
        ids = np.array(connection.scalars(text("SELECT id FROM city.building ORDER BY id")).all())
    for turn in range(3):
        with engine.begin() as connection:
            for edit in random.choice(EDITS, 4):
                chosen = random.choice(ids, 1 + 6 * turn).tolist()
                connection.execute(text(str(edit)), {"ids": chosen})
        changed = [update(settings, engine, layer).changed for layer in LAYERS.values()]
        assert all(changed) or turn == 0
    return settings


@pytest.fixture(params=LAYERS.values(), ids=lambda layer: layer.name)
def layer(request: pytest.FixtureRequest) -> Any:
    return request.param


def files(settings: Settings, layer: Layer) -> dict[str, bytes]:
    """Every file of what is served now, by its path."""
    found = version_at(settings.tiles_dir / layer.name / "current").files()
    return {path: file.read_bytes() for path, file in found.items()}


def test_updates_leave_what_a_build_in_one_process_and_one_in_several_make(
    city: Settings, engine: Engine, layer: Layer, tmp_path: Path
) -> None:
    updated = files(city, layer)
    alone = city.model_copy(update={"data_dir": tmp_path / "alone"})
    build(alone, engine, layer)
    assert files(alone, layer) == updated
    several = city.model_copy(update={"data_dir": tmp_path / "several"})
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        build(several, engine, layer, executor=executor)
    assert files(several, layer) == updated


def test_a_cluster_makes_them_too(
    city: Settings, engine: Engine, layer: Layer, tmp_path: Path
) -> None:
    elsewhere = city.model_copy(update={"data_dir": tmp_path})
    with scheduling() as scheduler, working(scheduler), cluster(scheduler, elsewhere) as executor:
        build(elsewhere, engine, layer, executor=executor)
    assert files(elsewhere, layer) == files(city, layer)


def test_each_tile_made_when_asked_for_is_the_one_on_disk(
    city: Settings, engine: Engine, layer: Layer
) -> None:
    maker = Maker(engine, geoid(city), city.tiles_dir)
    tiles = {path: body for path, body in files(city, layer).items() if path.endswith(".glb")}
    assert len(tiles) > (2 if layer.name in ("buildings", "units") else 0)

    async def ask() -> list[bytes]:
        found = [await maker.get(layer.name, path) for path in tiles]
        return [made.plain for made in found if made]

    assert asyncio.run(ask()) == list(tiles.values())
