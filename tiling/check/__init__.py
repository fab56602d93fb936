"""Any tileset read back, strictly, and judged; ours held against the database too."""
