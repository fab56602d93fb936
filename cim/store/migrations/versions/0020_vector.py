"""Vector tiles that are kept, and triggers by which the city tells that they are behind."""

from importlib.resources import files

from alembic import op

revision = "0020"
down_revision = "0018"


def upgrade() -> None:
    """The tables, then what tells of changes and who may write: as frozen beside this file."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for name in ("0020_vector.sql", "0020_vector_told.sql"):
        statements = files("cim.store.migrations") / "versions" / name
        driver.execute(statements.read_text("utf-8"))
