"""`cim tile` and the commands below it, their bar, and the watch that keeps tiles true."""
