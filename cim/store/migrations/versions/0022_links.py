"""Codes of addresses and parcels are found by an index, and so are alarms that go on."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """The indexes; few events go on at a time, whatever the past holds."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        CREATE INDEX ix_std_address_code ON city.std_address (std_code)
            WHERE std_code IS NOT NULL;
        CREATE INDEX ix_parcel_code ON city.parcel (cadastral_code)
            WHERE cadastral_code IS NOT NULL;
        CREATE INDEX ix_event_open ON city.event (object_type, object_id)
            WHERE ended_at IS NULL;
    """)
