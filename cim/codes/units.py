"""Units of readings: does what a device says fit its stream, and how is it converted.

Units are UCUM; spellings that are often met stand for one. The library that knows them is loaded
when the first two units differ, and each pair is looked up once.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isclose, isfinite
from typing import Any, Final

SPELLINGS: Final[Mapping[str, str]] = {
    "°C": "Cel",
    "℃": "Cel",
    "degC": "Cel",
    "°F": "[degF]",
    "℉": "[degF]",
    "°": "deg",
    "ppm": "[ppm]",
    "ppb": "[ppb]",
    "‰": "[ppth]",
    "%RH": "%",
    "%rh": "%",
    "Wh": "W.h",
    "kWh": "kW.h",
    "MWh": "MW.h",
    "度": "kW.h",
    "VA": "V.A",
    "kVA": "kV.A",
    "Ah": "A.h",
    "Ω": "Ohm",
    "m²": "m2",
    "m³": "m3",
    "立方米": "m3",
    "m³/h": "m3/h",
    "L/min": "L/min",
    "μg/m³": "ug/m3",
    "µg/m³": "ug/m3",
    "mg/m³": "mg/m3",
    "m/s²": "m/s2",
    "dBm": "dB[mW]",
    "mmHg": "mm[Hg]",
    "mbar": "mbar",
    "rpm": "/min",
    "分钟": "min",
    "秒": "s",
    "小时": "h",
    "米": "m",
    "kwh": "kW.h",
    "KWH": "kW.h",
    "KWh": "kW.h",
    "kW·h": "kW.h",
    "千瓦时": "kW.h",
    "千瓦": "kW",
    "瓦": "W",
    "伏": "V",
    "安": "A",
    "摄氏度": "Cel",
    "％": "%",
    "千帕": "kPa",
    "兆帕": "MPa",
    "帕": "Pa",
    "KPa": "kPa",
    "Kpa": "kPa",
    "Mpa": "MPa",
    "㎥": "m3",
    "m^3": "m3",
    "M3": "m3",
    "方": "m3",
    "升": "L",
    "立方米/小时": "m3/h",
    "立方米/时": "m3/h",
    "㎡": "m2",
    "平方米": "m2",
    "毫米": "mm",
    "厘米": "cm",
    "千米": "km",
    "公里": "km",
    "米/秒": "m/s",
    "千克": "kg",
    "公斤": "kg",
    "吨": "t",
    "天": "d",
    "分贝": "dB",
}
"""Spelling → UCUM."""

_LONGEST: Final = 60
_LARGE: Final = re.compile(r"\d{4}")
"""Numbers that nobody's unit has: a power of that size would take for ever."""


@lru_cache(10_000)
def conversion(given: str, wanted: str) -> tuple[float, float] | None:
    """Scale and offset from one unit to another: `wanted = given * scale + offset`.

    None where one of them is no unit, where they measure different things, or where the way between
    them is no straight line (decibels and watts). Without a unit a number is taken as wanted.

    >>> conversion("W.h", "kW.h"), conversion("[degF]", "Cel")
    ((0.001, 0.0), (0.555555555556, -17.777777777778))
    >>> conversion("°C", "Cel"), conversion("", "Cel"), conversion("1", "%")
    ((1.0, 0.0), (1.0, 0.0), (100.0, 0.0))
    >>> conversion("Cel", "%"), conversion("deg", "%"), conversion("bananas", "m")
    (None, None, None)
    """
    here, there = SPELLINGS.get(given, given), SPELLINGS.get(wanted, wanted)
    # A level in dB alone is one over the usual reference, which the stream names: dB[SPL], dB[mW].
    if here in ("", there) or (here == "dB" and there.startswith("dB[")):
        return 1.0, 0.0
    try:
        first, second = _unit(here), _unit(there)
        if first.to_root_units().units != second.to_root_units().units:
            return None
        points = [_converted(first, second, number) for number in (0.0, 1.0, 2.0)]
    except Exception:  # whatever a library says of a text that is no unit: it is none
        return None
    straight = isclose(points[2] - points[1], points[1] - points[0], rel_tol=1e-9, abs_tol=1e-12)
    if not (straight and all(map(isfinite, points))):
        return None
    return _round(points[1] - points[0]), _round(points[0])


def is_unit(text: str) -> bool:
    """Whether a text is a unit of UCUM, or a spelling of one.

    >>> is_unit("kW.h"), is_unit("μg/m³"), is_unit("bananas"), is_unit("10*99999999")
    (True, True, False, False)
    """
    try:
        return _unit(SPELLINGS.get(text, text)) is not None
    except Exception:  # as in `conversion`: what is said of a text that is no unit
        return False


def _converted(first: Any, second: Any, number: float) -> float:
    registry = _registry()
    given = registry.Quantity(number * float(first.magnitude), first.units)
    return float(given.to(second.units).magnitude) / float(second.magnitude)


def _round(number: float) -> float:
    """A number without the dust of arithmetic: twelve digits behind its first, or the point."""
    return float(f"{number:.12g}") if abs(number) < 1 else round(number, 12)


@lru_cache(1)
def _registry() -> Any:
    from ucumvert import PintUcumRegistry  # noqa: PLC0415 - half a second, for who needs it

    return PintUcumRegistry()


@lru_cache(2_000)
def _unit(text: str) -> Any:
    """A unit as a quantity of one. Raises ValueError, or what the library does."""
    if len(text) > _LONGEST or _LARGE.search(text):
        raise ValueError(text)
    found = _registry().from_ucum(text)
    if not hasattr(found, "units"):  # an annotation alone, {count}, is a number of them
        return _registry().from_ucum("1")
    return found
