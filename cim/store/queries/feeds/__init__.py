"""Statements of devices and their readings: what is live, what was, and what follows from it."""
