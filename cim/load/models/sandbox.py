"""The child process in which a model is read, with a limit of time and of memory.

A broken or hostile file can crash, hang or fill the child, never the caller.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from cim.errors import SourceError
from cim.load.models.model import Model

SECONDS = 300.0
"""How long a model may take; one of 200 MB takes about a minute."""

MEGABYTES = 4096
"""Address space of the child; the library itself maps half a gigabyte."""

LARGEST = 512 << 20
"""Bytes of a file that is looked at."""

Tick = Callable[[], None]
"""Called several times a second; raising ends the child."""


def read(
    path: Path,
    tick: Tick = lambda: None,
    *,
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
) -> Model:
    """The model of a file; SourceError with the reason where there is none to be had."""
    if not path.is_file():
        raise SourceError(f"{path.name}: no such file", f"{path.name}：文件不存在")
    if path.stat().st_size > LARGEST:
        raise SourceError(f"{path.name} is over 512 MB", f"{path.name} 超过 512 MB")
    return _answer(path.name, *run(path, "cim.load.models.reading", tick, seconds, megabytes))


def run(
    path: Path, module: str, tick: Tick, seconds: float, megabytes: int
) -> tuple[int, bytes, bytes]:
    """What a module that is given a file and a limit ends with, writes, and complains of.

    Raises SourceError where it takes longer than so many seconds.
    """
    command = [sys.executable, "-m", module, str(path.resolve()), str(megabytes)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=said, start_new_session=True
        )
        try:
            _wait(child, path.name, tick, seconds)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        out.seek(0)
        said.seek(0)
        return child.returncode, out.read(), said.read()


def _wait(child: subprocess.Popen[bytes], name: str, tick: Tick, seconds: float) -> None:
    until = time.monotonic() + seconds
    while child.poll() is None:
        if time.monotonic() > until:
            raise SourceError(
                f"{name} takes longer than {seconds:.0f} s to read; a model of storeys and spaces "
                "alone is enough",
                f"{name} 读取超过 {seconds:.0f} 秒；只导出楼层和空间即可",
            )
        tick()
        time.sleep(0.05)


def _parsed(out: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(out)
    except orjson.JSONDecodeError:
        return {}
    return found


def _answer(name: str, code: int, out: bytes, said: bytes) -> Model:
    if code == 0 and out:
        found = _parsed(out)
        if "schema" in found:
            return Model.load(out)
        if "en" in found:
            raise SourceError(found["en"], found["zh"])
    if b"MemoryError" in said or b"bad_alloc" in said or b'"memory"' in out:
        raise SourceError(
            f"{name} needs more memory than a model may take; a model of storeys and spaces alone "
            "is enough",
            f"{name} 占用内存过大；只导出楼层和空间即可",
        )
    why = "" if code >= 0 else f" (signal {-code})"
    raise SourceError(
        f"{name} cannot be read as IFC: reading it broke off{why}",
        f"{name} 无法按 IFC 读取：读取过程异常终止{why}",
    )
