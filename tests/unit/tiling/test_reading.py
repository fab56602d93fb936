"""Tiles that others made are read back as they were meant: few bytes, old formats, odd places."""

import gzip
import json
from collections.abc import Callable

import meshopt
import numpy as np
import pytest

from tests.blocks import Document, b3dm, block, compressed, packed, plain, quantized
from tiling.check.content import Content
from tiling.check.reading import Malformed, Unjudged, parse_content
from tiling.check.rules import RULES

WAYS: dict[str, Callable[[], tuple[Document, list[bytes]]]] = {
    "floats": plain,
    "quantized": quantized,
    "compressed": compressed,
}


def somewhere(content: bytes) -> Content:
    """A content whose frame is that of the Earth at longitude 0, latitude 0."""
    matrix = np.array([[0, 0, 1, 6378137], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    return Content(parse_content(content), matrix, (), ours=False)


def faults(content: Content) -> set[str]:
    return {rule for rule, findings in RULES for _ in findings(content)}


@pytest.mark.parametrize("way", WAYS)
def test_a_block_stands_where_it_was_put_however_it_is_stored(way: str) -> None:
    content = somewhere(packed(WAYS[way]()))
    positions, _, _ = block()
    up = positions[:, [1, 0, 2]] * [1, 1, -1] + [6378137, 0, 0]
    order = np.lexsort(content.positions.T.round(3)), np.lexsort(up.T.round(3))
    assert np.abs(content.positions[order[0]] - up[order[1]]).max() < 1e-3
    assert np.abs(np.linalg.norm(content.normals, axis=1) - 1).max() < 1e-6
    assert content.places.geodetic[2].max() == pytest.approx(30, abs=1e-3)
    assert set(content.feature_ids.tolist()) == {0}
    assert content.glb.column("id").tolist() == [7]
    assert faults(content) == set()


def test_a_compressed_tile_is_as_sound_as_it_says() -> None:
    document, pieces = compressed()
    assert faults(somewhere(packed((document, pieces)))) == set()
    document["extensionsRequired"].remove("KHR_mesh_quantization")
    assert faults(somewhere(packed((document, pieces)))) == {"17"}
    document, pieces = compressed()
    document["extensionsRequired"].remove("EXT_meshopt_compression")
    assert faults(somewhere(packed((document, pieces)))) == {"18"}


def test_floats_behind_an_exponential_filter_come_back() -> None:
    document, pieces = plain()
    values = np.frombuffer(pieces[1], "<f4").reshape(-1, 3)
    pieces[1] = meshopt.encode_gltf_buffer(meshopt.encode_filter_exp(values, 15), "ATTRIBUTES")
    document["bufferViews"][1] = {
        "buffer": 1,
        "byteLength": 288,
        "extensions": {
            "EXT_meshopt_compression": {
                "buffer": 0,
                "byteLength": len(pieces[1]),
                "byteStride": 12,
                "count": 24,
                "mode": "ATTRIBUTES",
                "filter": "EXPONENTIAL",
            }
        },
    }
    document["buffers"] = [{}, {"byteLength": 288}]
    glb = parse_content(packed((document, pieces)))
    assert np.array_equal(glb.accessor(1), values)


def test_a_compressed_view_cut_short_is_refused() -> None:
    document, pieces = compressed()
    pieces[1] = pieces[1][:-9]
    document["bufferViews"][1]["extensions"]["EXT_meshopt_compression"]["byteLength"] -= 9
    glb = parse_content(packed((document, pieces)))
    with pytest.raises(Malformed, match="view 1 cannot be unpacked"):
        glb.accessor(1)


def test_a_normal_keeps_upright_on_a_stretched_node() -> None:
    document, pieces = plain()
    document["nodes"][0]["scale"] = [1, 4, 1]
    tilted = np.tile(np.array([0.6, 0.8, 0.0], "<f4"), (24, 1))
    pieces[2] = tilted.tobytes()
    found = somewhere(packed((document, pieces))).parts[0].normals
    assert found is not None
    assert found[0] == pytest.approx(np.array([0.6, 0.2, 0]) / np.hypot(0.6, 0.2))


def test_a_tile_of_3d_tiles_1_0_is_moved_by_its_centre() -> None:
    glb = packed(plain())
    glb += bytes(-len(glb) % 8)
    content = somewhere(b3dm(glb, {"BATCH_LENGTH": 0, "RTC_CENTER": [100.0, 200.0, 50.0]}))
    assert content.positions.mean(0) == pytest.approx([6378137 + 50 + 15, 100, 200])


def test_gltf_in_json_with_its_buffer_beside_or_within() -> None:
    document, pieces = plain()
    packed((document, pieces))  # which sets the offsets
    data = b"".join(piece + bytes(-len(piece) % 8) for piece in pieces)
    document["buffers"][0]["uri"] = "block.bin"
    beside = parse_content(json.dumps(document).encode(), {"block.bin": data}.__getitem__)
    assert beside.column("id").tolist() == [7]
    with pytest.raises(Unjudged, match="in a file of its own"):
        parse_content(json.dumps(document).encode()).column("id")


def test_a_gzip_file_is_read_as_what_it_holds() -> None:
    assert parse_content(gzip.compress(packed(plain()))).column("id").tolist() == [7]
    with pytest.raises(Malformed, match="no gzip file"):
        parse_content(gzip.compress(packed(plain()))[:-20])


@pytest.mark.parametrize("magic", [b"pnts", b"i3dm", b"cmpt"])
def test_formats_that_are_not_read_say_so(magic: bytes) -> None:
    with pytest.raises(Unjudged, match=magic.decode()):
        parse_content(magic + bytes(24))
    document, pieces = plain()
    document["extensionsUsed"].append("KHR_draco_mesh_compression")
    with pytest.raises(Unjudged, match="Draco"):
        _ = somewhere(packed((document, pieces))).parts


def rounded(document: Document, pieces: list[bytes]) -> None:
    """Normals as of a ball: at each corner those of its three faces together."""
    positions, _, _ = block()
    away = positions - positions.mean(axis=0)
    away = np.sign(away) / np.sqrt(3)
    pieces[2] = away.astype("<f4").tobytes()


def test_a_block_that_is_shaded_as_round_is_sound_and_inside_out_it_is_not() -> None:
    document, pieces = plain()
    rounded(document, pieces)
    assert faults(somewhere(packed((document, pieces)))) == set()
    triangles = np.frombuffer(pieces[0], "<u2").reshape(-1, 3)
    pieces[0] = np.ascontiguousarray(triangles[:, ::-1]).tobytes()
    assert faults(somewhere(packed((document, pieces)))) == {"15"}
