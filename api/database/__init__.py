"""The database as handlers ask it: pools, a replica, the change feed, people by their proofs."""
