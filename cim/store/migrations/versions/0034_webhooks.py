"""Readings are sent to others too: what is noted for it as they are written, and what waits.

The statements are frozen in the files beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """The columns, the log, and the functions that fill and empty it."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    folder = files("cim.store.migrations") / "versions"
    for name in ("0034_webhooks.sql", "0034_webhooks_rules.sql"):
        driver.execute((folder / name).read_text("utf-8"))
