"""Rows of people are opened by a proof and logged as they are: rights in the database, one log."""

from importlib.resources import files

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Tables, then what is in them, then the rules: as frozen in the files beside it."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for name in ("tables", "data", "rules"):
        statements = files("cim.store.migrations") / "versions" / f"0017_people_{name}.sql"
        driver.execute(statements.read_text("utf-8"))
