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

from tiling.folder import CURRENT, store

FILE = "tileset.json"

GENERATOR = "cimtwin"
"""The maker that our tilesets name."""


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
        return list(map(float, root["boundingVolume"]["region"])) if "children" in root else None


def describe(members: Iterable[Member]) -> bytes:
    """The tileset.json that refers to all of them; those that hold nothing are left out.

    >>> json.loads(describe([]))["root"]
    {'boundingVolume': {'region': [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}, 'geometricError': 0.0, \
'refine': 'ADD'}
    """
    found = sorted((one for one in members if one.region), key=lambda one: (-one.error, one.url))
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
    versions = json.dumps([[one.url, one.document["asset"]["tilesetVersion"]] for one in found])
    version = blake2b(versions.encode(), digest_size=6).hexdigest()
    asset = {"version": "1.1", "tilesetVersion": version, "generator": GENERATOR}
    document = {"asset": asset, "geometricError": error, "root": root}
    if found:
        # CesiumJS reads the subtrees of external tilesets by the schema of the first one alone.
        document["schema"] = found[0].document["schema"]
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def standing(tiles: Path) -> dict[str, dict[str, Any]]:
    """What tileset.json of each of the city's tilesets says, by name: those that stand on disk.

    What is no tileset of ours, as one that was edited by hand, is left out: `cim tile check` names
    its faults.
    """
    found = {}
    for file in sorted(tiles.glob(f"*/{CURRENT}/{FILE}")):
        document = json.loads(file.read_bytes())
        if document.get("asset", {}).get("generator") == GENERATOR and "root" in document:
            found[file.parent.parent.name] = document
    return found


def write(tiles: Path) -> Path:
    """Write the root above the tilesets on disk, for whoever serves that folder as it is."""
    members = [Member(f"{name}/{CURRENT}/{FILE}", found) for name, found in standing(tiles).items()]
    store(tiles / FILE, describe(members))
    return tiles / FILE


def served(tiles: Path) -> bytes:
    """The root as the service has it: each tileset by its version."""
    return describe(
        Member(f"{name}/{FILE}?v={found['asset']['tilesetVersion']}", found)
        for name, found in standing(tiles).items()
    )


def _around(regions: Iterable[list[float]]) -> list[float]:
    """The region around all of them."""
    sides = list(zip(*regions, strict=True))
    if not sides:
        return [0.0] * 6
    ends = (min, min, max, max, min, max)
    return [end(side) for end, side in zip(ends, sides, strict=True)]
