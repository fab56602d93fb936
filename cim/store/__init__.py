"""Where the city is kept: the database, its migrations, and every statement asked of it."""
