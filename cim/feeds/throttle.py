"""What comes too often: a device that floods, and dead letters that are all alike."""

import time
from collections.abc import Callable
from typing import Final

WINDOW: Final = 10.0
"""Seconds over which a device's messages are counted."""

RATE: Final = 100.0
"""Readings a second that one device may send over a window."""

LETTERS: Final = 20_000
"""Dead letters of one feed and reason that are kept at once …"""

LETTER_RATE: Final = 20.0
"""… and so many more each second; what is beyond is counted, not kept."""


class Throttle:
    """Counts by device and by reason; bounded, as it begins anew with each window."""

    def __init__(self, rate: float = RATE, clock: Callable[[], float] = time.monotonic) -> None:
        """At most `rate` readings a second from one device; 0 is any number."""
        self._most = rate * WINDOW
        self._clock = clock
        self._began = clock()
        self._counts: dict[tuple[int, str], int] = {}
        self._kept: dict[tuple[int, str], tuple[float, float]] = {}
        self._untold: dict[tuple[int, str], int] = {}

    def tick(self) -> None:
        """Begin a new window where the last is over: called once a batch."""
        if self._clock() - self._began >= WINDOW:
            self._began = self._clock()
            self._counts.clear()

    def floods(self, device: str, feed: int) -> bool:
        """Count a reading; whether it is more than its device may send."""
        if not self._most:
            return False
        key = (feed, device)
        count = self._counts.get(key, 0) + 1
        self._counts[key] = count
        return count > self._most

    def letter(self, feed: int, reason: str) -> int | None:
        """How many alike were counted alone before this one; None where this one is too."""
        key = (feed, reason)
        now = self._clock()
        left, since = self._kept.get(key, (float(LETTERS), now))
        left = min(float(LETTERS), left + (now - since) * LETTER_RATE)
        if left < 1:
            self._kept[key] = (left, now)
            self._untold[key] = self._untold.get(key, 0) + 1
            return None
        self._kept[key] = (left - 1, now)
        return self._untold.pop(key, 0)
