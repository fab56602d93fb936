"""Statements as values: pure builders, run by whoever holds a connection."""
