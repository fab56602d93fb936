"""How far a command is: one bar on the terminal, for whatever it counts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on the standard error, gone at its end; call it with what is done since the last call.

    Where nobody knows how many there will be, `total` is None, and what is done is counted.
    """
    known = (MofNCompleteColumn(), TimeRemainingColumn())
    counted = (TextColumn("{task.completed:,}"), TimeElapsedColumn())
    columns = (TextColumn(title, markup=False), BarColumn(), *(counted if total is None else known))
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=total)
        yield lambda count: shown.advance(task, count)
