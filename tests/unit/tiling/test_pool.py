"""Processes that are killed are made again, and what they had begun is begun again."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cim.errors import TilingError
from tiling.run.pool import TRIES, Pool


def doubled(number: int) -> int:
    return 2 * number


def killed_at_first(folder: Path, number: int) -> int:
    mark = folder / "killed"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def killed_always(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGKILL)


FORKING = """
import builtins, os
from tiling.run.pool import Pool
builtins.parent = os.getpid()
with Pool(1, forked=True) as pool:
    assert pool.submit(eval, "parent").result(60) == os.getpid()
"""
"""A program without threads, as one that tests has not always."""

PARENT = os.getpid()


def forked_from() -> int:
    """The process that set the number this one finds."""
    return PARENT


def refused() -> None:
    raise TilingError("the disk is full", "磁盘已满")


@pytest.mark.parametrize("forked", [False, True])
def test_a_task_whose_process_is_killed_is_done_by_another(tmp_path: Path, forked: bool) -> None:
    with Pool(2, forked=forked) as pool:
        results = [pool.submit(killed_at_first, tmp_path, number) for number in range(8)]
        assert [result.result(60) for result in results] == [2 * number for number in range(8)]
    assert (tmp_path / "killed").exists()


def test_a_task_that_kills_every_process_is_given_up_with_a_reason(tmp_path: Path) -> None:
    with Pool(1) as pool:
        with pytest.raises(TilingError, match="enough memory"):
            pool.submit(killed_always, tmp_path).result(60)
        assert len(list(tmp_path.iterdir())) == TRIES
        assert pool.submit(doubled, 4).result(60) == 8


def test_a_fork_has_what_was_there_before_it() -> None:
    run = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")


def test_what_starts_afresh_has_not() -> None:
    with Pool(1) as pool:
        assert pool.submit(forked_from).result(60) != os.getpid()


def test_nothing_is_forked_once_there_are_threads() -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(int).result()
        with Pool(1, forked=True) as pool:
            assert pool.submit(forked_from).result(60) != os.getpid()


def test_an_error_of_a_task_comes_back_in_both_languages() -> None:
    with Pool(1) as pool, pytest.raises(TilingError) as raised:
        pool.submit(refused).result(60)
    assert raised.value.zh == "磁盘已满"


ALONE = """
import sys, time
from tiling.run.pool import Pool
pool = Pool(2, forked=sys.argv[1] == "fork")
tasks = [pool.submit(time.sleep, 1) for _ in range(4)]
print("begun", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_end_when_the_one_that_started_them_is_killed(start: str, tmp_path: Path) -> None:
    program = tmp_path / "alone.py"  # what is spawned imports it
    program.write_text(f"if __name__ == '__main__':\n    exec({ALONE!r})\n")
    with subprocess.Popen(
        [sys.executable, str(program), start], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout and parent.stdout.readline() == "begun\n"
        process = psutil.Process(parent.pid)
        end = time.monotonic() + 60
        while len(process.children()) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(1)  # those that are spawned are at work
        children = process.children()
        parent.kill()
        _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
