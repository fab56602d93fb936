"""The ground: heights out of rasters, at places and under outlines.

`raster` reads one raster, `ground` several that overlap; where they are is told by whoever asks
(`cim.store.terrain` knows).  Heights come in the city's height datum.
"""

import os

DECODED = 64
"""MB of blocks that the library that reads rasters keeps of its own accord."""

# Before it reads anything: else it keeps a twentieth of the machine's memory.
os.environ.setdefault("GDAL_CACHEMAX", str(DECODED))
