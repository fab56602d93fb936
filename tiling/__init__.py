"""PostGIS → 3D Tiles: pure kernels, and the one function that joins them."""
