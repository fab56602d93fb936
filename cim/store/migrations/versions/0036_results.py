"""When results came about, of clients' datastreams; devices that have left a home, found at once.

The statements are frozen in the file beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Columns, filled from what was sent before, and an index."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0036_results.sql"
    driver.execute(statements.read_text("utf-8"))
