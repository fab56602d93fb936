"""A message of a device without a name has no blank in its place.

The statement is frozen in the file beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """The function that words messages."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0038_worded.sql"
    driver.execute(statements.read_text("utf-8"))
