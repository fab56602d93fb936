"""Which rule watches which stream is found for a million streams at once.

Gas is measured to the nearest of a unit's floor and ceiling. The functions are frozen in the file
beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """The functions as they are now; what they find is what there was."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0031_watches.sql"
    driver.execute(statements.read_text("utf-8"))
