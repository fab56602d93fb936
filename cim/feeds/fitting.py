"""A reading held against its stream: what is stored of it, or why it cannot be.

Pure; the fates are those of docs/reference/feeds.md.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cim.feeds.reading import OUT_OF_RANGE, Fault, Reading

MOST: Final = 1.7976931348623157e308
"""The largest number there is: what is above it is infinite."""

AHEAD: Final = 5 * 60 * 1_000_000
"""Microseconds by which a device's clock may be ahead of ours."""

DAY: Final = 86_400 * 1_000_000

EARLIEST: Final = 946_684_800_000_000
"""Microseconds until the year 2000: no reading is older, however it comes."""

LONGEST: Final = 4_000
"""Characters of a text that are kept of one reading."""

TRUE: Final = frozenset(("1", "true", "on", "yes", "open", "开", "是", "有"))
FALSE: Final = frozenset(("0", "false", "off", "no", "closed", "关", "否", "无"))
"""Words for a truth."""

Convert = Callable[[str, str], tuple[float, float] | None]
"""From a unit to another: factor and offset; None where they do not measure the same."""


@dataclass(frozen=True)
class Shape:
    """What streams have in common that are fitted alike."""

    result_type: str = "number"
    unit: str | None = None
    low: float = -MOST
    high: float = MOST
    days: int = 90
    """Days that raw readings are kept."""

    ruled: bool = False
    """An alarm rule watches them."""

    given: str | None = None
    """The unit that the feed's map says their numbers come in."""

    scale: float = 1.0
    offset: float = 0.0
    texts: tuple[tuple[str, Any], ...] = ()
    """Values as they come and as they are meant, by the feed's map."""

    plain: bool = field(init=False, default=False)
    """A number is stored as it comes."""

    def __post_init__(self) -> None:
        """Say whether there is nothing to do."""
        plain = (
            self.result_type == "number"
            and (self.scale, self.offset, self.given) == (1.0, 0.0, None)
            and not self.texts
        )
        object.__setattr__(self, "plain", plain)


Fitted = tuple[float | None, str | None, int]
"""Number, text, quality as they are stored."""


def fit(shape: Shape, reading: Reading, convert: Convert) -> Fitted | Fault:
    """What is stored of a reading, or its fault.

    >>> meter = Shape(unit="kW.h", low=0)
    >>> fit(meter, Reading("m", "energy", value=12.5), dict().get)
    (12.5, None, 0)
    >>> fit(meter, Reading("m", "energy", value=-1), dict().get), fit(
    ...     meter, Reading("m", "energy", text="12.5"), dict().get)
    ((-1.0, None, 4), (12.5, None, 0))
    >>> fit(meter, Reading("m", "energy", text="much"), dict().get).reason
    'not_a_number'
    """
    value, text = reading.value, reading.text
    if shape.texts:
        value, text = _translated(shape.texts, value, text)
    if shape.result_type in ("number", "boolean"):
        number = _number(shape, value, text)
        if isinstance(number, Fault):
            return number
        return _measured(shape, reading, number, convert)
    return _texted(reading, value, text)


def _texted(reading: Reading, value: float | None, text: str | None) -> Fitted | Fault:
    """A text or code; a number is one as it is written."""
    if text is None:
        if value is None or not math.isfinite(value):
            return Fault("not_a_value" if value is None else "not_finite")
        text = f"{value:.15g}"
    if len(text) > LONGEST:
        return Fault("too_large", f"{len(text)} characters; at most {LONGEST}")
    if "\x00" in text:
        return Fault("not_a_value", "a text with a zero byte")
    return None, text, reading.quality


def _translated(
    texts: tuple[tuple[str, Any], ...], value: float | None, text: str | None
) -> tuple[float | None, str | None]:
    """A value as the feed's map means it; as it came where the map does not know it."""
    came = text if text is not None else f"{value:.15g}" if value is not None else ""
    for given, meant in texts:
        if given == came:
            if isinstance(meant, int | float):
                return float(meant), None
            return None, str(meant)
    return value, text


def _number(shape: Shape, value: float | None, text: str | None) -> float | Fault:
    """The number that was sent, or that the text says."""
    if value is None:
        if text is None:
            return Fault("not_a_value")
        word = text.strip().casefold()
        if shape.result_type == "boolean" and word in TRUE | FALSE:
            return 1.0 if word in TRUE else 0.0
        try:
            value = float(word) if len(word) <= 40 and "_" not in word else None
        except ValueError:
            value = None
        if value is None:
            return Fault("not_a_number", text[:80])
    if not math.isfinite(value):
        return Fault("not_finite", str(value))
    if shape.result_type == "boolean" and value not in (0.0, 1.0):
        return Fault("not_a_value", f"{value:g} is no truth")
    return float(value)


def _measured(shape: Shape, reading: Reading, number: float, convert: Convert) -> Fitted | Fault:
    """Scaled as the map says, in the unit of the stream, and weighed against what can be true."""
    number = number * shape.scale + shape.offset
    given = reading.unit or shape.given
    if given and shape.unit and given != shape.unit:
        factor = convert(given, shape.unit)
        if factor is None:
            return Fault("wrong_unit", f"{given[:40]}; the stream is in {shape.unit}")
        number = number * factor[0] + factor[1]
    if not math.isfinite(number):
        return Fault("not_finite", "once converted")
    good = shape.low <= number <= shape.high
    return number, None, reading.quality if good else OUT_OF_RANGE


def timely(at: int, now: int, days: int | None) -> Fault | None:
    """The fault of a time that is ahead of our clock or older than is kept (None: any age).

    >>> now = 1_800_000_000_000_000
    >>> timely(now + 60_000_000, now, 90), timely(now + 301_000_000, now, 90).reason
    (None, 'ahead')
    >>> timely(now - 91 * DAY, now, 90).reason, timely(now - 91 * DAY, now, None)
    ('too_old', None)
    """
    if at > now + AHEAD:
        return Fault("ahead", f"by {(at - now) // 1_000_000} s")
    if at < (EARLIEST if days is None else now - days * DAY) or at < EARLIEST:
        return Fault("too_old", f"by {(now - at) // DAY} days")
    return None


def limits(low: float | None, high: float | None) -> Mapping[str, float]:
    """Limits as a shape has them.

    >>> limits(None, 5)["high"], limits(None, None)["low"] == -MOST
    (5, True)
    """
    return {"low": -MOST if low is None else low, "high": MOST if high is None else high}
