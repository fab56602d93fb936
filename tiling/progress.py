"""How far a run is, on the terminal; and the processes it may have."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tiling.pool import Pool


@contextmanager
def bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on the terminal, nothing where there is none; call it with done and total."""
    console = Console(stderr=True)
    shown = Progress(
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with shown:
        task = shown.add_task(name, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def pool(jobs: int, *, forked: bool = False) -> Iterator[Executor | None]:
    """Processes for so many jobs, as `Pool` has them; none for one."""
    if jobs == 1:
        yield None
        return
    with Pool(jobs, forked=forked) as executor:
        yield executor
