"""Vector tiles of the public collections: what is drawn at which zoom, made, kept, found stale."""
