"""Statements of the tiler: which tiles there are, who is in them, and the rows of each."""
