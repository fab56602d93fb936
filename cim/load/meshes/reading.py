"""A mesh out of its file, by trimesh, in a process of its own.

What is read is the file alone: no materials, no pictures, no other file that it names.
"""

import io
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cim.errors import CimError, SourceError
from cim.load.models import sandbox
from cim.load.models.sandbox import Tick

LARGEST = 256 << 20
"""Bytes of a file."""

MOST_TRIANGLES = 100_000
"""Triangles of a building; tiles of a city hold a million or so in all that are in sight."""

SECONDS, PROCESSOR, MEGABYTES = 120.0, 120, 4096
"""How long a mesh may take, and the address space that it may fill."""

UP = {".gltf": "y", ".glb": "y"}
"""The axis that points up by a format's definition; z where it has none."""


@dataclass(frozen=True)
class Mesh:
    """Corners (n, 3) in the file's metres, z up, and triangles (m, 3) outward as far as can be.

    `matrix` (4, 4) took the file's own coordinates there; `open_edges` says that it does not close.
    """

    corners: NDArray[np.float64]
    triangles: NDArray[np.int32]
    matrix: NDArray[np.float64]
    open_edges: bool


def read(
    path: Path, tick: Tick = lambda: None, *, up: str | None = None, scale: float = 1.0
) -> Mesh:
    """The mesh of a file; `up` is its axis y or z, `scale` metres to its unit.

    Raises SourceError with the reason where there is none to be had.
    """
    if not path.is_file():
        raise SourceError(f"{path.name}: no such file", f"{path.name}：文件不存在")
    if path.stat().st_size > LARGEST:
        raise SourceError(f"{path.name} is over 256 MB", f"{path.name} 超过 256 MB")
    code, out, said = sandbox.run(path, __name__, tick, SECONDS, MEGABYTES)
    if b"MemoryError" in said:
        raise SourceError(
            f"{path.name} needs more memory than a mesh may take", f"{path.name} 占用内存过大"
        )
    if code != 0 or not out:
        raise _damaged(path.name)
    if out.startswith(b"{"):
        found = orjson.loads(out)
        raise SourceError(found["en"], found["zh"])
    content: Any = np.load(io.BytesIO(out), allow_pickle=False)
    axis = up or UP.get(path.suffix.lower(), "z")
    turn = np.eye(4) if axis == "z" else np.array(
        [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float
    )  # fmt: skip
    matrix = turn @ np.diag([scale, scale, scale, 1.0])
    corners = content["corners"] @ matrix[:3, :3].T
    return Mesh(corners, content["triangles"], matrix, bool(content["open"]))


def _damaged(name: str) -> SourceError:
    return SourceError(
        f"{name} is damaged, or is not what its ending says",
        f"{name} 已损坏，或内容与扩展名不符",
    )


def parsed(path: Path) -> dict[str, Any]:
    """Corners, triangles and whether they are open, of a file that is one mesh or several.

    Raises SourceError where there is no triangle, or too many.
    """
    import trimesh  # noqa: PLC0415 - in the child alone

    kind = path.suffix.lower().removeprefix(".")
    content = io.BytesIO(path.read_bytes())  # nothing that has a name, from which others are found
    loaded: Any = trimesh.load(
        content, file_type=kind, force="mesh", process=True, skip_materials=True
    )
    triangles = np.asarray(getattr(loaded, "faces", np.empty((0, 3))), np.int64)
    if not len(triangles):
        raise SourceError(
            f"{path.name} has no triangles, or they are in another file that it names; save it as "
            "one file (.glb)",
            f"{path.name} 中没有三角面，或三角面存于其引用的其他文件；请另存为单个文件（.glb）",
        )
    if len(triangles) > MOST_TRIANGLES:
        raise SourceError(
            f"{path.name} has {len(triangles):,} triangles; up to {MOST_TRIANGLES:,} are drawn: "
            "save it with fewer",
            f"{path.name} 有 {len(triangles):,} 个三角面，最多 {MOST_TRIANGLES:,} 个；请简化后另存",
        )
    loaded.update_faces(loaded.nondegenerate_faces())
    if not len(loaded.faces) or not np.isfinite(loaded.vertices).all():
        raise _damaged(path.name)
    repair: Any = trimesh.repair
    repair.fix_normals(loaded, multibody=True)
    return {
        "corners": np.asarray(loaded.vertices, np.float64),
        "triangles": np.asarray(loaded.faces, np.int32),
        "open": np.array(not loaded.is_watertight),
    }


def main(path: Path, megabytes: int) -> bytes:
    """The mesh as numpy writes it, or why not as JSON, within so much memory."""
    for limit, most in (
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_CPU, PROCESSOR),
        (resource.RLIMIT_FSIZE, 1 << 30),
    ):
        resource.setrlimit(limit, (most, most))
    try:
        out = io.BytesIO()
        np.savez(out, **parsed(path))
        return out.getvalue()
    except CimError as error:
        return orjson.dumps({"en": str(error), "zh": error.zh})
    except MemoryError:
        raise
    except Exception:  # whatever a broken file makes the library trip over
        damaged = _damaged(path.name)
        return orjson.dumps({"en": str(damaged), "zh": damaged.zh})


if __name__ == "__main__":
    # The answer alone goes to standard output, whatever the library has to say.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with answer:
        answer.write(main(Path(sys.argv[1]), int(sys.argv[2])))
