"""The ground: heights out of rasters, at places and under outlines.

`raster` reads one raster, `ground` several that overlap; where they are is told by whoever asks
(`cim.store.terrain` knows).  Heights come in the city's height datum.
"""
