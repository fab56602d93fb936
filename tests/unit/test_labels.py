"""Texts of which there are few: each row gets its own back, whatever their lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cim.model.buildings import building
from cim.store.copy import labels as module
from cim.store.copy.labels import Labels, labels
from cim.store.queries.tiles.members import in_runs
from cim.store.queries.tiles.rows import NO_YEAR
from tiling.city.layers import BUILDINGS
from tiling.formats.metadata import Property, encode

TEXTS = st.lists(st.none() | st.text(max_size=30), max_size=40)


def column(texts: list[str | None]) -> Labels:
    """The column as it comes out of a buffer."""
    found = [b"" if text is None else text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in found], dtype=np.int64)
    starts = ends - [len(text) for text in found]
    missing = np.array([text is None for text in texts], bool)
    data = np.frombuffer(b"".join(found), np.uint8)
    return labels(data, starts, np.where(missing, starts - 1, ends))


@given(TEXTS)
def test_every_row_has_its_text(texts: list[str | None]) -> None:
    found = column(texts)
    assert list(found) == texts
    assert len(found.texts) == len(set(texts))


@given(TEXTS)
def test_texts_of_one_sum_are_kept_apart(texts: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ODD", np.uint64(0))  # the last word alone counts
        assert list(column(texts)) == texts


@given(TEXTS)
def test_labels_are_encoded_as_the_texts_they_are(texts: list[str | None]) -> None:
    item = Property("use", "", "", "ENUM", enum="use")
    codes = ("a", "b", "residential")
    texts = [*texts, "residential", "a"]
    assert encode(item, column(texts), codes) == encode(item, texts, codes)


def test_a_year_that_is_not_known_is_the_one_that_tiles_say_so_with() -> None:
    (year,) = (item for item in BUILDINGS.properties if item.id == "year")
    assert year.no_data == NO_YEAR


@given(st.sets(st.integers(-20, 60), max_size=30))
def test_runs_of_ids_hold_these_ids_and_no_others(ids: set[int]) -> None:
    text = str(select(building.c.id).where(in_runs(building.c.id, [*ids])))
    first, last = (
        [int(number) for number in part.split("}")[0].split(",") if number]
        for part in text.split("'{")[1:]
    )
    held = [one for low, high in zip(first, last, strict=True) for one in range(low, high + 1)]
    assert held == sorted(ids)
    assert all(high + 1 < low for high, low in zip(last, first[1:], strict=False))
