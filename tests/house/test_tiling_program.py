"""What makes a city's tiles be built anew: the modules that decide on them, all and no others."""

import ast
from pathlib import Path

from tiling.run.program import MODULES

ROOT = Path(__file__).parents[2]

FROM = ("tiling.run.batch", "tiling.city.members", "tiling.run.publish", "tiling.city.tile")
"""Where bytes and places come from."""

WITHIN = ("cim.crs.", "cim.geometry.", "cim.store.queries.", "tiling.")
"""What else they stand on carries rows and files, and changes none."""

APART = {
    "cim.store.queries.incoming.load": "how rows are written, of any table",
    "cim.store.queries.incoming.straight": "the same",
    "cim.store.queries.tiles.manifest": "the run's own books",
    "tiling.out.explicit": "its tree is made from the finished one whenever a version is published",
    "tiling.disk.folder": "where files stand, not what is in them",
    "tiling.city.skips": "how what is left out is written down",
}


def path_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


def imported(module: str) -> set[str]:
    path = path_of(module)
    assert path is not None, module
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                found.add(inner if path_of(inner) else node.module)
    return {name for name in found if path_of(name)}


def test_the_modules_that_decide_on_tiles_are_those_that_a_change_is_looked_for_in() -> None:
    found: set[str] = set()
    left = set(FROM)
    while left:
        module = left.pop()
        found.add(module)
        left |= {
            name for name in imported(module) - found - APART.keys() if name.startswith(WITHIN)
        }
    assert sorted(found) == list(MODULES)


def test_what_stands_apart_is_there() -> None:
    assert [name for name in APART if not path_of(name)] == []
