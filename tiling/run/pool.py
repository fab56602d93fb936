"""Processes that make tiles, and go on when one of them is killed."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Lock, Thread, active_count
from typing import Any
from warnings import catch_warnings, simplefilter

from cim.errors import TilingError

TRIES = 3
"""How often a task is begun that its process did not survive."""

AHEAD = 2
"""Tasks handed out for each process, so that none waits for the next."""


class Pool(Executor):
    """Processes that start afresh, or are `forked` where that is done first of all.

    A fork has imported all that its parent has, which takes a process longer than thousands of
    buildings; but it has its connections too, and threads do not come with it.  So `forked` is for
    a program that has neither yet, on a system that forks well.

    When one is killed, the others end with it; what all of them had begun is begun again in new
    ones, `TRIES` times at most, that start afresh.  `workers` is how many tasks should be under
    way.
    """

    def __init__(self, jobs: int, *, forked: bool = False) -> None:
        """Of so many processes, which start with the first task, forks at once."""
        self.jobs, self.workers = jobs, AHEAD * jobs
        self._lock = Lock()
        forked = forked and sys.platform == "linux" and active_count() == 1
        self._processes = self._fresh("fork" if forked else "spawn")
        if forked:
            with catch_warnings():  # of OpenBLAS's thread, which knows that it is forked
                simplefilter("ignore", DeprecationWarning)
                self._processes.submit(int).result()

    def _fresh(self, start: str = "spawn") -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.jobs, mp_context=get_context(start), initializer=end_with_parent
        )

    def submit(self, task: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Have a process call it; its error is a TilingError where processes die of it."""
        outcome: Future[Any] = Future()
        outcome.set_running_or_notify_cancel()
        self._begin(outcome, TRIES, lambda pool: pool.submit(task, *args, **more))
        return outcome

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the processes go, once they have done what was handed to them."""
        self._processes.shutdown(wait, cancel_futures=cancel_futures)

    def _begin(
        self,
        outcome: Future[Any],
        tries: int,
        hand: Callable[[ProcessPoolExecutor], Future[Any]],
    ) -> None:
        processes = self._processes
        try:
            running = hand(processes)
        except BrokenProcessPool:
            self._again(outcome, tries, hand, processes)
            return

        def ended(running: Future[Any]) -> None:
            fault = None if running.cancelled() else running.exception()
            if running.cancelled():
                outcome.set_exception(TilingError("the run was stopped", "运行已停止"))
            elif isinstance(fault, BrokenProcessPool):
                self._again(outcome, tries - 1, hand, processes)
            elif fault:
                outcome.set_exception(fault)
            else:
                outcome.set_result(running.result())

        running.add_done_callback(ended)

    def _again(
        self,
        outcome: Future[Any],
        tries: int,
        hand: Callable[[ProcessPoolExecutor], Future[Any]],
        broken: ProcessPoolExecutor,
    ) -> None:
        """Begin a task anew in processes other than the `broken` ones."""
        if tries == 0:
            outcome.set_exception(
                TilingError(
                    f"a process that makes tiles was killed {TRIES} times over; is there enough "
                    "memory? Try --jobs 1",
                    f"生成瓦片的进程连续 {TRIES} 次被终止；内存是否充足？可尝试 --jobs 1",
                )
            )
            return
        with self._lock:
            if self._processes is broken:
                self._processes = self._fresh()
        self._begin(outcome, tries, hand)


def end_with_parent() -> None:
    """Have this process end where the one that it works for is killed; it would wait for ever."""
    parent = parent_process()

    def watch() -> None:
        if parent:
            wait([parent.sentinel])
            os._exit(1)  # files appear whole or not at all

    Thread(target=watch, daemon=True).start()
