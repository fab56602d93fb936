"""How far a run is, on the terminal; and the processes it may have."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from tiling.run.pool import Pool

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def bar(name: str, console: "Console | None" = None) -> Iterator[Callable[[int, int], None]]:
    """A bar with done and total, rate and time left, on the terminal; nothing where there is none.

    Call it with done and total.
    """
    if console is None and not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tiling.commands.shown import shown  # noqa: PLC0415 - a tenth of a second that only eyes need

    with shown(name, console) as progress:
        yield progress


@contextmanager
def pool(jobs: int, *, forked: bool = False) -> Iterator[Executor | None]:
    """Processes for so many jobs, as `Pool` has them; none for one."""
    if jobs == 1:
        yield None
        return
    with Pool(jobs, forked=forked) as executor:
        yield executor


def jobs_option(does: str, default: int | None = None) -> Callable[[Callable[..., Any]], Any]:
    """The option `--jobs`: how many processes, and what they do; one a processor by `default`."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=default or os.cpu_count() or 1,
        show_default=True if default else "one a processor",
        help=does,
    )
