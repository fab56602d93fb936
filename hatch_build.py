"""Builds the viewer into the wheel, so that who installs it needs no Node."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ViewerHook(BuildHookInterface):  # type: ignore[type-arg]  # of whatever builder
    """Runs the viewer's own build when `api/static` is not there yet."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is missing; an editable install goes on without, and says so when served."""
        root = Path(self.root)
        npm, built = shutil.which("npm"), (root / "api/static/index.html").exists()
        if built or version == "editable":
            return
        if not npm:
            raise RuntimeError("the viewer is not built and npm is not on PATH: run `make viewer`")
        for words in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            subprocess.run([npm, *words], cwd=root / "viewer", check=True)
