"""How far a run is, on the terminal; and the processes it may have."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tiling.pool import Pool


class Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        """The rate over the last seconds, once there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


@contextmanager
def bar(name: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """A bar with done and total, rate and time left, on the terminal; nothing where there is none.

    Call it with done and total.
    """
    console = console or Console(stderr=True)
    shown = Progress(
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
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
