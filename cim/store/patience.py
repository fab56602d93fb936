"""A database that is on its way up is waited for by whoever begins before it answers."""

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from cim.errors import StoreError, StoreLocale, StoreVersion

COMING_UP: Final = 30.0
"""Seconds that a database may take to come up."""

PAUSE: Final = 1.0
"""Seconds between two tries."""

Made = TypeVar("Made")

log = logging.getLogger("cim.store")


def patiently(make: Callable[[], Made], seconds: float = COMING_UP) -> Made:
    """What needs the database to be made, once it answers; says once that it is waited for.

    Raises the StoreError of the last try; at once where the database is the wrong one, which no
    waiting mends.
    """
    end, told = time.monotonic() + seconds, False
    while True:
        try:
            return make()
        except (StoreVersion, StoreLocale):
            raise
        except StoreError as error:
            if time.monotonic() > end:
                raise
            if not told:
                log.warning(
                    "waiting %.0f s at most for the database: %s · "
                    "正在等待数据库（至多 %.0f 秒）：%s",
                    seconds, error, seconds, error.zh,
                )  # fmt: skip
            told = True
            time.sleep(PAUSE)
