"""Lifts of one building that stop at the same moment are seen by each other's alarms."""

from importlib.resources import files

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """The functions as they are now."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0034_lifts.sql"
    driver.execute(statements.read_text("utf-8"))
