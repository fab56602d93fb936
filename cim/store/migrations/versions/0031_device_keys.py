"""Devices get their keys by functions, which the login that edits may call.

The statements are frozen in the file beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """The functions, and who may call them."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    statements = files("cim.store.migrations") / "versions" / "0031_device_keys.sql"
    driver.execute(statements.read_text("utf-8"))
