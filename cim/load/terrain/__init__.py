"""Terrain: rasters of ground heights, proved, brought into the data folder and written down.

A file is opened and judged (`reading`), copied as a cloud-optimised GeoTIFF (`keeping`) and gets a
row in `city.terrain` (`loading`); `looking` shows one without keeping it.  What follows for the
buildings on it is `cim.derive.ground`.  Rasters are read by a library that takes a quarter of a
second to import: here stands what is needed without it.
"""

from cim.load.terrain.wish import ENDINGS, KIND, SURFACES, Wish, is_raster

__all__ = ["ENDINGS", "KIND", "SURFACES", "Wish", "is_raster"]
