"""Webhooks are kept over HTTP too, by the login that changes features and rules."""

from alembic import op

revision = "0032"
down_revision = "0031"

_GRANTS = """
    GRANT SELECT, INSERT, UPDATE ON platform.webhook TO cim_editor;
    GRANT SELECT, UPDATE, DELETE ON platform.webhook_delivery TO cim_editor;
"""


def upgrade() -> None:
    """What that login may do with them."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(_GRANTS)
