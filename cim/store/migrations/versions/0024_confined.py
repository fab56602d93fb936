"""Nothing that runs as the owner of the tables is anybody's to run.

Fields of people are shown where the role for them was given. The statements are frozen in the file
beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Rights of functions, and the rules that say which fields of people are shown where."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0024_confined.sql"
    driver.execute(statements.read_text("utf-8"))
