"""What a broker keeps for an ingester that has gone, taken in by one that is there.

Each ingester has a session of its own at the broker, which a shared subscription goes on filling
while it is away. One that was killed and started again finds it as it left it; where nobody comes
back, somebody else empties and ends that session, so that its messages do not wait for days.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterable
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Final

import gmqtt

from cim.errors import CimError
from cim.feeds import mqtt

PAUSE: Final = 5.0
"""Seconds between two looks; who is gone at both does not come back at once."""

QUIET: Final = 2.0
"""Seconds without a message, and none under way, after which a session is empty."""

ALONE: Final = 0
"""Of feeds that one alone takes in: whoever that is goes on in the same session."""

log = logging.getLogger("cim.feeds")


def slot(folder: Path) -> tuple[int, IO[str]]:
    """The lowest number that no ingester has that uses this folder; ours while the file is open.

    The same at the next start, so that the broker knows its session again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        number += 1
        held = _hold(folder / f"{number}.lock")
        if held is not None:
            return number, held


def host(folder: Path) -> str:
    """What the host was called when this folder was first used: a container that is made anew is
    called otherwise, and would never find again what the broker keeps for it."""
    path = folder / "host"
    if not path.exists():
        fresh = path.with_name(f"host.{os.getpid()}")
        fresh.write_text(socket.gethostname(), "utf-8")
        fresh.replace(path)
    return path.read_text("utf-8")


def name(host: str, number: int, feed: str) -> str:
    """What an ingester calls itself to the broker of a feed."""
    return f"cim-{host}-{number}-{feed}"


def _hold(path: Path) -> IO[str] | None:
    """The lock of a number, if nobody has it."""
    held = path.open("w")
    try:
        flock(held, LOCK_EX | LOCK_NB)
    except OSError:
        held.close()
        return None
    return held


async def watch(folder: Path, own: int, feeds: Callable[[], Iterable[mqtt.Subscriber]]) -> None:
    """Empty the sessions of ingesters that are gone, for the feeds that there are."""
    gone: set[Path] = set()
    while True:
        await asyncio.sleep(PAUSE)
        others = {path for path in folder.glob("*.lock") if path.stem != str(own)}
        free = {path for path in others if _is_free(path)}
        for path in free & gone:
            held = _hold(path)
            if held is None:
                continue
            try:
                if await _inherit(folder, int(path.stem), list(feeds())):
                    path.unlink(missing_ok=True)
                    free.discard(path)
            finally:
                held.close()
        gone = free


def nobody(folder: Path) -> bool:
    """Whether no ingester is up that uses this folder: asked by one that has left."""
    return all(_is_free(path) for path in folder.glob("*.lock"))


def _is_free(path: Path) -> bool:
    held = _hold(path)
    if held is not None:
        held.close()
    return held is not None


async def _inherit(folder: Path, number: int, feeds: list[mqtt.Subscriber]) -> bool:
    """Empty the sessions of one; whether all are."""
    for subscriber in feeds:
        try:
            whose = name(host(folder), number, subscriber.feed.name)
            count = await subscriber.inherit(whose, QUIET)
        except (OSError, TimeoutError, gmqtt.mqtt.handler.MQTTError) as error:
            log.warning(
                "what was kept for an ingester that is gone waits: %s · "
                "已退出的接入进程的积压消息暂未取回",
                error,
            )
            return False
        if count:
            log.info(
                "%d messages of an ingester that is gone were taken in · "
                "已取回退出的接入进程积压的消息",
                count,
            )
    return bool(feeds)


async def tend(revive: Callable[[], None]) -> None:
    """See to it, every second, that our own broker is up."""
    while True:
        await asyncio.sleep(1)
        try:
            await asyncio.to_thread(revive)
        except (OSError, CimError) as error:
            log.warning(
                "our own broker cannot be started again: %s · 自带消息代理无法重新启动：%s",
                error,
                getattr(error, "zh", error),
            )
            await asyncio.sleep(PAUSE)
