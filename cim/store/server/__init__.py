"""The private PostgreSQL: which programs, one cluster in the data folder, its configuration."""
