"""Point clouds of surveys as tilesets of the city."""
