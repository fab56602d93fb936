"""Heights above the ellipsoid: a constant or a grid, and clear refusals."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from cim.crs import ecef
from cim.crs.geoid import geoid_height, to_city
from cim.errors import TilingError
from cim.settings import Settings


def settings(**given_values: object) -> Settings:
    return Settings(_env_file=None, **given_values)


def raster(path: Path, values: np.ndarray, transform: Affine) -> Path:
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": -88.8888}
    height, width = values.shape
    with rasterio.open(
        path, "w", width=width, height=height, crs="EPSG:4326", transform=transform, **profile
    ) as file:
        file.write(values.astype("float32"), 1)
    return path


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    """Geoid heights that are longitude + 10 × latitude, nodes at whole degrees, 110–114, 20–24."""
    longitude, latitude = np.meshgrid(np.arange(110, 115), np.arange(24, 19, -1))
    return raster(
        tmp_path / "plane.tif", longitude + 10 * latitude, Affine(1, 0, 109.5, 0, -1, 24.5)
    )


def test_a_constant_is_the_same_everywhere() -> None:
    found = geoid_height(settings(geoid_offset=-4.5), np.array([0.0, 113.0]), np.array([0.0, 23.0]))
    assert found.tolist() == [-4.5, -4.5]


def test_a_grid_is_bilinear_between_its_nodes(plane: Path) -> None:
    longitude, latitude = np.array([110.0, 113.75, 114.0]), np.array([20.0, 23.02, 24.0])
    found = geoid_height(settings(geoid_grid=plane, geoid_offset=99.0), longitude, latitude)
    assert found == pytest.approx(longitude + 10 * latitude)


def test_rows_from_south_to_north_are_read_alike(plane: Path, tmp_path: Path) -> None:
    with rasterio.open(plane) as file:
        values = file.read(1)[::-1]
    turned = raster(tmp_path / "turned.tif", values, Affine(1, 0, 109.5, 0, 1, 19.5))
    there = np.array([113.75]), np.array([23.02])
    assert geoid_height(settings(geoid_grid=turned), *there) == pytest.approx([343.95])


def test_a_missing_grid_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TilingError, match=r"no geoid grid at .*egm2008") as caught:
        geoid_height(settings(geoid_grid=tmp_path / "egm2008.tif"), np.zeros(1), np.zeros(1))
    assert "找不到" in caught.value.zh


def test_a_grid_that_is_no_raster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "grid.gtx").write_text("not a grid")
    with pytest.raises(TilingError, match="cannot be read"):
        geoid_height(settings(geoid_grid=tmp_path / "grid.gtx"), np.zeros(1), np.zeros(1))


def test_a_grid_in_metres_is_refused(tmp_path: Path) -> None:
    path = raster(tmp_path / "metres.tif", np.zeros((4, 4)), Affine(25, 0, 5e5, 0, -25, 2.5e6))
    with pytest.raises(TilingError, match="longitude and latitude"):
        geoid_height(settings(geoid_grid=path), np.zeros(1), np.zeros(1))


@pytest.mark.parametrize("place", [(109.0, 23.0), (113.0, 24.5), (114.2, 23.0)])
def test_a_place_off_the_grid_is_refused(plane: Path, place: tuple[float, float]) -> None:
    with pytest.raises(TilingError, match="does not cover"):
        geoid_height(settings(geoid_grid=plane), np.array([place[0]]), np.array([place[1]]))


def test_a_place_without_data_is_refused(tmp_path: Path) -> None:
    path = raster(
        tmp_path / "holes.tif", np.full((5, 5), -88.8888), Affine(1, 0, 109.5, 0, -1, 24.5)
    )
    with pytest.raises(TilingError, match="does not cover"):
        geoid_height(settings(geoid_grid=path), np.array([112.5]), np.array([22.5]))


degrees = st.tuples(st.floats(-180, 180), st.floats(-89.9, 89.9), st.floats(-500, 9000))


@given(st.lists(degrees, min_size=1, max_size=20))
def test_earth_centred_coordinates_agree_with_proj_and_lead_back(
    places: list[tuple[float, float, float]],
) -> None:
    longitude, latitude, height = np.array(places).T
    found = ecef.from_geodetic(longitude, latitude, height)
    proj = Transformer.from_crs(4979, 4978, always_xy=True)
    assert np.abs(found - np.stack(proj.transform(longitude, latitude, height), -1)).max() < 1e-6
    back = ecef.to_geodetic(found)
    assert np.abs(ecef.from_geodetic(*back) - found).max() < 1e-6


@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(-5, 5), st.floats(-5, 5))
def test_a_frame_places_points_to_the_nanometre(
    longitude: float, latitude: float, east: float, north: float
) -> None:
    frame = ecef.Frame(longitude, latitude)
    there = np.array([longitude + east]), np.array([latitude + north])
    position, up = frame.place(*there)
    matrix = np.array(frame.matrix()).reshape(4, 4).T
    found = (position + 25 * up) @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(found - ecef.from_geodetic(*there, np.array([25.0]))).max() < 1e-7


def test_a_frame_refuses_what_it_cannot_place() -> None:
    with pytest.raises(ValueError, match="too far"):
        ecef.Frame(0, 0).place(np.array([20.0]), np.array([0.0]))


def test_a_model_of_the_world_is_found_by_its_name_where_proj_has_it(
    plane: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.rename(tmp_path / "us_nga_egm08_25.tif")
    monkeypatch.setenv("PROJ_DATA", str(tmp_path))
    for name in ("egm2008", "us_nga_egm08_25.tif"):
        there = np.array([113.75]), np.array([23.02])
        assert geoid_height(settings(geoid_grid=Path(name)), *there) == pytest.approx([343.95])


def test_heights_of_other_surfaces_are_brought_to_the_citys(plane: Path, tmp_path: Path) -> None:
    there = np.array([113.75]), np.array([23.02])  # where the plane is 343.95
    city = settings(geoid_offset=-4.0)
    assert to_city(city, "1985")(*there) == 0
    assert to_city(city, "ellipsoid")(*there) == pytest.approx([4.0])
    grid = plane.rename(tmp_path / "egm96_15.gtx")
    assert to_city(settings(geoid_grid=grid), "egm96")(*there) == 0, "the city's own datum"
    other = raster(tmp_path / "own.tif", np.full((5, 5), 300.0), Affine(1, 0, 109.5, 0, -1, 24.5))
    assert to_city(settings(geoid_grid=other), "egm96")(*there) == pytest.approx([43.95])


def test_a_model_whose_grid_is_nowhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJ_DATA", str(tmp_path))
    monkeypatch.setattr("cim.crs.geoid._DEBIAN", tmp_path)
    with pytest.raises(TilingError, match=r"no geoid grid at egm2008.*proj-data") as caught:
        to_city(settings(), "egm2008")
    assert "找不到大地水准面格网" in caught.value.zh
