"""What comes too often: a device that floods, and dead letters that are all alike."""

import time
from collections.abc import Callable
from typing import Final

WINDOW: Final = 10.0
"""Seconds over which a device's messages are counted."""

RATE: Final = 100.0
"""Readings a second that one device may send over a window."""

CATCHING_UP: Final = 10
"""Times that rate may come in at one time: what waited, at its device or while the store was away,
is measured at so many times as it was."""

LETTERS: Final = 20_000
"""Dead letters of one feed and reason that are kept at once …"""

LETTER_RATE: Final = 2.0
"""… and so many more each second; what is beyond is counted, not kept."""

BYTES: Final = 256 << 20
"""Bytes of payloads of one feed that are kept as dead letters at once …"""

BYTE_RATE: Final = 16 << 10
"""… and so many more each second; of letters beyond, all but the payload is kept."""

_WINDOW: Final = int(WINDOW * 1_000_000)


class Throttle:
    """Counts by device and by reason; bounded, as it begins anew with each window."""

    def __init__(self, rate: float = RATE, clock: Callable[[], float] = time.monotonic) -> None:
        """At most `rate` readings a second from one device; 0 is any number."""
        self._most = rate * WINDOW
        self._clock = clock
        self._began = clock()
        self._counts: dict[tuple[int, str | None, str, int], int] = {}
        self._kept: dict[tuple[int, str], tuple[float, float]] = {}
        self._untold: dict[tuple[int, str], int] = {}
        self._bytes: dict[int, tuple[float, float]] = {}

    def tick(self) -> None:
        """Begin a new window where the last is over: called once a batch."""
        if self._clock() - self._began >= WINDOW:
            self._began = self._clock()
            self._counts.clear()

    def floods(self, device: str, feed: int, at: int | None, sender: str | None = None) -> bool:
        """Count a reading, measured at `at` in µs since 1970; whether it is more than its device
        may send: in a window of its own time, or many times that in one of ours.

        Counted by who sent it: nobody uses up what another may send by naming its device.
        """
        if not self._most:
            return False
        counts = self._counts
        own = (feed, sender, device, 0 if at is None else at // _WINDOW)
        key = (feed, sender, device, -1)
        counts[key] = all_of_it = counts.get(key, 0) + 1
        counts[own] = count = counts.get(own, 0) + 1
        return count > self._most or all_of_it > self._most * CATCHING_UP

    def letter(self, feed: int, reason: str) -> int | None:
        """How many alike were counted alone before this one; None where this one is too."""
        key = (feed, reason)
        now = self._clock()
        left = _left(self._kept.get(key), now, LETTERS, LETTER_RATE)
        if left < 1:
            self._kept[key] = (left, now)
            self._untold[key] = self._untold.get(key, 0) + 1
            return None
        self._kept[key] = (left - 1, now)
        return self._untold.pop(key, 0)

    def keeps(self, feed: int, size: int) -> bool:
        """Whether a payload of so many bytes is kept with its letter; counts it where it is."""
        now = self._clock()
        left = _left(self._bytes.get(feed), now, BYTES, BYTE_RATE)
        kept = size <= left
        self._bytes[feed] = (left - size if kept else left, now)
        return kept


def _left(before: tuple[float, float] | None, now: float, most: float, rate: float) -> float:
    """What is left of an allowance that grows back, of what was left when it was last looked at."""
    if before is None:
        return most
    left, since = before
    return min(most, left + (now - since) * rate)
