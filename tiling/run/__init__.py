"""A run: what is behind is read, built, journalled and published, in one process or in many."""
