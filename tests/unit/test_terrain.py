"""The ground under outlines: out of planes whose heights are known, and out of bad rasters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from cim import crs
from cim.errors import CimError, SourceError
from cim.load.terrain.keeping import keep
from cim.load.terrain.looking import look
from cim.load.terrain.reading import opened
from cim.load.terrain.wish import Wish
from cim.settings import Settings
from cim.terrain.ground import Ground
from cim.terrain.layer import Layer

WEST, NORTH, CELL = 113.70, 23.10, 0.0002
PLACE = Affine(CELL, 0, WEST, 0, -CELL, NORTH)
SETTINGS = Settings(_env_file=None)
Values = np.ndarray[Any, Any]


def dem(path: Path, values: Values, transform: Affine = PLACE, **profile: Any) -> Path:
    """A raster of one band; the profile says what is unusual about it."""
    height, width = values.shape[-2:]
    what = {
        "driver": "GTiff", "dtype": values.dtype.name, "crs": "EPSG:4490",
        "count": len(values) if values.ndim > 2 else 1,
        "width": width, "height": height, "transform": transform,
    } | profile  # fmt: skip
    with rasterio.open(path, "w", **what) as file:
        file.write(values, None if values.ndim > 2 else 1)
    return path


def plane(size: int = 200) -> Values:
    """50 m in the north-west; rises a tenth of a metre a cell to the east, a fifth to the south."""
    row, column = np.mgrid[0:size, 0:size]
    return (50 + 0.1 * column + 0.2 * row).astype(np.float32)


def height(lon: Any, lat: Any) -> Any:
    return 50 + 0.1 * ((lon - WEST) / CELL - 0.5) + 0.2 * ((NORTH - lat) / CELL - 0.5)


def layer(path: Path, heights: str | None = None) -> Layer:
    with opened(path, None, heights) as raster:
        return Layer(path, raster.system, raster.heights, raster.extent.bounds)


def house(lon: float, lat: float, east: float = 1.5e-4, north: float = 1e-4) -> shapely.Polygon:
    return shapely.box(lon, lat, lon + east, lat + north)


@pytest.fixture(scope="module")
def slope(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dem(tmp_path_factory.mktemp("dem") / "plane.tif", plane())


@given(st.lists(st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.floats(1e-5, 3e-3)),
                min_size=1, max_size=20))  # fmt: skip
def test_on_a_plane_the_lowest_ground_is_that_of_the_lowest_corner(
    slope: Path, places: list[tuple[float, float, float]]
) -> None:
    side = 200 * CELL
    boxes = [house(WEST + x * side, NORTH - y * side, s, s) for x, y, s in places]
    with Ground(SETTINGS, [layer(slope)]) as ground:
        found = ground.under(np.array(boxes))
    corners = [height(*np.array(box.exterior.coords).T) for box in boxes]
    assert np.abs(found.low - [c.min() for c in corners]).max() < 0.011
    assert np.abs(found.high - [c.max() for c in corners]).max() < 0.011


def test_a_hill_within_an_outline_is_its_highest_ground(tmp_path: Path) -> None:
    values = np.full((40, 40), 10, np.float32)
    values[20, 20] = 90
    values[22, 24] = -3
    path = dem(tmp_path / "hill.tif", values)
    with Ground(SETTINGS, [layer(path)]) as ground:
        found = ground.under(np.array([house(WEST + 10 * CELL, NORTH - 30 * CELL, 4e-3, 4e-3)]))
    assert (found.low[0], found.high[0]) == (-3.0, 90.0)


def test_a_raster_in_metres_or_turned_tells_the_same_ground(slope: Path, tmp_path: Path) -> None:
    x, y = crs.from_4490(np.array([WEST + 0.002]), np.array([NORTH - 0.002]), "EPSG:4547")
    turned = Affine.translation(x[0], y[0]) @ Affine.rotation(30) @ Affine.scale(5, -5)
    column, row = np.meshgrid(np.arange(300) + 0.5, np.arange(300) + 0.5)
    east, north = turned @ (column, row)
    lon, lat = crs.to_4490(east.ravel(), north.ravel(), "EPSG:4547")
    values = height(lon, lat).reshape(300, 300).astype(np.float32)
    path = dem(tmp_path / "turned.tif", values, turned, crs="EPSG:4547")
    middle = crs.to_4490(*(np.array([v]) for v in turned @ (150, 150)), "EPSG:4547")
    box = np.array([house(float(middle[0][0]), float(middle[1][0]))])
    with Ground(SETTINGS, [layer(path)]) as ground, Ground(SETTINGS, [layer(slope)]) as straight:
        assert ground.under(box).low == pytest.approx(straight.under(box).low, abs=0.02)
        assert ground.under(box).high == pytest.approx(straight.under(box).high, abs=0.02)


def test_of_rasters_that_overlap_the_first_counts_and_its_holes_show_the_next(
    slope: Path, tmp_path: Path
) -> None:
    above = np.full((200, 200), 300, np.float32)
    above[:, :50] = -9999
    path = dem(tmp_path / "above.tif", above, nodata=-9999)
    places = np.array([WEST + 10 * CELL, WEST + 100 * CELL]), np.full(2, NORTH - 100 * CELL)
    with Ground(SETTINGS, [layer(path), layer(slope)]) as ground:
        found = ground.heights(*places)
        under = ground.under(np.array([house(WEST + 48 * CELL, NORTH - 100 * CELL, 4 * CELL)]))
    assert found[0] == pytest.approx(height(places[0][0], places[1][0]), abs=0.01)
    assert found[1] == 300
    assert under.low[0] < 75 < under.high[0] == 300, "an outline across both knows both"


def test_ground_is_known_where_half_of_the_outline_has_some(tmp_path: Path) -> None:
    values = plane(60)
    values[:, 30:] = np.nan
    path = dem(tmp_path / "half.tif", values)
    edge = WEST + 30 * CELL
    boxes = [
        house(edge - 9e-4, NORTH - 30 * CELL, 1e-3),
        house(edge - 1e-4, NORTH - 30 * CELL, 1e-3),
    ]
    boxes.append(house(WEST + 1, NORTH))
    with Ground(SETTINGS, [layer(path)]) as ground:
        found = ground.under(np.array(boxes))
    assert np.isfinite(found.low).tolist() == [True, False, False]
    assert np.isfinite(found.high).tolist() == [True, False, False]


def test_a_raster_of_one_cell_is_a_plateau(tmp_path: Path) -> None:
    path = dem(tmp_path / "one.tif", np.array([[7]], np.int16))
    with Ground(SETTINGS, [layer(path)]) as ground:
        assert ground.heights(np.array([WEST + CELL / 3]), np.array([NORTH - CELL / 4])) == [7]
        assert np.isnan(ground.heights(np.array([WEST + 2 * CELL]), np.array([NORTH]))).all()


def test_heights_above_the_ellipsoid_come_down_to_the_citys(slope: Path) -> None:
    city = SETTINGS.model_copy(update={"geoid_offset": -4.0})
    there = np.array([WEST + 0.01]), np.array([NORTH - 0.01])
    with Ground(city, [layer(slope, "ellipsoid")]) as ground, Ground(city, [layer(slope)]) as own:
        assert ground.heights(*there) == pytest.approx(own.heights(*there) + 4)


def picture(folder: Path) -> Path:
    return dem(folder / "picture.tif", np.zeros((3, 9, 9), np.uint8))


def cut(folder: Path) -> Path:
    path = dem(folder / "cut.tif", np.random.default_rng(1).random((600, 600)).astype("float32"))
    path.write_bytes(path.read_bytes()[:400_000])
    return path


def in_feet(folder: Path) -> Path:
    path = dem(folder / "feet.tif", plane(9))
    with rasterio.open(path, "r+") as file:
        file.units = ("ft",)
    return path


def text_grid(folder: Path) -> Path:
    path = folder / "grid.asc"
    path.write_text("ncols 2\nnrows 2\nxllcorner 400000\nyllcorner 2500000\ncellsize 5\n1 2\n3 4\n")
    return path


def virtual(folder: Path) -> Path:
    path = folder / "elsewhere.tif"
    path.write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="0">/etc/passwd</SourceFilename>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def words(folder: Path) -> Path:
    path = folder / "words.tif"
    path.write_text("no raster at all")
    return path


BAD: list[tuple[Callable[[Path], Path], str, str]] = [
    (lambda f: dem(f / "a.tif", plane(9), Affine.identity()), "not georeferenced", "参考"),
    (text_grid, "does not say its coordinate system; say it with --crs", "未注明坐标系"),
    (lambda f: dem(f / "b.tif", plane(9), Affine(5, 0, 4e5, 0, -5, 2.5e6)), "lie nowhere", "超出"),
    (picture, "3 bands: a picture", "图像"),
    (cut, "damaged or cut off", "不完整"),
    (in_feet, "in feet", "英尺"),
    (lambda f: dem(f / "c.tif", plane(9), crs="EPSG:2263+6360"), "in feet", "英尺"),
    (lambda f: dem(f / "d.tif", np.full((4, 4), 65_000, np.uint16)), "no ground is", "不存在"),
    (lambda f: dem(f / "e.tif", np.full((4, 4), -32768, np.int16)), "no height in any", "均无"),
    (lambda f: dem(f / "g.tif", np.zeros((2, 9, 9), np.float32)), "2 bands: a picture", "波段"),
    (lambda f: dem(f / "h.tif", np.zeros((9, 9), np.complex64)), "complex64, which are no", "像元"),
    (virtual, "cannot be read as a raster", "可读格式"),
    (words, "cannot be read as a raster", "无法"),
    (lambda f: f / "absent.tif", "no such file", "没有这个文件"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "en", "zh"), BAD, ids=[en for _, en, _ in BAD])
@pytest.mark.filterwarnings("ignore:The given matrix")
def test_what_is_no_raster_of_heights_is_refused_by_a_sentence(
    make: Callable[[Path], Path], en: str, zh: str, tmp_path: Path
) -> None:
    with pytest.raises(CimError) as caught:
        look(make(tmp_path), Wish())
    assert en in str(caught.value)
    assert zh in caught.value.zh


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_cells_of_any_kind_of_number_are_heights(tmp_path: Path, kind: str) -> None:
    values = np.full((40, 40), 200, kind)
    values[:, 20:] = 100
    found = layer(dem(tmp_path / "kind.tif", values))
    with Ground(SETTINGS, [found]) as ground:
        low = ground.under(np.array([house(WEST + 5 * CELL, NORTH - 9 * CELL)])).low
    assert low.tolist() == [200.0]


def test_numbers_that_a_file_scales_are_scaled(tmp_path: Path) -> None:
    path = dem(tmp_path / "scaled.tif", np.full((9, 9), 1234, np.int16))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1,), (1000.0,)
    with opened(path) as raster:
        kept = keep(raster, tmp_path / "kept", lambda done: None)
    assert (kept.least, kept.most) == pytest.approx((1123.4, 1123.4))


def test_not_a_number_is_a_hole_though_the_file_does_not_say_so(tmp_path: Path) -> None:
    values = plane(30)
    values[3:5, 3:5] = np.nan
    said = " ".join(en for en, _ in look(dem(tmp_path / "nan.tif", values), Wish()).notes)
    assert "4 cells (0.4%) have no height" in said


def test_whoever_may_be_asked_is_asked_for_the_coordinate_system(tmp_path: Path) -> None:
    found = look(text_grid(tmp_path), Wish(), ask=True)
    assert (found.kind, found.crs, found.extent) == ("terrain", None, None)
    assert "未注明坐标系" in found.notes[0][1]
    assert found.crs_proposals[0].code.startswith("EPSG:")
    assert look(text_grid(tmp_path), Wish(crs="EPSG:4547"), ask=True).extent is not None


def test_an_undeclared_void_is_a_hole_and_that_is_told(tmp_path: Path) -> None:
    values = np.full((30, 30), 12, np.int16)
    values[4:6, 4:6] = -32768
    found = look(dem(tmp_path / "void.tif", values), Wish())
    said = " ".join(en for en, _ in found.notes)
    assert "4 cells (0.4%) have no height" in said
    assert "4 cells hold a number that commonly stands for no height" in said
    assert "12 to 12 m" in said


def test_what_is_kept_is_the_same_cells_in_a_cloud_optimised_file(tmp_path: Path) -> None:
    values = plane(700)
    values[3:9, 600:] = np.nan
    scaled = dem(tmp_path / "scaled.tif", values)
    with opened(scaled) as raster:
        kept = keep(raster, tmp_path / "kept", lambda done: None)
        again = keep(raster, tmp_path / "kept", lambda done: None)
    assert kept == again
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [f"{kept.digest}.tif"]
    assert kept.file is not None
    with rasterio.open(kept.file) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.array_equal(file.read(1, masked=True).filled(np.nan), values, equal_nan=True)
        assert file.transform.almost_equals(PLACE)


def test_an_archive_of_two_rasters_names_them(tmp_path: Path) -> None:
    import zipfile  # noqa: PLC0415 - of this test alone

    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name in ("a.tif", "b.tif"):
            archive.write(dem(tmp_path / name, plane(4)), name)
    with pytest.raises(SourceError, match=r"holds 2 rasters.*a\.tif, b\.tif"):
        look(tmp_path / "two.zip", Wish())
