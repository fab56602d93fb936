"""OGC API – Tiles: vector tiles of every public collection, and of several together."""
