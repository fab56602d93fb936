"""Files handed in: sent, looked into, loaded, matched; and what the data leave open."""
