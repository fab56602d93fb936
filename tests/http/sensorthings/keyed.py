"""For pytest as another suite is run with it: every client of httpx shows the key in CIM_KEY."""

import os
from typing import Any


def pytest_configure() -> None:
    """Have each client show the key from its beginning on."""
    import httpx  # noqa: PLC0415 - it is of the environment of the suite alone

    begin = httpx.Client.__init__

    def keyed(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        self.headers["Authorization"] = f"Bearer {os.environ['CIM_KEY']}"

    httpx.Client.__init__ = keyed
