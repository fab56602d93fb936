"""Construction projects, to which devices can be bound; who edits gives devices their streams.

The statements are frozen in the file beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """The table, its grants, and where a device of a project is."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0033_projects.sql"
    driver.execute(statements.read_text("utf-8"))
