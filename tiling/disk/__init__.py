"""Where tilesets stand: a folder a version, one root above all of them."""
