"""Run by Alembic; `cim.store.migrate` hands it the connection and keeps the transaction."""

from alembic import context

if hasattr(context, "config"):  # absent where this file is imported and not run
    context.configure(
        connection=context.config.attributes["connection"],
        version_table_schema="platform",
    )
    context.run_migrations()
