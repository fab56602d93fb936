"""Messages of alarms name a device once; streets are found by their names."""

from importlib.resources import files

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """An index, and a function as it is now."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0035_words.sql"
    driver.execute(statements.read_text("utf-8"))
