"""Who reads: a bounded queue each, so that one who does not read is dropped and harms nobody."""

import asyncio
from typing import Final

from api.live.frames import Frame

QUEUED: Final = 32
"""Events that wait for a reader: a quarter of a minute of readings at their fastest."""


class Reader:
    """One who reads, at their own speed."""

    def __init__(self) -> None:
        """Nothing waits yet."""
        self._waiting: asyncio.Queue[Frame | None] = asyncio.Queue(QUEUED)
        self.ended = False

    def offer(self, frame: Frame) -> bool:
        """Have an event wait; False where too many do, and it is over."""
        if self.ended:
            return True
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.end()
            return False
        return True

    def end(self) -> None:
        """It is over; what waits is let go of, and comes again to who asks again."""
        self.ended = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def next(self) -> Frame | None:
        """The next event, when it is there; None when it is over."""
        if self.ended:
            return None
        return await self._waiting.get()
