"""One root above all tilesets of the city, so that a client needs a single address.

Each tileset is an external one with its own geometric error: buildings show from afar, units
only from near.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tiling.disk.folder import CURRENT, PART, store

FILE = "tileset.json"

GENERATOR = "cimtwin"
"""The maker that our tilesets name."""

POINTS = "cimtwin, py3dtiles"
"""The makers that point clouds name: their tiles are legacy ones and keep to no rule of ours."""


@dataclass(frozen=True)
class Member:
    """A tileset below the root: where it is from there, and what its tileset.json says."""

    url: str
    document: Mapping[str, Any]

    @property
    def error(self) -> float:
        """Its geometric error."""
        return float(self.document["geometricError"])

    @property
    def region(self) -> list[float] | None:
        """Its region; None where it holds nothing."""
        root = self.document["root"]
        region = root["boundingVolume"].get("region")
        holds = {"children", "content", "contents", "implicitTiling"} & root.keys()
        return list(map(float, region)) if region and holds else None

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The schema by which its subtrees are read, if it has one."""
        return self.document.get("schema")

    @property
    def version(self) -> str:
        """Its version; empty where it says none."""
        return str(self.document["asset"].get("tilesetVersion", ""))


def describe(members: Iterable[Member]) -> bytes:
    """The tileset.json that refers to all of them; those that hold nothing are left out.

    CesiumJS reads the subtrees of external tilesets by the schema of the first one alone: so what
    is said of tiles by another schema than that of the first cannot stand below it, and is left
    out too.

    >>> json.loads(describe([]))["root"]
    {'boundingVolume': {'region': [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}, 'geometricError': 0.0, \
'refine': 'ADD'}
    """
    found = sorted((one for one in members if one.region), key=lambda one: (-one.error, one.url))
    schema = next((one.schema for one in found if one.schema), None)
    found = [one for one in found if _of_tiles(one.schema) in (None, _of_tiles(schema))]
    regions = [one.region for one in found if one.region]
    error = max((one.error for one in found), default=0.0)
    root: dict[str, Any] = {
        "boundingVolume": {"region": _around(regions)},
        "geometricError": error,
        "refine": "ADD",
    }
    if found:
        root["children"] = [
            {
                "boundingVolume": {"region": one.region},
                "geometricError": one.error,
                "content": {"uri": one.url},
            }
            for one in found
        ]
    versions = json.dumps([[one.url, one.version] for one in found])
    version = blake2b(versions.encode(), digest_size=6).hexdigest()
    asset = {"version": "1.1", "tilesetVersion": version, "generator": GENERATOR}
    document = {"asset": asset, "geometricError": error, "root": root}
    if schema:
        document["schema"] = schema
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def standing(tiles: Path) -> dict[str, dict[str, Any]]:
    """What tileset.json of each of the city's tilesets says, by name: those that stand on disk.

    Parts of others are left out, as all in them is there already; and what is no tileset of ours,
    as one that was edited by hand: `cim tile check` names its faults.
    """
    found = {}
    for file in sorted(tiles.glob(f"*/{CURRENT}/{FILE}")):
        if (file.parent.parent / PART).exists():
            continue
        try:
            document = json.loads(file.read_bytes())
            maker = document["asset"].get("generator")
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
        if maker in (GENERATOR, POINTS) and "root" in document:
            found[file.parent.parent.name] = document
    return found


def write(tiles: Path) -> Path:
    """Write the root above the tilesets on disk, for whoever serves that folder as it is."""
    members = [Member(f"{name}/{CURRENT}/{FILE}", found) for name, found in standing(tiles).items()]
    store(tiles / FILE, describe(members))
    return tiles / FILE


def served(tiles: Path, archives: Mapping[str, Mapping[str, Any]] | None = None) -> bytes:
    """The root as the service has it: each tileset by its version, and `archives` beside them."""
    found = standing(tiles)
    members = [Member(name, one) for name, one in (found | {**(archives or {})} | found).items()]
    return describe(
        Member(f"{one.url}/{FILE}?v={quote(one.version)}", one.document) for one in members
    )


def _of_tiles(schema: Mapping[str, Any] | None) -> Any:
    """What a schema says of tiles."""
    return (schema or {}).get("classes", {}).get("tile")


def _around(regions: Iterable[list[float]]) -> list[float]:
    """The region around all of them."""
    sides = list(zip(*regions, strict=True))
    if not sides:
        return [0.0] * 6
    ends = (min, min, max, max, min, max)
    return [end(side) for end, side in zip(ends, sides, strict=True)]
