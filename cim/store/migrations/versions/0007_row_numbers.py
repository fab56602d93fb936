"""What row numbers, the steps of a job and a mapping hold is said as it is."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Comments alone."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        COMMENT ON COLUMN platform.quarantine.row_no
            IS 'row in the file: of tables as a spreadsheet shows it, of others from 1';
        COMMENT ON COLUMN platform.intake.step
            IS 'wait, read, compare, keep, units, commit';
        COMMENT ON COLUMN platform.data_import.mapping
            IS 'field → column; of a model, where it was put';
    """)
