"""The ground as quantized-mesh: from the city's rasters to tiles, and the check of them."""
