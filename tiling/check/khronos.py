"""Khronos' glTF validator, where Node and the package gltf-validator are installed.

It is looked for where Node looks for packages (NODE_PATH), and in a checkout's tests.
"""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
SCRIPT = HERE / "khronos.cjs"
"""What runs in Node: reads contents, writes what is wrong with each."""

PACKAGES = HERE.parents[1] / "tests" / "golden" / "validator" / "node_modules"
"""Where a checkout keeps it: `make .setup/validator`."""

READY = b"ready\n"


class Validator:
    """A validator in a process of its own; leave it, and the process ends."""

    def __init__(self, *, wanted: bool = True) -> None:
        """Start it where it is `wanted` and installed; `there` tells."""
        self.there = False
        node = shutil.which("node") if wanted else None
        self._process: subprocess.Popen[bytes] | None = None
        if node is None:
            return
        paths = [os.environ.get("NODE_PATH", ""), str(PACKAGES)]
        self._process = subprocess.Popen(
            [node, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"NODE_PATH": os.pathsep.join(filter(None, paths))},
        )
        assert self._process.stdout
        self.there = self._process.stdout.readline() == READY

    def __enter__(self) -> "Validator":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait()

    def issues(self, content: bytes) -> list[str]:
        """Errors and warnings of a .glb; none where there is no validator, or it is no .glb."""
        if not self.there or self._process is None or content[:4] != b"glTF":
            return []
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(struct.pack("<I", len(content)) + content)
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return [f"{issue['code']}: {issue['message']}" for issue in found]
