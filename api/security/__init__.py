"""Who calls: keys, sessions, and those that another place vouches for."""
