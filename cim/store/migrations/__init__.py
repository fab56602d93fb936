"""The migrations: Alembic's environment and its versions, shipped inside the package."""
