"""The first tables: places, buildings, addresses, people, organisations, facilities, devices."""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Extensions and schemas, tables, roles, functions: as frozen in the file beside this one."""
    statements = files("cim.store.migrations") / "versions" / "0001_initial.sql"
    # The driver itself runs them: many at once, and with percent signs.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(statements.read_text("utf-8"))
