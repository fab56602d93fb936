"""py3dtiles at work: points in a local frame become a tree of tiles.

py3dtiles is a program of its own here, as PostgreSQL is: what it depends on (numpy below 2.4,
mapbox_earcut 1.0) cannot stand beside what we do, so it lives in an environment of its own and is
found on PATH.  It is given one LAS file in metres about a place and no coordinate system: where
that place is, and heights, are ours to say.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from cim.crs.ecef import Frame
from cim.errors import TilingError
from tiling.disk.folder import failed

PROGRAM = "py3dtiles"

LOST = "Invalid point count"
"""What it says where points were sorted before it knew that reading had ended, and so were never
written: with several processes it happens to small clouds, with one it cannot."""

POINT = 15
"""Bytes of a point in a tile: three floats and a colour."""

LEAST = 0.01
"""Metres: the geometric error of a tile with others below it, at least."""

PULSE = 0.2
"""Seconds between two looks at how far it is."""

Progress = Callable[[int, int], None]


def program() -> str:
    """Where py3dtiles is; raises TilingError where it is not installed."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=beside)
    if found is None:
        raise TilingError(
            "point clouds need py3dtiles, in an environment of its own: "
            "pipx install 'py3dtiles[las]', so that py3dtiles is on PATH",
            "点云需要 py3dtiles（安装在独立环境中）：pipx install 'py3dtiles[las]'，"
            "并使 py3dtiles 位于 PATH 中",
        )
    return found


def convert(source: Path, target: Path, points: int, jobs: int, progress: Progress) -> None:
    """Have the points of a LAS file made tiles in the folder `target`.

    Legacy point tiles (pnts): those that py3dtiles writes as glTF lie on their side, and are
    refused by Khronos' validator.  Raises TilingError where it fails; its processes end with ours.
    """
    failure = _run(source, target, points, jobs, progress)
    if LOST in failure and jobs > 1:
        shutil.rmtree(target, ignore_errors=True)
        failure = _run(source, target, points, 1, progress)
    if failure:
        raise _failed(failure)
    progress(points, points)


def _run(source: Path, target: Path, points: int, jobs: int, progress: Progress) -> str:
    """Run it; what it said where it failed, nothing where it did not."""
    words = [program(), "convert", str(source), "--out", str(target), "--jobs", str(jobs)]
    report = target.with_suffix(".log")
    with report.open("wb") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, start_new_session=True)
        try:
            while process.poll() is None:
                progress(min(points, _size(target) // POINT), points)
                sleep(PULSE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode == 0 and (target / "tileset.json").is_file():
        return ""
    return report.read_text(errors="replace") or f"exit code {process.returncode}"


def placed(target: Path, frame: Frame) -> dict[str, Any]:
    """The root tile that it wrote, moved from its place's metres to where on Earth they are."""
    root: dict[str, Any] = json.loads((target / "tileset.json").read_bytes())["root"]
    own = np.array(root.get("transform", np.eye(4).ravel()), float).reshape(4, 4)
    whole = own @ np.array(frame.matrix()).reshape(4, 4)  # both column-major: rows are columns
    _falling(root)
    return root | {"transform": whole.ravel().tolist()}


def _falling(tile: dict[str, Any]) -> float:
    """Have geometric errors fall from a tile to those below, and be none above a tile nowhere.

    py3dtiles has it otherwise where all points stand at one place.

    >>> _falling({"geometricError": 0.0, "children": [{"geometricError": 0.5}]})
    0.5
    """
    below = [_falling(child) for child in tile.get("children", [])]
    if below:
        tile["geometricError"] = max(float(tile["geometricError"]), LEAST, *below)
    return float(tile["geometricError"])


def contents(tile: Mapping[str, Any]) -> int:
    """How many tiles with content there are in a tile and below it.

    >>> contents({"content": {"uri": "r.pnts"}, "children": [{"content": {"uri": "r0.pnts"}}]})
    2
    """
    return ("content" in tile) + sum(map(contents, tile.get("children", [])))


def _size(folder: Path) -> int:
    """Bytes of the tiles written so far."""
    found = 0
    with suppress(OSError):
        for file in os.scandir(folder / "points"):
            found += file.stat().st_size
    return found


def _failed(report: str) -> TilingError:
    """What is said where it ended with an error: the last of its words."""
    if "No space left" in report:
        return failed(OSError(28, "No space left on device"))
    if "laspy" in report and "ModuleNotFoundError" in report:
        return TilingError(
            "py3dtiles cannot read LAS: install it as py3dtiles[las]",
            "py3dtiles 无法读取 LAS：请按 py3dtiles[las] 安装",
        )
    last = next((line for line in reversed(report.splitlines()) if line.strip()), "")
    return TilingError(f"py3dtiles failed: {last[:300]}", f"py3dtiles 运行失败：{last[:300]}")
