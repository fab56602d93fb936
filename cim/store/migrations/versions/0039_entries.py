"""Many alarms at once: entries chained in one statement, others of a building found by index.

The statements are frozen in the file beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """The functions that write the history of alarms."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0039_entries.sql"
    driver.execute(statements.read_text("utf-8"))
