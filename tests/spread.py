"""The tests on several processes at once (pytest-xdist, `-n 2`).

A file's tests stay together, so that what it starts is started once.  Each process has a server, a
template, folders and ports of its own.  Browsers draw by software on every core: all that walk in
one are one lot, and no two walk at once.  The longest folders are begun first, so that the
processes end together.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

LONGEST_FIRST = (
    "browser", "clients", "flow", "http", "postgis", "data", "golden", "unit", "house",
)  # fmt: skip
ONE_BROWSER = frozenset({"browser", "clients"})

LINES: list[str] = []
"""What tests have to say at the end of the run, whether it is green or not."""


class ByFile(LoadScopeScheduling):
    """Hands out whole files, and all that needs a browser as if it were one file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "browser" if folder(file) in ONE_BROWSER else file


def scheduler(config: pytest.Config, log: Any) -> ByFile:
    """What hands out the tests, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


def folder(file: str) -> str:
    """The folder below tests/ in which a file is, or nothing."""
    parts = PurePath(file).parts
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else ""


def arrange(items: list[pytest.Item]) -> None:
    """Put the longest folders first; within a folder nothing moves."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(folder(item.nodeid), len(rank)))


def spreads(config: pytest.Config) -> bool:
    """Whether this process only hands out tests that others run."""
    return not is_one_of_many(config) and config.getoption("dist", "no") != "no"


def is_one_of_many(config: pytest.Config) -> bool:
    """Whether this process runs tests that another hands out."""
    return hasattr(config, "workerinput")


def tell(config: pytest.Config, name: str, value: Any) -> None:
    """Hand something plain over to the process that hands out the tests."""
    if is_one_of_many(config):
        config.workeroutput[name] = value  # type: ignore[attr-defined]  # set by xdist


def told(node: Any, name: str, otherwise: Any) -> Any:
    """What a process handed over at its end; one that died has handed over nothing."""
    output: Mapping[str, Any] = getattr(node, "workeroutput", {})
    return output.get(name, otherwise)
