"""Messages of devices → store: decoded, resolved, written in one transaction, then acknowledged."""
