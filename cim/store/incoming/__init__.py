"""From staged rows into the tables they are for, a file a subject."""
