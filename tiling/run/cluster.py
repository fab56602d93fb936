"""Tiles made by a Dask cluster: many machines, one folder.

Each worker reads its own rows from the city's database and writes its tiles into the data folder,
which all of them share; the scheduler hands out what a lost worker had begun to the others.
"""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from cim.errors import TilingError
from cim.settings import Settings
from tiling.disk.folder import store
from tiling.run.program import program

PATIENCE = 15
"""Seconds in which a scheduler must answer, and a first worker be there."""

TRIES = 3
"""How often a tile is tried again that a worker could not make."""

AHEAD = 2
"""Tasks that are handed out for each thread of the workers: so none waits for the next."""


class Cluster(Executor):
    """Runs tasks on a cluster's workers; `workers` is how many should be under way."""

    def __init__(self, client: Any) -> None:
        """Of a connected `distributed.Client`."""
        self._executor = client.get_executor(pure=False, retries=TRIES)
        self.workers = AHEAD * sum(client.nthreads().values())

    def submit(self, task: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Have a worker call it; as `concurrent.futures` has it."""
        future: Future[Any] = self._executor.submit(task, *args, **more)
        return future


@contextmanager
def cluster(address: str, settings: Settings) -> Iterator[Cluster]:
    """The workers at a scheduler's `address`, once each has proved that it can do the work.

    Raises TilingError where the package is missing, nobody answers, a worker runs another version
    of the program or does not see the data folder, or the cluster is lost in the middle.
    """
    try:
        import distributed  # noqa: PLC0415 - an optional extra, not needed elsewhere
    except ImportError as fault:
        raise TilingError(
            "--scheduler needs the package distributed: pip install 'cimtwin[dask]'",
            "--scheduler 需要软件包 distributed：pip install 'cimtwin[dask]'",
        ) from fault
    connected: Callable[..., Any] = distributed.Client
    try:
        client = connected(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as fault:
        raise TilingError(
            f"no Dask scheduler answers at {address}", f"{address} 处没有 Dask 调度器应答"
        ) from fault
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as fault:
            raise TilingError(
                f"the Dask scheduler at {address} has no workers",
                f"{address} 处的 Dask 调度器没有工作进程",
            ) from fault
        _prove(client, settings)
        try:
            yield Cluster(client)
        except (CancelledError, distributed.KilledWorker) as fault:
            raise TilingError(
                "the cluster's workers were lost; the same command goes on with what is left",
                "集群的工作进程已丢失；重新运行同一命令即可继续",
            ) from fault


def present(probe: Path) -> tuple[str, str, bool]:
    """What a worker says of itself: its machine, its program, whether it sees a file."""
    return socket.gethostname(), program().hex(), probe.is_file()


def _prove(client: Any, settings: Settings) -> None:
    """Raise TilingError where a worker's tiles would be others, or nowhere to be found."""
    probe = settings.tiles_dir / f".seen-{uuid4().hex}"
    store(probe, b"")
    try:
        answers = client.run(present, probe, on_error="return")
    finally:
        probe.unlink(missing_ok=True)
    here = socket.gethostname(), program().hex()
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, BaseException) or answer[1] != here[1]:
            raise TilingError(
                f"the worker at {worker} does not have this version of cimtwin",
                f"位于 {worker} 的工作进程没有此版本的 cimtwin",
            )
        if not answer[2]:
            raise TilingError(
                f"the worker at {worker} does not see the folder {settings.tiles_dir}",
                f"位于 {worker} 的工作进程看不到文件夹 {settings.tiles_dir}",
            )
        if not settings.database_url and answer[0] != here[0]:
            raise TilingError(
                f"the worker at {worker} cannot reach an embedded database: set CIM_DATABASE_URL",
                f"位于 {worker} 的工作进程无法连接内嵌数据库：请设置 CIM_DATABASE_URL",
            )
