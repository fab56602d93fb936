"""How much the check reads of a tileset that may be anybody's, and how far it follows it.

What is beyond is a fault with a sentence, whatever it is: no client opens it either.
"""

FILE = 1 << 27
"""Bytes that one file may have, unpacked."""

DOCUMENT = 1 << 25
"""Bytes that one JSON document may have: as Python's values they take twenty times that."""

TILES = 1_000_000
"""Tiles that a tileset may have, those of external tilesets among them."""

TILESETS = 50_000
"""External tilesets that may be gone through."""

FAULTS = 100_000
"""Faults after which no more are looked for."""

WITHIN = 100
"""Explicit tiles, one within another, those of external tilesets among them."""

NUMBERS = 1 << 25
"""Numbers that one accessor may have: as many as eleven million vertices."""

PARTS = 10_000
"""Primitives that one content may draw."""

BITS = 1 << 22
"""Bits of availability that a subtree may have: its levels tell how many."""

DEEPEST = 40
"""The deepest level that an implicit tree may say it has."""

PATIENCE = 30.0
"""Seconds that a server may take for one file, however little it sends at a time."""

SILENT = 3
"""Files after which a server that does not answer is asked no more."""
