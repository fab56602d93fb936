"""One message to one receiver over HTTP: whatever they answer, and how slowly, it is soon over."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import httpx2

from cim.errors import CimError
from cim.feeds.webhooks.guard import Network, target

PATIENCE: Final = 10.0
"""Seconds for all of a message: finding the receiver, connecting, sending, and their answer."""

LOOKUPS: Final = 16
"""Names that are looked up at the same time."""

ASKED: Final = (429, 503)
"""Answers by which a receiver may say when to come again."""


@dataclass(frozen=True)
class Answer:
    """What became of a message."""

    status: int | None = None
    """The status of the answer; None where there was none."""

    error: str | None = None
    """Why it failed, without the address, in which there may be a secret; None where it did not."""

    after: float = 0.0
    """Seconds that the receiver asks to be left alone for."""


class Poster:
    """Posts messages, each over a connection of its own.

    A connection is for the name that its certificate was seen for: another name with the same
    address must not come upon it.
    """

    def __init__(self, allowed: tuple[Network, ...], patience: float = PATIENCE) -> None:
        """`allowed` are the networks besides the world that may be sent to."""
        self.allowed, self.patience = allowed, patience
        self.threads = ThreadPoolExecutor(LOOKUPS, "webhook-names")
        # It would write down where each message goes.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        # The environment's proxies would be asked in our place, and they look names up again.
        self.http = httpx2.AsyncClient(
            timeout=patience,
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(),
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Let go of what it holds."""
        await self.http.aclose()
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, said: Mapping[str, str], body: bytes) -> Answer:
        """Send a message with these headers; never raises for what the receiver does."""
        try:
            # The library's patience is for each step, and a receiver may take any number of them.
            async with asyncio.timeout(self.patience):
                return await self._post(url, said, body)
        except TimeoutError:
            return Answer(error="Timeout")
        except CimError as error:
            return Answer(error=str(error))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            return Answer(error=type(error).__name__)

    async def _post(self, url: str, said: Mapping[str, str], body: bytes) -> Answer:
        to = await target(url, self.allowed, self.threads)
        for n, place in enumerate(to.urls, 1):
            try:
                # What they say besides the status is not read, however much it is.
                async with self.http.stream(
                    "POST",
                    place,
                    content=body,
                    headers={**said, "host": to.host},
                    extensions={"sni_hostname": to.name},
                ) as answer:
                    status = answer.status_code
                    asked = answer.headers.get("retry-after", "")
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if n == len(to.urls):
                    raise
                continue
            after = float(asked) if status in ASKED and asked.isdecimal() and len(asked) < 8 else 0
            return Answer(status, None if 200 <= status < 300 else f"HTTP {status}", after)
        raise OSError
