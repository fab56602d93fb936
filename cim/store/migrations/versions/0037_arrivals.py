"""When messages without a time arrived first is remembered, in case they come again; and who sent
what could not come in.

The statements are frozen in the file beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """A table, who writes it, and a column."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0037_arrivals.sql"
    driver.execute(statements.read_text("utf-8"))
