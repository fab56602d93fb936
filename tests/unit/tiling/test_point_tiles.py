"""Legacy point tiles of any maker: what is wrong with one is found."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cim.crs.ecef import Frame, from_geodetic
from tiling.check.points import parse_points
from tiling.check.tileset import Report, check

PLACES = np.array([[0, 0, 0], [4, 3, 2], [-4, -3, 9]], "<f4")
Table = dict[str, Any]


def pnts(table: Table, body: bytes) -> bytes:
    """A point tile, padded as it is to be."""
    head = json.dumps(table).encode()
    head += b" " * (-(28 + len(head)) % 8)
    body += bytes(-len(body) % 8)
    whole = 28 + len(head) + len(body)
    return b"pnts" + struct.pack("<6I", 1, whole, len(head), len(body), 0, 0) + head + body


def plain(places: np.ndarray[Any, Any] = PLACES, **more: Any) -> bytes:
    table = {"POINTS_LENGTH": len(places), "POSITION": {"byteOffset": 0}} | more
    return pnts(table, places.tobytes())


def write(folder: Path, content: bytes, half: tuple[float, float, float] = (5, 5, 5)) -> Path:
    """A tileset of one point tile in a box about 4 m above a place."""
    axes = [half[0], 0, 0, 0, half[1], 0, 0, 0, half[2]]
    tile = {"boundingVolume": {"box": [0, 0, 4, *axes]}, "geometricError": 0}
    root = {
        "transform": Frame(113.75, 23.02).matrix(),
        "boundingVolume": {"box": [0, 0, 4, 6, 0, 0, 0, 6, 0, 0, 0, 6]},
        "geometricError": 10,
        "refine": "ADD",
        "children": [tile | {"content": {"uri": "a.pnts"}}],
    }
    document = {"asset": {"version": "1.0"}, "geometricError": 20, "root": root}
    (folder / "tileset.json").write_text(json.dumps(document))
    (folder / "a.pnts").write_bytes(content)
    return folder


def rules(report: Report) -> set[str]:
    return {fault.rule for fault in report.faults}


def test_sound_point_tiles_have_no_fault(tmp_path: Path) -> None:
    assert check(write(tmp_path, plain())).faults == []
    quantized = {
        "POINTS_LENGTH": 2,
        "POSITION_QUANTIZED": {"byteOffset": 0},
        "QUANTIZED_VOLUME_OFFSET": [-4, -4, 0],
        "QUANTIZED_VOLUME_SCALE": [8, 8, 8],
        "RTC_CENTER": [0.5, 0, 0],
    }
    content = pnts(quantized, np.array([[0, 0, 0], [65_535] * 3], "<u2").tobytes())
    assert parse_points(content).positions.tolist() == [[-3.5, -4, 0], [4.5, 4, 8]]
    report = check(write(tmp_path, content))
    assert report.faults == [] and not report.unjudged


def far() -> bytes:
    centre = from_geodetic(np.array([113.75]), np.array([23.02]), np.array([0.0]))
    return plain((PLACES + centre).astype("<f4"))


FAULTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a point outside its tile": (lambda: plain(PLACES * np.float32(1.3)), "5"),
    "a point that is no place": (lambda: plain(PLACES / np.float32(0.0)), "5"),
    "earth-centred metres in float32": (far, "14"),
    "a file that is cut off": (lambda: plain()[:-8], "24"),
    "more points than there are": (lambda: plain(POINTS_LENGTH=9), "24"),
    "points without positions": (lambda: pnts({"POINTS_LENGTH": 1}, b""), "24"),
    "a table that is none": (lambda: plain().replace(b'{"POINTS', b'["POINTS'), "24"),
    "colours that lead out of the table": (lambda: plain(RGB={"byteOffset": 34}), "24"),
    "another version": (lambda: plain().replace(struct.pack("<I", 1), b"\2\0\0\0", 1), "24"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_fault_in_a_point_tile_is_found(name: str, tmp_path: Path) -> None:
    content, rule = FAULTS[name]
    assert rule in rules(check(write(tmp_path, content())))


def test_a_point_outside_the_tile_above_is_found(tmp_path: Path) -> None:
    report = check(write(tmp_path, plain(PLACES * np.float32(1.8)), half=(50, 50, 50)))
    assert {fault.en for fault in report.faults} >= {"2 points outside the volume of a tile above"}


def test_packed_points_are_not_judged(tmp_path: Path) -> None:
    draco = {"3DTILES_draco_point_compression": {"byteOffset": 0, "byteLength": 8}}
    report = check(write(tmp_path, plain(extensions=draco)))
    assert report.faults == [] and list(report.unjudged) == [("Draco compression", "Draco 压缩")]
