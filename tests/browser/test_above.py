"""The tiles as CesiumJS draws them from above, against the footprints in the database."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from cim.crs.ecef import Frame, from_geodetic
from sample_data.make import make
from tests.browser.conftest import serving

SCRIPT = Path(__file__).parents[2] / "viewer/tests/browser/above/above.mjs"

METRES, SIZE = 300.0, 1001
"""The square that is looked at, and its pixels: 30 cm each."""

FAR = 200_000.0
"""Metres above, from where it is looked at: what is 100 m high leans by 7 cm at the edge."""

AGREED = 0.95
"""Of the pixels that a footprint or what is drawn of it covers, the share that both cover."""

TREES = ("buildings", "buildings/explicit", ".", "units", "units/explicit")
"""Where the same is found: buildings in the implicit tree, the explicit one, the root of all; and
units in their two trees."""

LEAST = 500
"""Pixels from which a building is judged."""

Pixels = NDArray[np.int32]


@pytest.fixture(scope="module")
def place(
    cim: Callable[..., str], engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[float, float]:
    """Longitude and latitude of a place in a city with tiles that has many buildings around."""
    folder = tmp_path_factory.mktemp("city")
    make(folder, 400)
    cim("load", "city", str(folder), "--quiet")
    cim("tile", "build", "--jobs", "1", "--explicit")
    with engine.connect() as connection:
        centres = np.array(
            connection.execute(
                text("SELECT ST_X(c), ST_Y(c) FROM city.building, ST_Centroid(footprint) c")
            ).all()
        )
    near = np.abs(centres[:, None] - centres[None]).max(axis=2) < METRES / 2 / 120_000
    longitude, latitude = centres[near.sum(axis=1).argmax()]
    return float(longitude), float(latitude)


@pytest.fixture(scope="module")
def trees(environment: dict[str, str], place: tuple[float, float]) -> dict[str, Pixels]:
    """The id of the building at each pixel, as Cesium picks it, 0 where none is: in each tree."""
    node = shutil.which("node")
    assert node, "node is not on PATH: run the tests by `make test`, or `scripts/node pytest`"
    with serving(environment) as origin:
        square = {"lon": place[0], "lat": place[1], "metres": METRES, "size": SIZE}
        views = [
            {"url": f"{origin}/tiles/3d/{path}/tileset.json".replace("/./", "/")} | square
            for path in TREES
        ]
        done = subprocess.run(
            [node, str(SCRIPT), origin, json.dumps(views)],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["complaints"] == []
    return {
        path: np.frombuffer(base64.b64decode(ids), "<i4").reshape(SIZE, SIZE)
        for path, ids in zip(TREES, report["seen"], strict=True)
    }


@pytest.fixture(scope="module")
def drawn(trees: dict[str, Pixels]) -> Pixels:
    """The implicit tree's."""
    return trees["buildings"]


def expected(engine: Engine, place: tuple[float, float]) -> Pixels:
    """The same out of the database: roofs where they are, the highest last."""
    frame = np.array(Frame(*place).matrix()).reshape(4, 4).T
    shapes: list[tuple[float, Any, int]] = []
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT id, ST_AsBinary(footprint) AS outline, ground_elev + height AS top"
                " FROM city.building WHERE ended_at IS NULL AND state <> 'demolished'"
            )
        ).all()
    for row in rows:

        def above(degrees: NDArray[np.float64], top: float = row.top) -> NDArray[np.float64]:
            earth = from_geodetic(degrees[:, 0], degrees[:, 1], np.full(len(degrees), top))
            local = (earth - frame[:3, 3]) @ frame[:3, :3]
            return local[:, :2] * (FAR / (FAR - local[:, 2:]))

        shapes.append((row.top, shapely.transform(shapely.from_wkb(row.outline), above), row.id))
    shapes.sort(key=lambda shape: shape[0])
    half, step = METRES / 2, METRES / SIZE
    found: Pixels = rasterio.features.rasterize(
        [(shape, identity) for _, shape, identity in shapes],
        (SIZE, SIZE),
        transform=Affine(step, 0, -half, 0, -step, half),
        dtype="int32",
    )
    return found


def agreement(drawn: Pixels, true: Pixels) -> dict[int, float]:
    """Of each building that is large enough in either picture, the share of pixels in both."""
    ids, counts = np.unique(np.concatenate([drawn.ravel(), true.ravel()]), return_counts=True)
    large = [int(one) for one in ids[counts >= 2 * LEAST] if one]
    return {
        one: float(((drawn == one) & (true == one)).sum() / ((drawn == one) | (true == one)).sum())
        for one in large
    }


def test_cesium_draws_every_building_on_its_footprint(
    drawn: Pixels, engine: Engine, place: tuple[float, float]
) -> None:
    true = expected(engine, place)
    found = agreement(drawn, true)
    assert len(found) >= 10
    assert min(found.values()) >= AGREED, sorted(found.items(), key=lambda one: one[1])[:5]
    assert ((drawn > 0) == (true > 0)).mean() > 0.99


def test_a_building_that_stands_two_metres_beside_its_footprint_is_seen(
    drawn: Pixels, engine: Engine, place: tuple[float, float]
) -> None:
    """What agrees by so much would not, were the tile out of place."""
    found = agreement(drawn, expected(engine, place))
    for moved in list(found)[:5]:
        with engine.begin() as connection:
            shift = text(
                "UPDATE city.building SET footprint = ST_Translate(footprint, :x, 0) WHERE id = :id"
            )
            metre = 1 / (111_320 * np.cos(np.radians(place[1])))
            connection.execute(shift, {"x": 2 * metre, "id": moved})
            before = found[moved]
        after = agreement(drawn, expected(engine, place))[moved]
        assert after < AGREED <= before


def test_the_explicit_tree_and_the_root_of_all_draw_the_same(trees: dict[str, Pixels]) -> None:
    implicit, explicit, together, units, explicit_units = trees.values()
    assert min((implicit > 0).sum(), (units > 0).sum()) > 10_000
    assert np.array_equal(explicit, implicit)
    assert np.array_equal(explicit_units, units)
    covered = (together > 0) == (implicit > 0)  # below the root of all, some of it are flats
    assert covered.mean() > 0.999
