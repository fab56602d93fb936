"""What of the city is in which tile, and one tile's bytes out of its rows."""
