"""Features that no tile holds, each named with its reason."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from cim.store.copy import columns
from cim.store.queries.tiles import manifest
from tiling.city.layers import Layer
from tiling.shapes.mesh import REASONS, Reason

NOWHERE = (-1, 0)
"""In place of level and cell, of buildings that no tile can hold."""


def write_skips(
    connection: Connection, layer: Layer, skips: Sequence[tuple[tuple[int, int], int, int]]
) -> None:
    """Name features left out: the tile's level and cell, the id, the reason."""
    sentences = [REASONS[Reason(reason)] for _, _, reason in skips]
    rows: dict[str, Any] = {
        "tileset": [layer.name] * len(skips),
        "object_id": [identity for _, identity, _ in skips],
        "reason_en": [en for en, _ in sentences],
        "reason_zh": [zh for _, zh in sentences],
        "level": [key[0] for key, _, _ in skips],
        "cell": [key[1] for key, _, _ in skips],
        "drawn": [Reason(reason).drawn for _, _, reason in skips],
    }
    columns.write(connection, "platform.tile_skip", rows, manifest.SKIP_TYPES)
