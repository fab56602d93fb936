"""Statements of the ways in: from staged rows to the tables, and what is derived of them."""
