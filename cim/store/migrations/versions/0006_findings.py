"""What the last check of the city found, with its place on the map."""

from importlib.resources import files

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """The tables, as frozen in the file beside this one."""
    statements = files("cim.store.migrations") / "versions" / "0006_findings.sql"
    # The driver itself runs them: many at once, and with percent signs.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(statements.read_text("utf-8"))
