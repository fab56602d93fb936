"""Property tables: what goes in comes out, and what does not fit is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.errors import TilingError
from tiling.formats.metadata import Property, decode, encode

YEAR = Property("year", "", "", "INT16", no_data=-32768)


@given(st.lists(st.none() | st.integers(-9999, 9999)))
def test_numbers_and_gaps_come_back(years: list[int | None]) -> None:
    found = decode(
        {"type": "SCALAR", "componentType": "INT16"}, encode(YEAR, years), len(years)
    ).tolist()
    assert [None if year == YEAR.no_data else year for year in found] == years


@given(st.lists(st.booleans()))
def test_flags_come_back(flags: list[bool]) -> None:
    stored = encode(Property("generated", "", "", "UINT8"), flags)
    assert len(stored) == len(flags)
    found = decode({"type": "SCALAR", "componentType": "UINT8"}, stored, len(flags))
    assert found.tolist() == [int(flag) for flag in flags]


@given(st.lists(st.booleans()))
def test_flags_of_other_tilesets_are_bits(flags: list[bool]) -> None:
    bits = np.packbits(np.array(flags, bool), bitorder="little").tobytes()
    assert decode({"type": "BOOLEAN"}, bits, len(flags)).astype(bool).tolist() == flags


@pytest.mark.parametrize(("component", "value"), [("UINT32", 2**32), ("UINT16", -1)])
def test_a_number_that_does_not_fit_is_refused_not_wrapped(component: str, value: int) -> None:
    with pytest.raises(TilingError, match=f"id does not fit into {component}"):
        encode(Property("id", "", "", component), [1, value])
