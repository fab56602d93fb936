"""Names that addresses are made of, as people type them; addresses by estate, road and village."""

from importlib.resources import files

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """The table and the indexes, and the names that there are, as frozen in the file beside it.

    How the names are said, the next command that loads addresses adds, or `cim address names`.
    """
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0021_place_names.sql"
    driver.execute(statements.read_text("utf-8"))
