"""Bytes as the standards have them: glTF, its tables, subtrees, tileset.json; and the quadtree."""
