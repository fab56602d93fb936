"""Child processes that run the scripts of payload codecs, a few of them, begun when first needed.

A frame whose script does not answer in time costs that frame and the child; a script that uses up
its time or memory again and again rests for a minute, and its frames are faults meanwhile. All that
it says is judged as any payload is.
"""

import asyncio
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from cim.feeds.codecs.child import BROKEN_OFF
from cim.feeds.decoders.values import add, dict_of, fault, guarded
from cim.feeds.reading import Decoded, Frame

PATIENCE: Final = 2.0
"""Seconds until a frame is answered; a child is killed after them."""

STRIKES: Final = 3
"""Times in a row that a script may use up its time or memory, or kill its child: then it rests."""

REST: Final = 60.0
_LARGEST: Final = 1 << 20
_SCRIPT: Final = 256 << 10
"""Characters of a script."""


class _Stuck(Exception):
    """A child that died or did not answer in time."""


class Child:
    """One process, and which scripts it knows."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """A process that has just begun, and knows none."""
        self.process = process
        self.known: set[int] = set()

    async def ask(self, packets: Sequence[dict[str, Any]]) -> Any:
        """Send packets, the last of which is answered. Raises _Stuck."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        try:
            for packet in packets:
                body = msgspec.msgpack.encode(packet)
                stdin.write(struct.pack(">I", len(body)) + body)
            async with asyncio.timeout(PATIENCE):
                await stdin.drain()
                size = struct.unpack(">I", await stdout.readexactly(4))[0]
                if size > _LARGEST:
                    raise _Stuck("it says too much")
                return msgspec.msgpack.decode(await stdout.readexactly(size))
        except TimeoutError:
            raise _Stuck(f"no answer within {PATIENCE:g} seconds") from None
        except (OSError, EOFError, msgspec.DecodeError):
            raise _Stuck("its process ended") from None

    async def end(self) -> None:
        """End the process, and wait until it has."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class Pool:
    """At most `size` children; `async with Pool() as pool`, or `close` it at the end."""

    def __init__(self, size: int = 2) -> None:
        """Begin nothing yet."""
        self._free: asyncio.LifoQueue[Child | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._free.put_nowait(None)
        self._size = size
        self._busy: list[Child] = []
        self._numbers: dict[str, int] = {}
        self._strikes: dict[int, tuple[int, float]] = {}

    async def __aenter__(self) -> "Pool":
        """The pool itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End its children."""
        await self.close()

    async def close(self) -> None:
        """End every child; the pool begins new ones if it is asked again."""
        for _ in range(self._size):
            child = await self._free.get()
            if child is not None:
                await child.end()
        for _ in range(self._size):
            self._free.put_nowait(None)

    def busy(self) -> list[Child]:
        """The children that are at work."""
        return list(self._busy)

    async def decode(self, frames: Sequence[Frame]) -> Decoded:
        """The readings of frames, in their order, and the faults of those that have none."""
        out = Decoded()
        for frame in frames:
            found = await self._frame(frame)
            out.readings += found.readings
            out.faults += found.faults
        return out

    async def _frame(self, frame: Frame) -> Decoded:
        if len(frame.script) > _SCRIPT:
            return _wrong(f"a script of {len(frame.script)} characters")
        number = self._numbers.setdefault(frame.script, len(self._numbers))
        strikes, until = self._strikes.get(number, (0, 0.0))
        if strikes >= STRIKES and time.monotonic() < until:
            return _wrong("the script has failed too often, and rests for a minute")
        child = await self._free.get()
        whole = False
        try:
            child = child or await _begin()
            self._busy.append(child)
            answer = await child.ask(_packets(child, number, frame))
            child.known.add(number)
            whole = True
        except _Stuck as error:
            self._strikes[number] = (strikes + 1, time.monotonic() + REST)
            return _wrong(str(error))
        finally:
            if child is not None:
                self._busy.remove(child)
            if child is not None and not whole:
                # It died, or was left in the midst of an answer, which the next would get.
                await child.end()
                child = None
            self._free.put_nowait(child)
        if str(dict_of(answer).get("error", "")).startswith(BROKEN_OFF):
            self._strikes[number] = (strikes + 1, time.monotonic() + REST)
        else:
            self._strikes.pop(number, None)
        return _judged(answer, frame)


async def _begin() -> Child:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "cim.feeds.codecs.child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={},
    )
    return Child(process)


def _packets(child: Child, number: int, frame: Frame) -> list[dict[str, Any]]:
    packets: list[dict[str, Any]] = []
    if number not in child.known:
        packets.append({"script": number, "source": frame.script})
    at = None if frame.at is None else frame.at // 1_000
    packets.append({"script": number, "data": frame.data, "port": frame.port, "at": at})
    return packets


def _wrong(detail: str) -> Decoded:
    out = Decoded()
    fault(out, "codec", detail)
    return out


def _judged(answer: Any, frame: Frame) -> Decoded:
    """What a script said, as readings: `data` of its answer, unless it has `errors`."""
    said = dict_of(answer)
    if "data" not in said:
        return _wrong(str(said.get("error", "it said nothing")))
    text = str(said["data"]).encode()

    def fill(out: Decoded) -> None:
        found = dict_of(msgspec.json.decode(text))
        if errors := found.get("errors"):
            fault(out, "codec", str(errors))
        elif data := dict_of(found.get("data")):
            add(out, frame.device, "", frame.at, data)

    return guarded(text, fill)
