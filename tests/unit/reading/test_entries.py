"""Entries of a GeoJSON list that are no features: GDAL passes over them, we say so."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.load import readers
from cim.load.readers import entries

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\,[]{}:号'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\['), inner, max_size=3)
    ),
    max_leaves=8,
)


def written(path: Path, listed: list[Any], **beside: Any) -> Path:
    content = {"type": "FeatureCollection", **beside, "features": listed, "after": [1, 2]}
    path.write_text(json.dumps(content), "utf-8")
    return path


def house(number: int) -> dict[str, Any]:
    corner = 113.75 + number * 0.001
    ring = [[corner, 23.0], [corner + 0.0002, 23.0], [corner, 23.0002], [corner, 23.0]]
    return {
        "type": "Feature",
        "properties": {"编号": f"A{number}"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def test_entries_that_are_no_features_are_counted_and_their_places_told(tmp_path: Path) -> None:
    bare = house(9)["geometry"]
    path = written(tmp_path / "a.geojson", [house(1), bare, house(2), None, "x", house(3)])
    source = readers.read(path)
    assert sum(len(batch) for batch in source.batches) == 3
    ((en, zh),) = source.notes
    assert en.startswith("3 entries") and en.endswith("2, 4, 5")
    assert "3 项" in zh and zh.endswith("2, 4, 5")


def test_nothing_is_said_of_a_list_of_features(tmp_path: Path) -> None:
    path = written(tmp_path / "a.geojson", [house(1), house(2)], bbox=[1, 2, 3, 4])
    assert readers.read(path).notes == []


@given(listed=st.lists(ANYTHING, max_size=6), beside=ANYTHING, piece=st.integers(40, 400))
def test_entries_are_counted_whatever_they_are(
    tmp_path_factory: pytest.TempPathFactory, listed: list[Any], beside: Any, piece: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.geojson"
    path.write_text(json.dumps({"features": listed, "beside": beside}), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "_PIECE", piece)
        assert entries.count(path) == len(listed)


def test_the_list_is_found_behind_what_only_looks_like_it(tmp_path: Path) -> None:
    beside = {"crs": {"features": [1, 2]}, "name": '"features": [', "bbox": [1, 2, 3, 4]}
    assert entries.count(written(tmp_path / "a.geojson", [house(1), None], **beside)) == 2
    (tmp_path / "b.geojson").write_text('{"features": {}}')
    assert entries.count(tmp_path / "b.geojson") is None
