"""Units that fit, units that are converted, and texts that are no units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.codes.units import SPELLINGS, conversion, is_unit
from cim.feeds.decoders import unit_codes

OUTSIDE_UCUM = {"[pH]", "dB[mW]"}
"""What UCUM, or the library, has no unit for: they fit themselves alone."""


@pytest.mark.parametrize(
    ("given_", "wanted", "number", "becomes"),
    [
        ("W.h", "kW.h", 1500, 1.5),
        ("kWh", "kW.h", 3, 3),
        ("J", "kW.h", 3.6e6, 1),
        ("L", "m3", 250, 0.25),
        ("m3/h", "L/min", 6, 100),
        ("kPa", "MPa", 400, 0.4),
        ("bar", "kPa", 2, 200),
        ("[degF]", "Cel", 212, 100),
        ("Cel", "[degF]", 100, 212),
        ("K", "Cel", 273.15, 0),
        ("℃", "Cel", 20, 20),
        ("%", "1", 50, 0.5),
        ("1", "[ppm]", 0.0004, 400),
        ("ug/m3", "mg/m3", 35, 0.035),
        ("km/h", "m/s", 36, 10),
        ("deg", "rad", 180, 3.14159265359),
        ("bit", "By", 8, 1),
        ("{count}", "1", 3, 3),
        ("", "m", 3, 3),
        ("pH", "pH", 7, 7),
        ("dB", "dB[SPL]", 60, 60),
    ],
)
def test_a_unit_of_the_same_kind_is_converted(
    given_: str, wanted: str, number: float, becomes: float
) -> None:
    found = conversion(given_, wanted)
    assert found is not None
    scale, offset = found
    assert number * scale + offset == pytest.approx(becomes, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("Cel", "%"),
        ("deg", "%"),
        ("By", "1"),
        ("dB", "1"),
        ("dB[W]", "W"),
        ("kW", "kW.h"),
        ("m2", "m3"),
        ("bananas", "m"),
        ("m", "bananas"),
        ("10*99999999", "1"),
        ("m" * 100, "m"),
        ("(((((", "m"),
        ("\x00", "m"),
    ],
)
def test_what_measures_something_else_or_is_no_unit_does_not_fit(given_: str, wanted: str) -> None:
    assert conversion(given_, wanted) is None


def test_the_units_of_other_standards_are_units_of_ours() -> None:
    known = {*unit_codes.SENML.values(), *unit_codes.COMMON.values(), *SPELLINGS.values()}
    assert {unit for unit in known if not is_unit(unit)} <= OUTSIDE_UCUM


@given(st.text(max_size=20), st.sampled_from(["m", "Cel", "%", "kW.h"]))
def test_no_text_raises(text: str, wanted: str) -> None:
    found = conversion(text, wanted)
    assert found is None or len(found) == 2
