"""OGC API – Features: the public collections as the standard asks for them."""
