"""Statements about callers: who they are, what they may do and where, and what they did."""
