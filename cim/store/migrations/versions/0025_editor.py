"""Features are changed by a login of their own; files handed in belong to an account or a key.

The statements are frozen in the files beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Owners and shapes of what is handed in, then who may change features."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for name in ("0025_owners.sql", "0025_editor.sql"):
        statements = files("cim.store.migrations") / "versions" / name
        driver.execute(statements.read_text("utf-8"))
