"""Who may do what, and the record of what was done: accounts, keys, rights, sessions, the log."""
