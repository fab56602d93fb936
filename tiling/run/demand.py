"""One tile for whoever asks for it now: its rows, in as few and as short questions as can be."""

from typing import Any

from sqlalchemy import Connection

from cim.crs.geoid import Geoid
from cim.store.copy import columns
from cim.store.copy.columns import Ready
from cim.store.queries.tiles.members import in_tile
from tiling.city.layers import Layer
from tiling.city.rows import Rows
from tiling.formats.tree import Key
from tiling.run.batch import joined


class Reader:
    """Reads the rows of one tile at a time; its statements are made when it is first asked."""

    def __init__(self, layer: Layer, heights: Geoid) -> None:
        """Of the tiles of a layer."""
        self.layer, self.heights = layer, heights
        self._ready: dict[str, tuple[Ready, Any]] = {}

    def rows(self, connection: Connection, key: Key) -> Rows:
        """The rows of the buildings that `platform.tile_member` has in a tile."""
        if not self._ready:
            ids: Any = in_tile()
            self._ready = {
                name: (columns.ready(connection, query.statement), query.types)
                for name, query in self.layer.rows(ids).items()
            }
        chosen = {"name": self.layer.name, "level": key.level, "cell": key.cell}
        pieces = {
            name: columns.fetch(connection, statement, types, chosen)
            for name, (statement, types) in self._ready.items()
        }
        return joined(self.layer, self.heights, pieces)
