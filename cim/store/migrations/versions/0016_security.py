"""Accounts, roles, keys, sessions, links, and the audit log, with the rules the database holds."""

from importlib.resources import files

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Tables, then rules and rights, then the roles there are: as frozen in the files beside it."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("CREATE SCHEMA IF NOT EXISTS security")
    for name in ("tables", "rules", "roles"):
        statements = files("cim.store.migrations") / "versions" / f"0016_security_{name}.sql"
        driver.execute(statements.read_text("utf-8"))
