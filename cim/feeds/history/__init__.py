"""Readings of the past: summed up by five minutes, hours and days, and kept true."""
